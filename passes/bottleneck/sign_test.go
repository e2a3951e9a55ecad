package bottleneck

import (
	"testing"

	"github.com/bottlenet/bnc/compiler/onnxtext"
)

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
	} {
		m, err := onnxtext.Parse(`<ir_version: 8, opset_import: ["" : 17]>
			g (float[4] x, float given, float override) => (float[4] y) <float zero = {0}, float six = {6}, float less = {-1}, float override = {0}> { pos = Relu (x) ` + graph + ` }`)
		if err != nil {
			t.Fatal(err)
		}
		if got := canBeNegative(m.Graph.Value("y")); got != want {
			t.Errorf("%s: can be negative: %v, expected %v", graph, got, want)
		}
	}
}
