package shape_test

import (
	"testing"

	"github.com/bottlenet/bnc/compiler/onnxtext"
	"github.com/bottlenet/bnc/compiler/shape"
)

// verdicts are graphs that are wrong in ways that edges do not show, and right
// ones that are like them.
var verdicts = []struct{ name, graph string }{
	{"a body's node gives an outer name again", `g (float[2] x, bool k) => (float[2] y) { a = Neg (x)
		y = If (k) <then_branch = p () => (float[2] a) { a = Abs (x) }, else_branch = q () => (float[2] u) { u = Relu (a) }> }`},
	{"an inner value has an outer name", `g (float[2] x, bool k) => (float[2] y) { a = Neg (x)
		y = If (k) <then_branch = p () => (float[2] t) { a = Abs (x) t = Neg (a) }, else_branch = q () => (float[2] u) { u = Relu (a) }> }`},
	{"an inner value has an input's name", `g (float[2] x, bool k) => (float[2] y) {
		y = If (k) <then_branch = p () => (float[2] t) { x = Neg (k) t = Neg (x) }, else_branch = q () => (float[2] u) { u = Relu (x) }> }`},
	{"two bodies deep", `g (float[2] x, bool k) => (float[2] y) { a = Neg (x)
		y = If (k) <then_branch = p () => (float[2] t) {
			t = If (k) <then_branch = pp () => (float[2] a) { a = Abs (x) }, else_branch = qq () => (float[2] v) { v = Relu (x) }>
		}, else_branch = q () => (float[2] u) { u = Relu (a) }> }`},
	{"a name that only comes later", `g (float[2] x, bool k) => (float[2] y) {
		b = If (k) <then_branch = p () => (float[2] t) { a = Abs (x) t = Neg (a) }, else_branch = q () => (float[2] u) { u = Relu (x) }>
		a = Neg (x) y = Add (a, b) }`},
	{"the name of the node's own output", `g (float[2] x, bool k) => (float[2] y) {
		y = If (k) <then_branch = p () => (float[2] y) { y = Abs (x) }, else_branch = q () => (float[2] u) { u = Relu (x) }> }`},
	{"one name in both bodies", `g (float[2] x, bool k) => (float[2] y) {
		y = If (k) <then_branch = p () => (float[2] t) { t = Abs (x) }, else_branch = q () => (float[2] t) { t = Relu (x) }> }`},
	{"a body's initializer hides an outer value", `g (float[2] x, bool k) => (float[2] y) { a = Neg (x)
		b = If (k) <then_branch = p () => (float[2] t) <float[2] a = {1, 2}> { t = Neg (a) }, else_branch = q () => (float[2] u) { u = Relu (x) }>
		y = Add (a, b) }`},
	{"a body's input hides an outer value", `g (float[2] x, int64 n, bool k) => (float[2] y) { i = Neg (x)
		z = Loop (n, k, x) <body = b (int64 i, bool c, float[2] s) => (bool d, float[2] r) { d = Identity (c) r = Abs (s) }> y = Add (z, i) }`},
	{"one branch reads what the other computes", `g (float[2] x, bool k) => (float[2] y) {
		y = If (k) <then_branch = p () => (float[2] t) { t = Abs (x) }, else_branch = q () => (float[2] u) { u = Relu (t) }> }`},
	{"the outer graph reads what a body computes", `g (float[2] x, bool k) => (float[2] y) {
		z = If (k) <then_branch = p () => (float[2] t) { t = Abs (x) }, else_branch = q () => (float[2] u) { u = Relu (x) }> y = Add (z, t) }`},
	{"too few inputs", `g (float[2] x) => (float[2] y) { y = Add (x) }`},
	{"too many inputs", `g (float[2] x) => (float[2] y) { y = Relu (x, x) }`},
	{"too few outputs", `g (float[4] x) => (float[1] y) <int64[1] k = {1}> { y = TopK (x, k) }`},
	{"too many outputs", `g (float[2] x) => (float[2] y) { y, z = Relu (x) }`},
	{"an omitted input at the end", `g (float[2] x) => (float[2] y) { y = Clip (x, , ) }`},
	{"an input that it needs omitted at the end", `g (float[2] x) => (float[2] y) { y = Add (x, ) }`},
	{"an input that it needs omitted before others", `g (float[1,1,2,2] x) => (float[1,1,2,2] y) <float[1] b = {1}> { y = Conv (x, , b) }`},
	{"the first input omitted", `g (float[2] x) => (float[2] y) <float lo = {0}> { a = Clip ( , lo) y = Add (x, a) }`},
	{"an input of many omitted", `g (float[2] x) => (float[2] y) { y = Sum (x, , x) }`},
	{"sizes of a Resize without scales", `g (float[1,1,2,2] x) => (float[1,1,4,4] y) <int64[4] s = {1, 1, 4, 4}> { y = Resize (x, , , s) }`},
	{"an output that is not wanted", `g (float[4] x) => (int64[1] y) <int64[1] k = {1}> { , y = TopK (x, k) }`},
	{"an operator of a later set", `g (float[2] x) => (float[2] y) { y = Gelu (x) }`},
	{"too few inputs in a body", `g (float[2] x, bool k) => (float[2] y) {
		y = If (k) <then_branch = p () => (float[2] t) { t = Add (x) }, else_branch = q () => (float[2] t) { t = Relu (x) }> }`},
	{"too many inputs in a function", `g (float[2] x) => (float[2] y) { y = f.F (x) }
		<domain: "f", opset_import: ["" : 17]> F (v) => (w) { w = Neg (v, v) }`},
	{"too many inputs for a function", `g (float[2] x) => (float[2] y) { y = f.F (x, x) }
		<domain: "f", opset_import: ["" : 17]> F (v) => (w) { w = Neg (v) }`},
	{"too many outputs for a function", `g (float[2] x) => (float[2] y) { y, z = f.F (x) }
		<domain: "f", opset_import: ["" : 17]> F (v) => (w) { w = Neg (v) }`},
	{"a function", `g (float[2] x) => (float[2] y) { y = f.F (x) }
		<domain: "f", opset_import: ["" : 17]> F (v) => (w) { w = Neg (v) }`},
}

// TestVerdicts: a model is verified as ONNX Runtime takes it. Where onnx.checker
// is more lenient, ONNX Runtime is what counts.
func TestVerdicts(t *testing.T) {
	var texts []string
	for _, v := range verdicts {
		texts = append(texts, header+v.graph)
	}
	var said []struct{ Checker, Runtime bool }
	python(t, oraclePython(t), []string{"testdata/oracle.py", "verdicts"}, texts, &said)
	taken := 0
	for i, v := range verdicts {
		m, err := onnxtext.Parse(texts[i])
		if err == nil {
			err = shape.CheckUses(m)
		}
		if said[i].Runtime {
			taken++
		}
		if (err == nil) != said[i].Runtime {
			t.Errorf("%s: %v; onnx.checker takes it: %v, ONNX Runtime takes it: %v", v.name, err, said[i].Checker, said[i].Runtime)
		}
	}
	if taken == 0 || taken == len(verdicts) {
		t.Errorf("ONNX Runtime takes %d of %d models: the cases no longer tell anything", taken, len(verdicts))
	}
}
