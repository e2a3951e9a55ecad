package convert_test

import (
	"testing"

	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/passes/convert"
	"github.com/bottlenet/bnc/passes/internal/passtest"
)

// TestHalfPrecisionKeepsSmallAndLarge: what float16 cannot hold is computed in
// float32 until the numbers are near 1 again.
func TestHalfPrecisionKeepsSmallAndLarge(t *testing.T) {
	m := passtest.Parse(t, passtest.Header+`g (float[1,2,4,4] x) => (float[1,2,4,4] y, float[1,2,4,4] z, float[1,1,4,4] w) <float eps = {1e-8}, float mask = {-1e9}> {
		r = Relu (x)
		q = Mul (r, r)
		m = ReduceMean <axes = [1], keepdims = 1> (q)
		e = Add (m, eps)
		s = Sqrt (e)
		d = Div (r, s)
		y = Relu (d)
		a = Add (r, mask)
		p = Softmax (a)
		z = Relu (p)
		l = ReduceL1 <axes = [1], keepdims = 1> (r)
		u = Add (l, l)
		w = Tanh (u)
	}`)
	passtest.Apply(t, m, convert.HalfPrecision)
	want := map[string]ir.DType{"q": ir.Float32, "m": ir.Float32, "e": ir.Float32, "s": ir.Float32, "d": ir.Float32, "a": ir.Float32, "p": ir.Float32, "u": ir.Float32}
	for name := range want {
		for _, v := range m.Graph.Value(name).Producer().Inputs() {
			if p := v.Producer(); v.DType() == ir.Float16 || p != nil && p.Op == "Cast" && ir.DType(p.Int("to", 0)) == ir.Float16 {
				t.Errorf("%s reads %q in float16", name, v.Name())
			}
		}
	}
}
