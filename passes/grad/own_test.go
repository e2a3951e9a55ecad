package grad

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/bottlenet/bnc/compiler/onnxtext"
)

// TestOwnWeights asks which readers have one constant in the end.
func TestOwnWeights(t *testing.T) {
	for _, c := range []struct {
		name, inits, nodes string
		want               string // readers NODE.INPUT of constants, those of one constant joined
	}{
		{"ones and zeros of two normalisations", `float[2] one = {1, 1}, float[2] zero = {0, 0}`,
			`a = BatchNormalization (x, one, zero, zero, one) y = BatchNormalization (a, one, zero, zero, one)`,
			"a.1 a.2 a.3 a.4 y.1 y.2 y.3 y.4"},
		{"the branches of a siamese network", `float[2,2,1,1] w = {1, 2, 3, 4}, float[2] b = {0.1, 0.2}`,
			`a = Conv (x, w, b) c = Neg (x) d = Conv (c, w, b) y = Sub (a, d)`,
			"a.1=d.1 a.2=d.2"},
		{"a learnt array in two roles", `float[2,2,1,1] w = {1, 2, 3, 4}, float[2] b = {0.1, 0.2}`,
			`a = Conv (x, w, b) y = BatchNormalization (a, b, b, b, b)`,
			"a.1 a.2 y.1 y.2 y.3 y.4"},
		{"kernels of two kinds", `float[2,2,1,1] w = {1, 2, 3, 4}`, `a = Conv (x, w) y = ConvTranspose (a, w)`, "a.1=y.1"},
		{"merged kernels of zeros", `float[2,2,1,1] w = {0, 0, 0, 0}`, `a = Conv (x, w) c = Conv (x, w) y = Add (a, c)`, "a.1 c.1"},
		{"a reader that does not learn", `float[2,2,1,1] w = {1, 2, 3, 4}`, `a = Conv (x, w) s = Exp (w) y = Conv (a, s)`, "a.1 s.0"},
		{"a Constant node", ``, `one = Constant <value_floats = [1, 1]> () a = BatchNormalization (x, one, one, one, one) y = PRelu (a, one)`,
			"a.1 a.2 a.3 a.4 y.1"},
		{"what is no float", `int64[1] one = {1}`, `a = Unsqueeze (x, one) y = Squeeze (a, one)`, "a.1=y.1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, err := onnxtext.Parse(`<ir_version: 8, opset_import: ["" : 17]> g (float[N,2,4,4] x) => (float[N,2,4,4] y) <` + c.inits + `> {` + c.nodes + `}`)
			if err != nil {
				t.Fatal(err)
			}
			copies, err := OwnWeights(m)
			if err != nil {
				t.Fatal(err)
			}
			if err := m.Verify(); err != nil {
				t.Fatal(err)
			}
			readers := map[string][]string{}
			for _, n := range m.Graph.Nodes() {
				for i, v := range n.Inputs() {
					if v.Const() != nil {
						readers[v.Name()] = append(readers[v.Name()], fmt.Sprint(n.Output(0).Name(), ".", i))
					}
				}
			}
			var got []string
			for _, r := range readers {
				got = append(got, strings.Join(r, "="))
			}
			slices.Sort(got)
			if s := strings.Join(got, " "); s != c.want {
				t.Errorf("%d copies: %s, expected %s", copies, s, c.want)
			}
			if again, err := OwnWeights(m); again != 0 || err != nil {
				t.Errorf("the second time: %d copies, %v", again, err)
			}
		})
	}
}
