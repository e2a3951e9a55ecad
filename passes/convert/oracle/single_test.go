//go:build cgo

package oracle

import (
	"testing"

	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/compiler/onnxtext"
	"github.com/bottlenet/bnc/internal/oracletest"
	"github.com/bottlenet/bnc/passes/convert"
	"github.com/bottlenet/bnc/runtime/ort"
	"github.com/bottlenet/bnc/runtime/tensor"
)

// TestSinglePrecision compares float16 graphs with what they become, in ONNX Runtime.
func TestSinglePrecision(t *testing.T) {
	for _, c := range []struct{ name, graph string }{ // float16 constants as their bits: 0.5, -3, 0.25
		{"constants", `k = Constant <value = float16[2] {14336, 49664}> () a = Mul (x, k) y = Cast <to = 1> (a)`},
		{"a filled constant", `s = Constant <value_ints = [2]> () k = ConstantOfShape <value = float16[1] {13312}> (s) a = Sub (x, k) y = Cast <to = 1> (a)`},
		{"a branch", `b = Constant <value = bool {1}> ()
			c = If (b) <then_branch = t () => (float16[3,2] d) { d = Neg (x) }, else_branch = e () => (float16[3,2] d) { d = Identity (x) }>
			y = Cast <to = 1> (c)`},
		{"casts there and back", `a = Cast <to = 1> (x) b = Exp (a) c = Cast <to = 10> (b) d = Neg (c) y = Cast <to = 1> (d)`},
		{"integers", `i = Cast <to = 7> (x) f = Cast <to = 10> (i) a = Add (f, x) y = Cast <to = 1> (a)`},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, err := onnxtext.Parse(`<ir_version: 8, opset_import: ["" : 17]> g (float16[3,2] x) => (float[3,2] y) {` + c.graph + `}`)
			if err != nil {
				t.Fatal(err)
			}
			values := []float32{1.5, -2, 0.25, 3, -1.75, 0.125} // exact in float16
			half, err := ir.FloatsAs(ir.Float16, values, 3, 2)
			if err != nil {
				t.Fatal(err)
			}
			b, err := half.Bytes()
			if err != nil {
				t.Fatal(err)
			}
			want := oracletest.Compute(t, m, ort.Feed{"x": {DType: tensor.Float16, Shape: []int64{3, 2}, Data: b}})
			single := m.Clone()
			oracletest.Apply(t, single, convert.SinglePrecision)
			if text := single.Graph.Value("x").DType(); text != ir.Float32 {
				t.Fatalf("x is still %v", text)
			}
			got := oracletest.Compute(t, single, ort.Feed{"x": tensor.Of([]int64{3, 2}, values)})
			if d := oracletest.Far(got[0].Tensor, want[0].Tensor); d > 1e-3 { // half a unit of float16's 11 bits
				t.Errorf("off by %g", d)
			}
		})
	}
}
