package grad

import (
	"slices"
	"testing"

	"github.com/bottlenet/bnc/compiler/onnxtext"
	"github.com/bottlenet/bnc/compiler/shape"
)

// TestElementwiseInCHWN: a form that lays an operator out anew would lose to the one
// that all element-wise operators have, or hide it.
func TestElementwiseInCHWN(t *testing.T) {
	for k := range converters {
		if k.domain == Domain {
			continue
		}
		op := shape.Lookup(k.domain, k.op)
		if op == nil {
			t.Errorf("%s has a form in CHWN and no row", k.op)
		} else if op.Elementwise() {
			t.Errorf("%s has a form of its own in CHWN and is computed element by element", k.op)
		}
	}
}

// TestNormalisationScales: scales and biases of all normalisations are weights; those of
// operators without a gradient are not.
func TestNormalisationScales(t *testing.T) {
	for graph, want := range map[string][]string{
		`y = RMSNormalization (x, a)`:                       {"a"},
		`y = LayerNormalization (x, a, b)`:                  {"a", "b"},
		`y = SimplifiedLayerNormalization (x, a)`:           {"a"},
		`y = BatchNormalization (x, a, b, c, d)`:            {"a", "b"},
		`h = Add (x, a) y = Mul (h, b)`:                     nil, // before the first weight
		`h = PRelu (x, a) y = Mul (h, b)`:                   {"a", "b"},
		`y = DeformConv (x, k, x)`:                          nil,
		`y = Conv (x, k, a)`:                                {"k", "a"},
		`y = com.microsoft.FusedConv (x, k, a)`:             nil,
		`h = Relu (x) y = Max (h, a)`:                       nil,
		`i = MatMul (k, k) y = Sub (i, b)`:                  {"k", "b"},
		`q = Conv (x, k) y = Div (a, q)`:                    {"k"}, // the dividend of numbers
		`q = Conv (x, k) y = Div (q, a)`:                    {"k", "a"},
		`y = GroupNormalization <num_groups = 1> (x, a, b)`: {"a", "b"},
	} {
		m, err := onnxtext.Parse(`<ir_version: 10, opset_import: ["" : 23, "com.microsoft" : 1]>
			g (float[1,2,4,4] x) => (float y) <float[2,1,1] a = {0.3, 0.7}, float[2,1,1] b = {0.1, 0.4}, float[2] c = {0, 0}, float[2] d = {1, 1},
			float[2,2,1,1] k = {0.1, 0.2, 0.7, 0.4}> { ` + graph + ` }`)
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, v := range Parameters(m) {
			names = append(names, v.Name())
		}
		if !slices.Equal(names, want) {
			t.Errorf("%s: expected the weights %q, found %q", graph, want, names)
		}
	}
}
