//go:build cgo

package oracle

import (
	"slices"
	"strings"
	"testing"

	"github.com/bottlenet/bnc/internal/oracletest"
	"github.com/bottlenet/bnc/passes/opt"
	"github.com/bottlenet/bnc/runtime/ort"
	"github.com/bottlenet/bnc/runtime/tensor"
)

// TestComputed: what a network's file computes of constants, taken out of it, is what
// ONNX Runtime computes in the whole network.
func TestComputed(t *testing.T) {
	m := oracletest.Parse(t, `<ir_version: 8, opset_import: ["" : 17]>
	net (float[batch,1,6,6] x) => (float[batch,4] y) <float[2,1,2,2] v = {1,-2,3,4, 0.5,1,-1,2}, float[2,1,1,1] l = {0.7,1.1}, float[2] g = {1,2}, int64[2] ax = {1, 2},
		float[4,2] w = {1,2,3,4,5,6,7,8}, float[2] c1 = {0.1,-0.2}, float[2] c2 = {0.3,0.4}> {
		n = ReduceL2 <axes = [1, 2, 3]> (v)
		u = Div (v, n)
		k = Mul (u, l)
		s = Unsqueeze (g, ax)
		m = Transpose (w)
		j = Concat <axis = 0> (c1, c2)
		a = Conv (x, k)
		c = Mul (a, s)
		p = GlobalAveragePool (c)
		f = Flatten (p)
		e = MatMul (f, m)
		y = Add (e, j)
	}`)
	part, err := opt.Computed(m)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, p := range part.Graph.Outputs() {
		names = append(names, p.Name())
		m.Graph.AddOutput(m.Graph.Value(p.Name()), nil)
	}
	if want := strings.Fields("k s m j"); !slices.Equal(names, want) {
		t.Errorf("%v are computed, expected %v", names, want)
	}
	whole := oracletest.Compute(t, m, ort.Feed{"x": oracletest.Noise(tensor.Float32, 1, 1, 1, 6, 6)})
	for _, r := range oracletest.Compute(t, part, ort.Feed{"bnc.nothing": tensor.Of([]int64{1}, []float32{0})}) {
		want, err := whole.Tensor(r.Name)
		if err != nil {
			t.Fatal(err)
		}
		if d := oracletest.Far(r.Tensor, want); d != 0 { // the same operators on the same numbers
			t.Errorf("%s is off by %g", r.Name, d)
		}
	}
}
