package survey

import (
	"strings"
	"testing"
)

// TestAs: what outputs are taken for.
func TestAs(t *testing.T) {
	for _, c := range []struct{ name, graph, want string }{
		{"classifier", `g (float[N,3,8,8] x) => (float[N,3] y) { p = GlobalAveragePool (x) f = Flatten (p) y = Softmax (f) }`, "scores"},
		{"mask, and a map of something", `g (float[N,3,8,8] x) => (float[N,3,8,8] y, float[N,3,4,4] z) {
			y = Sigmoid (x) z = MaxPool <kernel_shape = [2,2], strides = [2,2]> (x) }`, "mask raw"},
		{"picture", `g (float[N,3,8,8] x) => (float[N,3,8,8] y) { y = LRN <size = 3> (x) }`, "image"},
		{"embedding", `g (float[N,3,8,8] x) => (float[N,3] y) { p = GlobalAveragePool (x) f = Flatten (p) y = LpNormalization (f) }`, "embedding"},
		{"detector", `g (float[N,9,4] b, float[N,9,5] s) => (float[N,9,4] boxes, float[N,9,5] scores) { boxes = LRN <size = 3> (b) scores = Sigmoid (s) }`, "boxes scores"},
		{"detector with both in one", `g (float[N,9,4] b, float[N,9,5] s) => (float[N,9,9] y) { p = Sigmoid (s) q = Tanh (b) y = Concat <axis = 2> (q, p) }`, "boxes"},
		{"class", `g (float[N,7] x) => (int64[N] y) { y = ArgMax <axis = 1, keepdims = 0> (x) }`, "indices"},
	} {
		var as []string
		for _, out := range known(t, `<ir_version: 8, opset_import: ["" : 17]> `+c.graph, nil).Outputs {
			as = append(as, out.As)
		}
		if got := strings.Join(as, " "); got != c.want {
			t.Errorf("%s: taken for %q, expected %q", c.name, got, c.want)
		}
	}
}

// TestTakeFor: a task tells what outputs are that say nothing themselves.
func TestTakeFor(t *testing.T) {
	r := known(t, `<ir_version: 8, opset_import: ["" : 17]> g (float[N,7] x) => (float[N,7] y, float[N,7] z) { y = Softmax (x) z = Neg (x) }`, nil)
	r.TakeFor("embed")
	if r.Outputs[0].As != AsScores || r.Outputs[1].As != AsEmbedding || r.Task != "embed" {
		t.Errorf("%+v", r.Outputs)
	}
}
