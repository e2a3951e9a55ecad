package bottleneck

import (
	"testing"

	"github.com/bottlenet/bnc/compiler/onnxtext"
	"github.com/bottlenet/bnc/compiler/shape"
)

// TestSignByNode: what rows leave to this package is what it has rules for.
func TestSignByNode(t *testing.T) {
	for _, op := range shape.Ops() {
		asks := op.Sign == shape.SignByNode
		if has := op.Domain == "" && negativeOps[op.Name] != nil; asks != has {
			t.Errorf("%s.%s: its row asks for a rule: %v, there is one: %v", op.Domain, op.Name, asks, has)
		}
	}
	for name := range negativeOps {
		if shape.Lookup("", name) == nil {
			t.Errorf("there is a rule for %s, which has no row", name)
		}
	}
}

// TestCanBeNegative: operators of which each can give what its case says, by
// ONNX's definitions of them.
func TestCanBeNegative(t *testing.T) {
	for graph, want := range map[string]bool{
		`y = ThresholdedRelu <alpha = -1.0> (x)`:         true, // -0.5 stays
		`y = ThresholdedRelu <alpha = 0.5> (x)`:          false,
		`y = ThresholdedRelu (x)`:                        false,
		`y = Clip (x, zero)`:                             false,
		`y = Clip (x, zero, six)`:                        false,
		`y = Clip (x, zero, less)`:                       true, // the upper bound wins
		`y = Clip (x, zero, given)`:                      true,
		`y = Clip (x, override)`:                         true,
		`a = Cast <to = 3> (pos) y = Cast <to = 1> (a)`:  true, // 200 as int8 is -56
		`a = Cast <to = 10> (pos) y = Cast <to = 1> (a)`: false,
		`y = Add (pos, override)`:                        true,
		`y = Add (pos, pos)`:                             false,
		`y = Sub (pos, pos)`:                             true,
		`y = Sub (zero, pos)`:                            true,
		`y = Mul (x, x)`:                                 true, // as far as operators tell
		`y = Where (cond, pos, pos)`:                     false,
		`y = Where (cond, pos, x)`:                       true,
		`y = PRelu (pos, less)`:                          false, // the slope is for negative numbers
		`y = Concat <axis = 0> (pos, pos)`:               false,
		`y = Concat <axis = 0> (pos, x)`:                 true,
		`z, y = Split <axis = 0> (pos)`:                  false,
		`y = HardSwish (x)`:                              true,
		`y = HardSwish (pos)`:                            false,
		`y = Selu (pos)`:                                 true, // gamma may be
		`y = nobody.Knows (pos)`:                         true,
	} {
		m, err := onnxtext.Parse(`<ir_version: 8, opset_import: ["" : 17, "nobody" : 1]>
			g (float[4] x, float given, float override, bool[4] cond) => (float[4] y) <float zero = {0}, float six = {6}, float less = {-1}, float override = {0}> { pos = Relu (x) ` + graph + ` }`)
		if err != nil {
			t.Fatal(err)
		}
		if got := canBeNegative(m.Graph.Value("y")); got != want {
			t.Errorf("%s: can be negative: %v, expected %v", graph, got, want)
		}
	}
}
