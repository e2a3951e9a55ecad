//go:build cgo

package oracle

import (
	"strings"
	"testing"

	"github.com/bottlenet/bnc/compiler/onnxtext"
	"github.com/bottlenet/bnc/internal/oracletest"
	"github.com/bottlenet/bnc/passes"
	"github.com/bottlenet/bnc/passes/convert"
	"github.com/bottlenet/bnc/runtime/ort"
	"github.com/bottlenet/bnc/runtime/tensor"
)

// calledFunctions are graphs of input x, float [2,3], that call functions.
var calledFunctions = []struct {
	name, graph, functions string
	plain                  string // the same without functions, where ONNX Runtime refuses what ONNX allows
}{
	{"twice, and what is inside has the names of what is outside", `a = my.Half (x) b = Neg (a) y = my.Half (b)`, `
		<domain: "my", opset_import: ["" : 17]> Half (x) => (y) { a = Constant <value = float {0.5}> () b = Mul (x, a) y = Exp (b) }`, ``},
	{"functions in functions", `y = my.Outer (x)`, `
		<domain: "my", opset_import: ["" : 17, "my" : 1]> Outer (v) => (w) { u = my.Inner (v) w = my.Inner (u) }
		<domain: "my", opset_import: ["" : 17]> Inner (v) => (w) { u = Sigmoid (v) w = Add (u, v) }`, ``},
	{"attributes given, by default and not at all", `a = my.Leak <alpha = 0.25> (x) b = my.Leak (a) y = my.Soft (b)`, `
		<domain: "my", opset_import: ["" : 17]> Leak <alpha: float = 0.5> (v) => (w) { w = LeakyRelu <alpha: float = @alpha> (v) }
		<domain: "my", opset_import: ["" : 17]> Soft <axis> (v) => (w) { w = Softmax <axis: int = @axis> (v) }`, ``},
	{"an attribute in a branch", `y = my.Either <alpha = 0.25> (x)`, `
		<domain: "my", opset_import: ["" : 17]> Either <alpha> (v) => (w) {
			t = Constant <value = bool {1}> ()
			u = Neg (v)
			w = If (t) <then_branch = a () => (float[2,3] x) { k = LeakyRelu <alpha: float = @alpha> (u) x = Add (k, v) }, else_branch = b () => (float[2,3] x) { x = Exp (v) }>
		}`, ``},
	{"a call in a branch", `t = Constant <value = bool {1}> () y = If (t) <then_branch = a () => (float[2,3] z) { z = my.Twice (x) }, else_branch = b () => (float[2,3] z) { z = Exp (x) }>`, `
		<domain: "my", opset_import: ["" : 17]> Twice (v) => (w) { w = Add (v, v) }`, ``},
	{"an output that is an input, and one twice", `a, b, c = my.All (x) d = Mul (a, b) y = Add (c, d)`, `
		<domain: "my", opset_import: ["" : 17]> All (v) => (v, w, w) { w = Neg (v) }`, `b = Neg (x) d = Mul (x, b) y = Add (b, d)`},
	{"an input and an output that are omitted", `a, , b = my.Some (x, ) y = Add (a, b)`, `
		<domain: "my", opset_import: ["" : 17]> Some (v, hi) => (p, q, r) { p = Clip (v, , hi) q = Neg (v) r = Exp (v) }`, ``},
	{"an older operator set", `y = my.Old (x)`, `
		<domain: "my", opset_import: ["" : 13]> Old (v) => (w) { u = Relu (v) w = MatMul (u, u) }`, ``},
}

// TestInlineFunctions runs models as they are, with ONNX Runtime's own functions, and
// inlined.
func TestInlineFunctions(t *testing.T) {
	for _, c := range calledFunctions {
		t.Run(c.name, func(t *testing.T) {
			shape := "2,3"
			if strings.Contains(c.functions, "MatMul") {
				shape = "3,3"
			}
			m, err := onnxtext.Parse(`<ir_version: 8, opset_import: ["" : 17, "my" : 1]> g (float[` + shape + `] x) => (float[` + shape + `] y) {` + c.graph + "}" + c.functions)
			if err != nil {
				t.Fatal(err)
			}
			dims := []int64{int64(shape[0] - '0'), 3}
			feed := ort.Feed{"x": oracletest.Noise(tensor.Float32, 1, dims...)}
			same := m
			if c.plain != "" {
				if same, err = onnxtext.Parse(`<ir_version: 8, opset_import: ["" : 17]> g (float[` + shape + `] x) => (float[` + shape + `] y) {` + c.plain + "}"); err != nil {
					t.Fatal(err)
				}
			}
			want := oracletest.Compute(t, same, feed)
			inlined := m.Clone()
			oracletest.Apply(t, inlined, convert.InlineFunctions)
			if len(inlined.Functions) > 0 || inlined.Opset("my") != 0 {
				t.Errorf("%d functions are left; domain my is imported at %d", len(inlined.Functions), inlined.Opset("my"))
			}
			if d := oracletest.Far(oracletest.Compute(t, inlined, feed)[0].Tensor, want[0].Tensor); d > 0 { // the same operators in the same order
				t.Errorf("off by %g", d)
			}
		})
	}
}

// TestInlineFunctionsRefuses what changed its meaning on the way.
func TestInlineFunctionsRefuses(t *testing.T) {
	m, err := onnxtext.Parse(`<ir_version: 8, opset_import: ["" : 17, "my" : 1]> g (float[2,3] x) => (float[2,3] y) { y = my.Old (x) }
		<domain: "my", opset_import: ["" : 12]> Old (v) => (w) { w = Softmax (v) }`)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := passes.Run(m, []passes.Pass{convert.InlineFunctions}, nil); err == nil || !strings.Contains(err.Error(), "Softmax changed in between") {
		t.Errorf("got %v", err)
	}
}
