package main

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/bottlenet/bnc/compiler/onnx"
	"github.com/bottlenet/bnc/compiler/onnxtext"
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
			feed := ort.Feed{"x": noise(tensor.Float32, 1, dims...)}
			same := m
			if c.plain != "" {
				if same, err = onnxtext.Parse(`<ir_version: 8, opset_import: ["" : 17]> g (float[` + shape + `] x) => (float[` + shape + `] y) {` + c.plain + "}"); err != nil {
					t.Fatal(err)
				}
			}
			want := compute(t, same, feed)
			inlined := m.Clone()
			prepare(t, inlined, convert.InlineFunctions)
			if len(inlined.Functions) > 0 || inlined.Opset("my") != 0 {
				t.Errorf("%d functions are left; domain my is imported at %d", len(inlined.Functions), inlined.Opset("my"))
			}
			if d := far(compute(t, inlined, feed)[0].Tensor, want[0].Tensor); d > 0 { // the same operators in the same order
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

// TestTrainFunctions trains stripeNet written with functions: it becomes what stripeNet
// itself becomes. As a bundle it learns from labels and from itself.
func TestTrainFunctions(t *testing.T) {
	plugin(t)
	set, plain := stripes(t, 64, 24), stripeNet(t)
	m, err := onnx.Load(plain)
	if err != nil {
		t.Fatal(err)
	}
	called, err := onnxtext.Parse(`<ir_version: 8, opset_import: ["" : 17, "my" : 1]>
	net (float[batch,1,12,12] x) => (float[batch,4] y) <` + initsFor(stripeWeights) + `> {
		r = my.Block <strides = [2,2]> (x, w1, g1, b1, mean1, var1)
		q = my.Block (r, w2, g2, b2, mean2, var2)
		p = GlobalAveragePool (q)
		f = Flatten (p)
		y = Gemm <transB = 1> (f, w3, b3)
	}
	<domain: "my", opset_import: ["" : 17]> Block <strides: ints = [1,1]> (x, w, g, b, m, v) => (r) {
		a = Conv <strides: ints = @strides, pads = [1,1,1,1]> (x, w)
		n = BatchNormalization (a, g, b, m, v)
		r = Relu (n)
	}`)
	if err != nil {
		t.Fatal(err)
	}
	x := ort.Feed{"x": noise(tensor.Float32, 1, 3, 1, 12, 12)}
	if d := far(compute(t, called, x)[0].Tensor, compute(t, m, x)[0].Tensor); d > 0 {
		t.Fatalf("the two networks differ by %g", d)
	}
	functions := filepath.Join(t.TempDir(), "functions.onnx")
	if err := onnx.Save(t.Context(), functions, called, onnx.SaveOptions{}); err != nil {
		t.Fatal(err)
	}
	var inits [2]map[string]string
	for i, path := range []string{plain, functions} {
		out := filepath.Join(t.TempDir(), "trained.onnx")
		trained(t, slices.Concat([]string{path, "--data", set, "--keep-last", "-o", out}, few)...)
		inits[i] = initsOf(t, out)
	}
	if d := changed(inits[0], inits[1]); len(d) > 0 || len(inits[0]) < 12 {
		t.Errorf("%d weights; they differ: %v", len(inits[0]), d)
	}
	start := splitAt(t, functions, "--c", "2", "--s", "2", "--calib", set)
	for _, flags := range []string{"--freeze backbone", "--freeze backbone --distill", "--freeze mobile --distill"} {
		dir := copyOf(t, start)
		r := trained(t, slices.Concat([]string{dir, "--data", set, "--keep-last"}, strings.Fields(flags), few)...)
		if first, last := r.Epochs[0].Loss, r.Epochs[len(r.Epochs)-1].Loss; !(last < first) {
			t.Errorf("%s: the loss goes from %v to %v", flags, first, last)
		}
	}
}

// TestTrainAdvice: what was asked for already is not advised.
func TestTrainAdvice(t *testing.T) {
	plugin(t)
	set := stripes(t, 64, 24)
	path := fromText(t, `<ir_version: 8, opset_import: ["" : 17]>
	net (float[batch,1,12,12] x) => (float[batch,4] y) <`+initsFor(stripeWeights)+`> {
		a = Conv <strides = [2,2], pads = [1,1,1,1]> (x, w1)
		r = Relu (a)
		l = LpPool <kernel_shape = [2,2]> (r)
		c = Conv <pads = [1,1,1,1]> (l, w2)
		p = GlobalAveragePool (c)
		f = Flatten (p)
		y = Gemm <transB = 1> (f, w3, b3)
	}`, nil)
	dir := splitAt(t, path, "--c", "2", "--s", "1", "--calib", set)
	for _, freeze := range []string{"none", "backbone", "mobile"} {
		_, stderr, code := tryBnc(t, slices.Concat([]string{"train", dir, "--data", set, "--freeze", freeze}, few)...)
		if code != exitUnusable || !strings.Contains(stderr, "LpPool") || !strings.Contains(stderr, "cut behind it") {
			t.Errorf("--freeze %s: exit code %d\n%s", freeze, code, stderr)
		}
		if freeze != "none" && strings.Contains(stderr, "--freeze "+freeze) {
			t.Errorf("--freeze %s is advised again:\n%s", freeze, stderr)
		}
	}
}
