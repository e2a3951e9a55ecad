package cut_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/bottlenet/bnc/compiler/cut"
)

// TestShapesAcrossCuts: a shape from before a cut, read behind it, leaves the cut
// legal where it is a number or follows from the cut tensor's own shape, and
// makes it illegal otherwise, with an error that says so.
func TestShapesAcrossCuts(t *testing.T) {
	for _, c := range []struct{ name, graph, want string }{
		{"batch of the input, which the cut tensor has too",
			`g (float[N,4] x) => (float y) <int64[1] zero = {0}, int64[1] rest = {-1}> {
				a = Relu (x) b = Neg (a) s = Shape (x) n = Gather (s, zero) d = Concat <axis = 0> (n, rest) y = Reshape (b, d) }`, "a b"},
		{"static",
			`g (float[2,4] x) => (float y) { a = Relu (x) b = Neg (a) s = Shape (x) y = Reshape (b, s) }`, "a b"},
		{"a product of what the cut tensor has",
			`g (float[N,M] x) => (float y) <int64[2] perm = {1, 0}> {
				a = Transpose (x) b = Neg (a) n = Size (x) one = Shape (n) s = Concat <axis = 0> (one) y = Expand (b, s) }`, "a b"},
		{"the cut tensor has lost it",
			`g (float[N,M] x) => (float y) {
				a = Relu (x) b = ReduceMax <axes = [1]> (a) c = Neg (b) s = Shape (x) y = Expand (c, s) }`, "a"},
		{"read in a body",
			`g (float[N,M] x, bool k) => (float y) {
				s = Shape (x) n = Not (k) a = Add (x, x) b = ReduceMax <axes = [1]> (a) c = Neg (b)
				y = Loop (k, k, c) <body = l (int64 i, bool q, float z) => (bool q2, float z2) { q2 = Not (q) z2 = Expand (z, s) }> }`, "a"},
		{"an unknown operator hides what the shape is",
			`g (float[N,M] x) => (float y) { s = Shape (x) a = Relu (x) b = unknown.Op (a) y = Reshape (b, s) }`, "a"},
		{"two symbols that are not known to be equal",
			`g (float[N,4] x, float[M,4] z) => (float y) {
				a = Add (x, z) b = Neg (a) s = Shape (z) y = Reshape (b, s) }`, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := tensors(find(t, c.graph)); strings.ReplaceAll(got, "=rb1", "") != c.want {
				t.Errorf("cuts %q, expected %q", got, c.want)
			}
		})
	}
}

func TestLostShapeIsExplained(t *testing.T) {
	a := find(t, `g (float[N,M] x) => (float y) {
		a = Relu (x) b = ReduceMax <axes = [1]> (a) c = Neg (b) s = Shape (x) y = Expand (c, s) }`)
	_, err := a.Resolve("b")
	var e *cut.Error
	if !errors.As(err, &e) {
		t.Fatalf("error %v", err)
	}
	if !slices.Equal(e.Crossing, []string{"b", "x"}) || !strings.Contains(e.Reason, `shape of "x"`) {
		t.Errorf("%v: expected that it names the shape of x", err)
	}
}
