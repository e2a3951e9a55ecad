package opt_test

import (
	"testing"

	"github.com/bottlenet/bnc/passes"
	"github.com/bottlenet/bnc/passes/internal/passtest"
	"github.com/bottlenet/bnc/passes/opt"
)

// rewrite is what a pass does to a graph.
type rewrite struct {
	name         string
	before, want string // after header; want "" for no change
	changed      int
}

// check applies p, compares, and applies it again: a pass finds all there is to
// do at once.
func (r rewrite) check(t *testing.T, p passes.Pass) {
	t.Run(r.name, func(t *testing.T) {
		m := passtest.Parse(t, passtest.Header+r.before)
		want := r.want
		if want == "" {
			want = r.before
		}
		if changed := passtest.Apply(t, m, p); changed != r.changed {
			t.Errorf("%d edits, expected %d", changed, r.changed)
		}
		got := passtest.Print(t, m)
		if want := passtest.Print(t, passtest.Parse(t, passtest.Header+want)); got != want {
			t.Errorf("the pass made\n%s\nexpected\n%s", got, want)
		}
		if again := passtest.Apply(t, m, p); again != 0 || passtest.Print(t, m) != got {
			t.Errorf("the second run made %d edits:\n%s", again, passtest.Print(t, m))
		}
	})
}

func TestDeadCode(t *testing.T) {
	for _, r := range []rewrite{
		{"what no output needs",
			`g (float[2] x) => (float[2] y) <float[2] w = {1, 2}, float[2] unused = {3, 4}> { a = Add (x, w) d = Neg (a) e = Abs (d) y = Relu (a) }`,
			`g (float[2] x) => (float[2] y) <float[2] w = {1, 2}> { a = Add (x, w) y = Relu (a) }`, 3},
		{"inputs stay: they are the interface",
			`g (float[2] x, float[2] z) => (float[2] y) { y = Relu (x) }`, "", 0},
		{"one of two outputs is needed",
			`g (float[2] x) => (float[1] y) { a, b = Split (x) y = Relu (b) }`, "", 0},
		{"captured and returned by bodies",
			`g (float[2] x, bool k) => (float[2] y) <float[2] w = {1, 2}> { a = Neg (x) b = Abs (x)
				y = If (k) <then_branch = p () => (float[2] q) { q = Add (a, w) }, else_branch = r () => (b) { }> }`, "", 0},
		{"functions: called in a body, called by a function, and not called",
			`g (float[2] x, bool k) => (float[2] y) { y = If (k) <then_branch = p () => (float[2] q) { q = f.A (x) }, else_branch = r () => (x) { }> }
			<domain: "f", opset_import: ["" : 17, "f" : 1]> A (v) => (w) { w = f.B (v) }
			<domain: "f", opset_import: ["" : 17]> B (v) => (w) { w = Neg (v) }
			<domain: "f", opset_import: ["" : 17, "f" : 1]> C (v) => (w) { w = f.A (v) }`,
			`g (float[2] x, bool k) => (float[2] y) { y = If (k) <then_branch = p () => (float[2] q) { q = f.A (x) }, else_branch = r () => (x) { }> }
			<domain: "f", opset_import: ["" : 17, "f" : 1]> A (v) => (w) { w = f.B (v) }
			<domain: "f", opset_import: ["" : 17]> B (v) => (w) { w = Neg (v) }`, 1},
	} {
		r.check(t, opt.DeadCode)
	}
}

func TestIdentities(t *testing.T) {
	for _, r := range []rewrite{
		{"a chain",
			`g (float[2] x) => (float[2] y) { a = Identity (x) b = Dropout (a) c = Concat <axis = 0> (b) d = Sum (c) y = Relu (d) }`,
			`g (float[2] x) => (float[2] y) { y = Relu (x) }`, 4},
		{"an output of the model keeps its name",
			`g (float[2] x) => (float[2] y) { a = Relu (x) y = Identity (a) }`, "", 0},
		{"read in a body",
			`g (float[2] x, bool k) => (float[2] y) { a = Identity (x)
				y = If (k) <then_branch = p () => (float[2] q) { q = Neg (a) }, else_branch = r () => (x) { }> }`,
			`g (float[2] x, bool k) => (float[2] y) {
				y = If (k) <then_branch = p () => (float[2] q) { q = Neg (x) }, else_branch = r () => (x) { }> }`, 1},
		{"returned by a body: stays",
			`g (float[2] x, bool k) => (float[2] y) { a = Identity (x)
				y = If (k) <then_branch = p () => (float[2] q) { q = Neg (x) }, else_branch = r () => (a) { }> }`, "", 0},
		{"a mask that is read, training, two inputs, another domain",
			`g (float[2] x) => (float[2] y) <bool on = {1}, float r = {0.5}> {
				a, mask = Dropout (x) n = Not (mask) b = Dropout (a, r, on) c = Sum (b, x) d = f.Identity (c) y = Where (n, d, x) }
			<domain: "f", opset_import: ["" : 17]> Identity (v) => (w) { w = Neg (v) }`, "", 0},
	} {
		r.check(t, opt.Identities())
	}
}

func TestFoldConstants(t *testing.T) {
	for _, r := range []rewrite{
		{"Constant in every form",
			`g (float[2] x) => (float[2] y) { a = Constant <value = float[2] {1, 2}> () b = Constant <value_float = 3.0> ()
				c = Constant <value_ints = [2]> () d = Add (x, a) e = Mul (d, b) y = Reshape (e, c) }`,
			`g (float[2] x) => (float[2] y) <float[2] a = {1, 2}, float b = {3}, int64[1] c = {2}> { d = Add (x, a) e = Mul (d, b) y = Reshape (e, c) }`, 3},
		{"shape arithmetic of static shapes",
			`g (float[2,3] x) => (float[6] y) <int64[1] zero = {0}, int64[1] one = {1}> {
				s = Shape (x) a = Gather (s, zero) b = Gather (s, one) n = Mul (a, b) y = Reshape (x, n) }`,
			`g (float[2,3] x) => (float[6] y) <int64[1] zero = {0}, int64[1] one = {1}, int64[2] s = {2, 3}, int64[1] a = {2}, int64[1] b = {3}, int64[1] n = {6}> {
				y = Reshape (x, n) }`, 4},
		{"weights made by ConstantOfShape, reshaped constants",
			`g (float[2] x) => (float[2] y) <int64[1] two = {2}, float[1,2] w = {5, 6}> {
				a = ConstantOfShape <value = float[1] {7}> (two) b = Reshape (w, two) c = Add (a, x) y = Add (b, c) }`,
			`g (float[2] x) => (float[2] y) <int64[1] two = {2}, float[1,2] w = {5, 6}, float[2] a = {7, 7}, float[2] b = {5, 6}> {
				c = Add (a, x) y = Add (b, c) }`, 2},
		{"a symbolic batch stays",
			`g (float[N,3] x) => (float[N,3] y) { s = Shape (x) y = Reshape (x, s) }`, "", 0},
		{"outputs of the model, and what a body returns, stay outputs of nodes",
			`g (bool k) => (float y, float c) { c = Constant <value_float = 3.0> () d = Constant <value_float = 4.0> ()
				y = If (k) <then_branch = p () => (d) { }, else_branch = r () => (float q) { q = Neg (c) }> }`, "", 0},
		{"a declared shape that may be wrong",
			`g (float[N] x, int64[1] s) => (float z) <float[5] y> { y = ConstantOfShape (s) z = Add (x, y) }`, "", 0},
		{"a declared shape that does not hold the elements",
			`g (float[N] x, int64[2] s) => (float z) <float[4] w = {1, 2, 3, 4}, float[5,1] y> { y = Reshape (w, s) z = Add (x, y) }`, "", 0},
	} {
		r.check(t, opt.FoldConstants)
	}
}

// TestFoldBatchNorm: what is folded and what cannot be. That folding computes
// the same bits as ONNX Runtime's is tested where that can run: cmd/bnc.
func TestFoldBatchNorm(t *testing.T) {
	const bn = `, float[1] g = {1}, float[1] b = {0}, float[1] m = {2}, float[1] v = {3.99999}`
	for _, r := range []rewrite{
		{"folds", // 1 / sqrt(3.99999 + 1e-5) = 0.5
			`g (float[1,1,1,1] x) => (float[1,1,1,1] y) <float[1,1,1,1] w = {3}` + bn + `> { c = Conv (x, w) n = BatchNormalization (c, g, b, m, v) y = Relu (n) }`,
			`g (float[1,1,1,1] x) => (float[1,1,1,1] y) <float[1,1,1,1] w = {1.5}` + bn + `, float[1] n_bias = {-1}> { n = Conv (x, w, n_bias) y = Relu (n) }`, 1},
		{"the output of the model keeps its name",
			`g (float[1,1,1,1] x) => (float[1,1,1,1] y) <float[1,1,1,1] w = {3}, float[1] bias = {4}` + bn + `> { c = Conv (x, w, bias) y = BatchNormalization (c, g, b, m, v) }`,
			`g (float[1,1,1,1] x) => (float[1,1,1,1] y) <float[1,1,1,1] w = {1.5}, float[1] bias = {4}` + bn + `, float[1] y_bias = {1}> { y = Conv (x, w, y_bias) }`, 1},
		{"weights shared with another convolution",
			`g (float[1,1,1,1] x) => (float[1,1,1,1] y) <float[1,1,1,1] w = {3}` + bn + `> { c = Conv (x, w) n = BatchNormalization (c, g, b, m, v) y = Conv (n, w) }`, "", 0},
		{"weights read in a body",
			`g (float[1,1,1,1] x, bool k) => (float[1,1,1,1] y) <float[1,1,1,1] w = {3}` + bn + `> { c = Conv (x, w) n = BatchNormalization (c, g, b, m, v)
				y = If (k) <then_branch = p () => (float q) { q = Neg (w) }, else_branch = r () => (n) { }> }`, "", 0},
		{"weights returned by a body",
			`g (float[1,1,1,1] x, bool k) => (float[1,1,1,1] y) <float[1,1,1,1] w = {3}` + bn + `> { c = Conv (x, w) n = BatchNormalization (c, g, b, m, v)
				y = If (k) <then_branch = p () => (w) { }, else_branch = r () => (n) { }> }`, "", 0},
		{"weights that a caller may override",
			`g (float[1,1,1,1] x, float[1,1,1,1] w) => (float[1,1,1,1] y) <float[1,1,1,1] w = {3}` + bn + `> { c = Conv (x, w) y = BatchNormalization (c, g, b, m, v) }`, "", 0},
		{"statistics that a caller may override",
			`g (float[1,1,1,1] x, float[1] v) => (float[1,1,1,1] y) <float[1,1,1,1] w = {3}` + bn + `> { c = Conv (x, w) y = BatchNormalization (c, g, b, m, v) }`, "", 0},
		{"the convolution is read elsewhere",
			`g (float[1,1,1,1] x) => (float[1,1,1,1] y) <float[1,1,1,1] w = {3}` + bn + `> { c = Conv (x, w) n = BatchNormalization (c, g, b, m, v) y = Add (n, c) }`, "", 0},
		{"the convolution is an output",
			`g (float[1,1,1,1] x) => (float[1,1,1,1] y, float[1,1,1,1] c) <float[1,1,1,1] w = {3}` + bn + `> { c = Conv (x, w) y = BatchNormalization (c, g, b, m, v) }`, "", 0},
		{"statistics that are computed",
			`g (float[1,1,1,1] x) => (float[1,1,1,1] y) <float[1,1,1,1] w = {3}` + bn + `> { c = Conv (x, w) u = Abs (v) y = BatchNormalization (c, g, b, m, u) }`, "", 0},
		{"training", `g (float[1,1,1,1] x) => (float[1,1,1,1] y) <float[1,1,1,1] w = {3}` + bn + `> {
			c = Conv (x, w) y, m2, v2 = BatchNormalization <training_mode = 1> (c, g, b, m, v) }`, "", 0},
	} {
		r.check(t, opt.FoldBatchNorm)
	}
}
