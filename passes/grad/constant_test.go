package grad

import (
	"slices"
	"strings"
	"testing"

	"github.com/bottlenet/bnc/compiler/onnxtext"
)

// TestParametersOfArithmetic tells weights from masks, positions and anchors among the
// operands of arithmetic. Which is which follows from what PyTorch's modules are: a
// parameter, or a buffer.
func TestParametersOfArithmetic(t *testing.T) {
	const conv = `a = Conv (x, w) `
	const scores = `a = Conv (x, w) f = Reshape (a, s) t = Transpose <perm = [0,2,1]> (f) m = MatMul (t, f) q = Mul (m, h) `
	const kernel = `float[2,2,1,1] w = {0.3, -0.2, 0.7, 0.4}`
	const attention = kernel + `, int64[3] s = {0, 2, -1}, float h = {0.7}, `
	for _, c := range []struct {
		name, inits, nodes, want string
	}{
		{"a bias and a scale a channel", kernel + `, float[2,1,1] b = {0.1, 0.31}, float[1,2,1,1] g = {1, 1}`, conv + `c = Mul (a, g) y = Add (b, c)`, "w g b"},
		{"before the first weight", kernel + `, float[2,1,1] b = {0.1, 0.31}`, `c = Sub (x, b) y = Conv (c, w)`, "w"},
		{"a mask of attention", attention + `float[1,4,4] k = {0,-1e9,-1e9,-1e9, 0,0,-1e9,-1e9, 0,0,0,-1e9, 0,0,0,0}`, scores + `y = Add (q, k)`, "w"},
		{"an infinite one, of keys", attention + `float[1,1,4] k = {0.1, 0.2, -inf, -inf}`, scores + `y = Add (k, q)`, "w"},
		{"an unnamed bias of positions", attention + `float[1,4,4] k = {0.1,-0.12,0.3,0.4, 0.2,0.17,0.5,0.6, 0.1,0.3,0.7,0.9, 0.23,0.5,0.51,0.7}`, scores + `y = Add (q, k)`, "w"},
		{"a named one, and a mask behind it", attention + `float[1,4,4] "blk.relative_position_bias" = {0.1,-0.12,0.3,0.4, 0.2,0.17,0.5,0.6, 0.1,0.3,0.7,0.9, 0.23,0.5,0.51,0.7},
			float[1,4,4] k = {0,-100,0,0, 0,0,-100,0, 0,0,0,-100, 0,0,0,0}`, scores + `r = Add (q, "blk.relative_position_bias") y = Add (r, k)`, "w blk.relative_position_bias"},
		{"a learnt embedding of positions", kernel + `, float[1,2,2,2] pos_embed = {0.1,-0.12,0.3,0.4, 0.2,0.17,0.5,0.6}`, conv + `y = Add (a, pos_embed)`, "w pos_embed"},
		{"a grid", kernel + `, float[1,2,2,2] k = {0,1,0,1, 0,0,1,1}`, conv + `y = Add (a, k)`, "w"},
		{"a grid of normalised positions", kernel + `, float[1,1,1,4] k = {0.1, 0.2, 0.3, 0.4}`, conv + `y = Add (a, k)`, "w"},
		{"rows", kernel + `, float[1,1,4,1] k = {0.1, 0.25, 0.31, 0.4}`, conv + `y = Add (a, k)`, "w"},
		{"anchors", kernel + `, float[1,2,1,1] k = {10, 13}`, conv + `y = Mul (a, k)`, "w"},
		{"normalisation of a map, by its names", kernel + `, float[2,2,2] "ln.weight" = {1,1,1,1,1,1,1,1}, float[2,2,2] "ln.bias" = {0.1,-0.12,0.3,0.4, 0.2,0.17,0.5,0.6}`,
			conv + `b = Mul (a, "ln.weight") y = Add (b, "ln.bias")`, "w ln.weight ln.bias"},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, err := onnxtext.Parse(`<ir_version: 8, opset_import: ["" : 17]> g (float[N,2,2,2] x) => (y) <` + c.inits + `> {` + c.nodes + `}`)
			if err != nil {
				t.Fatal(err)
			}
			got := map[string]bool{}
			var names []string
			for _, v := range Parameters(m) {
				got[v.Name()] = true
				names = append(names, v.Name())
			}
			want := strings.Fields(c.want)
			slices.Sort(want)
			slices.Sort(names)
			if !slices.Equal(names, want) {
				t.Errorf("weights are %v, expected %v", names, want)
			}
			for _, l := range Constants(m) {
				if got[l.Value.Name()] || l.Reason == "" {
					t.Errorf("%q is told to stay, reason %q, and learns: %v", l.Value.Name(), l.Reason, got[l.Value.Name()])
				}
			}
		})
	}
}
