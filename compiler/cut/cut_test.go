package cut_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/bottlenet/bnc/compiler/cut"
	"github.com/bottlenet/bnc/compiler/onnxtext"
	"github.com/bottlenet/bnc/compiler/shape"
)

const header = `<ir_version: 8, opset_import: ["" : 17, "f" : 1, "unknown" : 1, "com.microsoft.nchwc" : 1]>
`

func find(t *testing.T, text string) *cut.Analysis {
	t.Helper()
	m, err := onnxtext.Parse(header + text)
	if err != nil {
		t.Fatal(err)
	}
	info, err := shape.Infer(m, shape.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return cut.Find(m, info)
}

// tensors returns the names of the cuts' tensors with their aliases, in order.
func tensors(a *cut.Analysis) string {
	var names []string
	for _, c := range a.Cuts {
		names = append(names, strings.Join(append(c.Names(), c.Aliases...), "="))
	}
	return strings.Join(names, " ")
}

// TestCuts lists what is a cut in small graphs.
func TestCuts(t *testing.T) {
	for _, c := range []struct{ name, graph, want string }{
		{"chain", `g (float[1,2] x) => (float[1,2] y) { a = Relu (x) b = Neg (a) y = Abs (b) }`, "a b"},
		{"skip connection: the sum, not what the skip goes around",
			`g (float[1,2] x) => (float[1,2] y) { a = Relu (x) b = Neg (a) s = Add (a, b) y = Abs (s) }`, "a s=rb1"},
		{"alias of the activation behind the sum",
			`g (float[1,2] x) => (float[1,2] y) { a = Relu (x) b = Neg (a) s = Add (a, b) r = Clip (s) y = Abs (r) }`, "a s r=rb1"},
		{"the sum is read twice: the alias stays with it",
			`g (float[1,2] x) => (float[1,2] y) { a = Relu (x) b = Neg (a) s = Sum (a, b) r = Relu (s) u = Mul (r, s) y = Abs (u) }`,
			"a s=rb1 u"},
		{"a constant summand makes no residual sum",
			`g (float[1,2] x) => (float[1,2] y) <float[2] w = {1, 2}> { a = Relu (x) s = Add (a, w) y = Abs (s) }`, "a s"},
		{"an output before the cut goes its own way",
			`g (float[1,2] x) => (float[1,2] y, float[1,2] e) { a = Relu (x) e = Neg (a) b = Neg (a) y = Abs (b) }`, "a b"},
		{"an output that is read on is no cut",
			`g (float[1,2] x) => (float[1,2] y, float[1,2] e) { e = Relu (x) b = Neg (e) y = Abs (b) }`, "b"},
		{"two inputs",
			`g (float[1,2] x, float[1,2] z) => (float[1,2] y) { a = Relu (x) b = Relu (z) s = Add (a, b) r = Neg (s) y = Abs (r) }`,
			"s=rb1 r"},
		{"a small input that joins behind the cut is late",
			`g (float[1,8] x, float[1,2] z) => (float[1,2] y) { a = Relu (x) b = ReduceMax <axes = [1]> (a) w = Neg (z) s = Add (b, w) r = Neg (s) y = Abs (r) }`,
			"a b s=rb1 r"},
		{"a late input that the mobile side reads too",
			`g (float[1,8] x, float[1,2] z) => (float[1,2] y, float[1,2] e) { a = Relu (x) b = ReduceMax <axes = [1]> (a) s = Add (b, z) r = Neg (s) e = Exp (z) y = Abs (r) }`,
			"s=rb1 r"},
		{"dead code does not cross",
			`g (float[1,2] x) => (float[1,2] y) { a = Relu (x) dead = Add (x, a) y = Abs (a) }`, "a"},
		{"a body that captures x goes around a",
			`g (float[1,2] x, bool k) => (float[1,2] y) {
				a = Relu (x)
				b = Neg (a)
				i = If (k) <then_branch = p () => (float[1,2] t) { t = Add (x, b) }, else_branch = q () => (float[1,2] u) { u = Neg (b) }>
				y = Abs (i) }`, "i"},
		{"a body that returns a captured value",
			`g (float[1,2] x, bool k) => (float[1,2] y) {
				a = Relu (x)
				b = Neg (a)
				n = Not (k)
				i = If (n) <then_branch = p () => (a) { }, else_branch = q () => (b) { }>
				y = Abs (i) }`, "a i"},
		{"random numbers cannot be drawn twice",
			`g (float[1,2] x) => (float[1,2] y) { a = Relu (x) r = RandomNormal <shape = [1,2]> () b = Add (a, r) c = Mul (b, r) y = Abs (c) }`,
			"c"},
		{"random in a function",
			`g (float[1,2] x) => (float[1,2] y) { a = Relu (x) r = f.R () b = Add (a, r) c = Mul (b, r) y = Abs (c) }
			<domain: "f", opset_import: ["" : 17]> R () => (r) { q = RandomNormal <shape = [1,2]> () r = Neg (q) }`, "c"},
		{"Dropout in training mode",
			`g (float[1,2] x) => (float[1,2] y) <float ratio = {0.5}, bool on = {1}, bool off = {0}> {
				a = Relu (x) d = Dropout (a, ratio, off) w = Neg (d) y = Dropout (w, ratio, on) }`, "a d w"},
		{"unknown operators are nodes like others where the file says what they make",
			`g (float[1,2] x) => (float[1,2] y) <float[1,2] a, float b> { a = unknown.Op (x) b = unknown.Op (a) y = Abs (b) }`, "a b"},
		{"tensors of unknown element types, in which no half can begin",
			`g (float[1,2] x) => (float[1,2] y) { a = Relu (x) b = unknown.Op (a) c = Neg (b) d = Cast <to = 1> (c) y = Abs (d) }`, "a d"},
		{"nothing but a shape is read behind b",
			`g (float[1,2] x) => (float[1,2] y) { a = Relu (x) b = Neg (a) s = Shape (b) c = Abs (a) y = Reshape (c, s) }`, "a c"},
		{"nothing but shapes and sizes are read behind b",
			`g (float[1,2] x) => (float[1,2] y, int64 z) {
				a = Relu (x) b = Neg (a) s = Shape (b) o = ConstantOfShape (s) c = Abs (a) y = Sub (c, o) d = Exp (b) z = Size (d) }`, "a c"},
		{"what is drawn at random in a shape is behind the cut",
			`g (float[1,2] x) => (float[1,2] y) { a = Relu (x) b = Neg (a) y = RandomNormalLike (b) }`, "a b"},
		{"sequences do not cross",
			`g (float[1,2] x) => (float[1,2] y) <int64 zero = {0}> { a = Relu (x) s = SequenceConstruct (a) b = SequenceAt (s, zero) y = Abs (b) }`, "a b"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := tensors(find(t, c.graph)); got != c.want {
				t.Errorf("cuts %q, expected %q", got, c.want)
			}
		})
	}
}

// TestNestingMultiplies: looking into functions that call functions twice, and
// into bodies in bodies, has to end although the calls are 2^40, the paths 2^50.
func TestNestingMultiplies(t *testing.T) {
	calls := "g (float[1,2] x) => (float[1,2] y) <float[1,2] b> { a = Relu (x) b = f.F0 (a) y = Abs (b) }\n"
	const domain = `<domain: "f", opset_import: ["" : 17, "f" : 1]> `
	for i := range 40 {
		calls += fmt.Sprintf("%s F%d (v) => (w) { u = f.F%d (v) w = f.F%d (u) }\n", domain, i, i+1, i+1)
	}
	calls += domain + "F40 (v) => (w) { w = Neg (v) }"

	bodies := "b0 = Neg (a)"
	for i := range 50 {
		bodies = fmt.Sprintf("b%d = If (k) <then_branch = p () => (b%d) { %s }, else_branch = q () => (a) { }>", i+1, i, bodies)
	}
	bodies = "g (float[1,2] x, bool k) => (float[1,2] y) { a = Relu (x) " + bodies + " y = Abs (b50) }"

	for text, want := range map[string]string{calls: "a b", bodies: "a b50"} {
		if got := tensors(find(t, text)); got != want {
			t.Errorf("cuts %q, expected %q in %.100s", got, want, text)
		}
	}
}

// TestResolveErrors: a name that is no cut is answered with the tensors that
// would cross and the nearest cuts (failure table: cut that more than one tensor
// crosses).
func TestResolveErrors(t *testing.T) {
	a := find(t, `g (float[1,2] x) => (float[1,2] y) <float[2] w = {1, 2}> {
		a = Relu (x)
		b = Neg (a)
		c = Mul (b, w)
		s = Add (c, a)
		dead = Neg (s)
		dims = Shape (s)
		z = Reshape (s, dims)
		p = Neg (z)
		many = Size (p)
		d = Expand (z, many)
		u = unknown.Op (d)
		v = unknown.Other (u)
		q = Cast <to = 1> (v)
		n = com.microsoft.nchwc.Conv (q)
		e = Neg (n)
		o = com.microsoft.nchwc.ReorderOutput (e)
		y = Abs (o)
	}`)
	for _, c := range []struct{ name, reason, crossing, before, after, similar string }{
		{"b", "one tensor", "b a", "a", "s", ""},
		{"c", "one tensor", "c a", "a", "s", ""},
		{"x", "input", "", "", "a", ""},
		{"y", "output", "", "q", "", ""},
		{"p", "shape alone", "", "z", "d", ""},
		{"u", `unknown.Op node of "u"`, "", "d", "q", ""},
		{"v", `unknown.Op node of "u"`, "", "d", "q", ""},
		{"o", "ORT_ENABLE_EXTENDED", "", "q", "", ""},
		{"w", "constant", "", "", "a", ""},
		{"dims", "shape", "", "s", "z", ""},
		{"dead", "no output", "", "s", "z", ""},
		{"cut9", "no tensor or cut", "", "", "", "cut1 cut2 cut3"},
		{"rb2", "no tensor or cut", "", "", "", "rb1"},
	} {
		_, err := a.Resolve(c.name)
		var e *cut.Error
		if !errors.As(err, &e) {
			t.Errorf("%s: error %v", c.name, err)
			continue
		}
		near := func(c *cut.Cut) string {
			if c == nil {
				return ""
			}
			return c.Tensor()
		}
		if !strings.Contains(e.Reason, c.reason) || strings.Join(e.Crossing, " ") != c.crossing ||
			near(e.Before) != c.before || near(e.After) != c.after || !slices.Equal(e.Similar, strings.Fields(c.similar)) {
			t.Errorf("%s: %v (before %q, after %q, similar %q), expected %+v", c.name, e, near(e.Before), near(e.After), e.Similar, c)
		}
	}
}
