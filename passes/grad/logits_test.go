package grad_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/bottlenet/bnc/passes"
	"github.com/bottlenet/bnc/passes/grad"
	"github.com/bottlenet/bnc/passes/internal/passtest"
)

func TestLogits(t *testing.T) {
	for _, c := range []struct {
		name, graph     string
		opset           int64
		value, out, end string // end: the softmax's operator
		classes         int64
	}{
		{"scores", `g (float[N,3,1,1] x) => (float[N,3] y) { y = Flatten (x) }`, 17, "y", "y", "", 3},
		{"Softmax", `g (float[N,3,1,1] x) => (float[N,3] y) { a = Flatten (x) y = Softmax (a) }`, 17, "a", "y", "Softmax", 3},
		{"Softmax of old", `g (float[1,3,1,1] x) => (float[1,3,1,1] y) { a = Relu (x) y = Softmax (a) }`, 9, "a", "y", "Softmax", 3},
		{"Softmax, then flattened", `g (float[N,3,1,1] x) => (float[N,3] y) { a = Relu (x) b = Softmax <axis = 1> (a) y = Flatten (b) }`, 17, "a", "y", "Softmax", 3},
		{"LogSoftmax", `g (float[N,3,1,1] x) => (float[N,3] y) { a = Flatten (x) y = LogSoftmax (a) }`, 17, "a", "y", "LogSoftmax", 3},
		{"quantised probabilities", `g (uint8[1,3,1,1] x) => (uint8[1,3] y) <float s = {0.01}, uint8 z = {0}> { f = Cast <to = 1> (x) a = Flatten (f) b = Softmax (a) y = QuantizeLinear (b, s, z) }`, 13, "a", "y", "Softmax", 3},
		{"quantised scores", `g (float[N,3,1,1] x) => (uint8[N,3] y) <float s = {0.01}, uint8 z = {0}> { a = Flatten (x) y = QuantizeLinear (a, s, z) }`, 13, "a", "y", "", 3},
		{"quantised and back", `g (float[N,3,1,1] x) => (float[N,3] y) <float s = {0.01}, uint8 z = {0}> { a = Flatten (x) p = Softmax (a) q = QuantizeLinear (p, s, z) y = DequantizeLinear (q, s, z) }`, 13, "a", "y", "Softmax", 3},
		{"an Identity behind", `g (float[N,3,1,1] x) => (float[N,3] y) { a = Flatten (x) p = Softmax (a) y = Identity (p) }`, 17, "a", "y", "Softmax", 3},
		{"scores of rank 4", `g (float[N,3,4,4] x) => (float[N,3,1,1] y) { y = GlobalAveragePool (x) }`, 17, "y", "y", "", 3},
		{"the second output", `g (float[N,3,1,1] x) => (int64[N,1] label, float[N,3] y) { a = Flatten (x) label = ArgMax <axis = 1> (a) y = Softmax (a) }`, 17, "a", "y", "Softmax", 3},
		{"not from the image", `g (float[N,3,1,1] x, float[N,2] other) => (float[N,2] z, float[N,3] y) { z = Relu (other) y = Flatten (x) }`, 17, "y", "y", "", 3},
		{"another output than a Sigmoid", `g (float[N,3,1,1] x) => (float[N,3] z, float[N,3] y) { a = Flatten (x) z = Sigmoid (a) y = Relu (a) }`, 17, "y", "y", "", 3},
		{"before a TopK", `g (float[N,3,1,1] x) => (float[N,2] v, int64[N,2] i) <int64[1] k = {2}> { a = Flatten (x) y = Softmax (a) v, i = TopK (y, k) }`, 17, "a", "v", "Softmax", 3},
		{"not the batch", `g (float[N,3,2,2] x) => (float[2,M] z, float[N,12] y) <int64[2] s = {2, -1}> { z = Reshape (x, s) y = Flatten (x) }`, 17, "y", "y", "", 12},
	} {
		t.Run(c.name, func(t *testing.T) {
			h, err := grad.Logits(grad.Want{}, passtest.Parse(t, fmt.Sprintf("<ir_version: 8, opset_import: [\"\" : %d]>\n%s", c.opset, c.graph)))
			if err != nil {
				t.Fatal(err)
			}
			s := h.Scores[0]
			end := ""
			if s.Softmax != nil {
				end = s.Softmax.Op
			}
			if s.Value.Name() != c.value || s.Output.Name() != c.out || end != c.end || s.Classes != c.classes {
				t.Errorf("%q of output %q behind %q with %d classes, expected %q of %q behind %q with %d",
					s.Value.Name(), s.Output.Name(), end, s.Classes, c.value, c.out, c.end, c.classes)
			}
		})
	}
}

func TestLogitsRefuses(t *testing.T) {
	for _, c := range []struct{ name, graph, want string }{
		{"Sigmoid", `g (float[N,3,1,1] x) => (float[N,3] y) { a = Flatten (x) y = Sigmoid (a) }`, `output "y": it ends with Sigmoid`},
		{"Softmax of one", `g (float[N,3,1,1] x) => (float[N,3,1,1] y) { y = Softmax (x) }`, "not over the classes"},
		{"a map", `g (float[N,3,4,4] x) => (float[N,3,4,4] y) { y = Relu (x) }`, `output "y": it is float32[N,3,4,4]`},
		{"labels", `g (float[N,3,1,1] x) => (int64[N,1,1,1] y) { y = ArgMax <axis = 1> (x) }`, "it is int64[N,1,1,1]"},
		{"from elsewhere", `g (float[N,3,1,1] x, float[N,2] o) => (float[N,2] y) { y = Relu (o) }`, "does not depend on an image"},
	} {
		_, err := grad.Logits(grad.Want{}, passtest.Parse(t, passtest.Header+c.graph))
		var unsuitable *passes.UnsuitableError
		if !errors.As(err, &unsuitable) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: found %v, expected %q", c.name, err, c.want)
		}
	}
}

// TestLogitsOfSeveral: of several outputs, which are scores, and which comes first.
func TestLogitsOfSeveral(t *testing.T) {
	const weights = "float[3,2] w = {1,2,3,4,5,6}, float[3,4] u = {1,2,3,4,5,6,7,8,9,0,1,2}, int64[1] k = {2}"
	for _, c := range []struct {
		name, outputs, nodes string
		want                 grad.Want
		scores, others       string
	}{
		{"all", "float[N,3] a, float[N,2] y", "a = Neg (f) y = MatMul (f, w)", grad.Want{}, "a y", ""},
		{"of as many classes first", "float[N,3] a, float[N,2] y", "a = Neg (f) y = MatMul (f, w)", grad.Want{Classes: 2}, "y a", ""},
		{"of no such number", "float[N,3] a, float[N,2] y", "a = Neg (f) y = MatMul (f, w)", grad.Want{Classes: 7}, "a y", ""},
		{"one by name", "float[N,3] a, float[N,2] y", "a = Neg (f) y = MatMul (f, w)", grad.Want{Output: "y", Classes: 3}, "y", "a"},
		{"some", "float[N,3] a, float[N,2] y", "a = Neg (f) y = MatMul (f, w)", grad.Want{Of: []string{"y"}}, "y", ""},
		{"in another order", "float[N,3] a, float[N,2] y", "a = Neg (f) y = MatMul (f, w)", grad.Want{Of: []string{"y", "a"}}, "y a", ""},
		{"boxes beside a Softmax", "float[N,4] box, float[N,2] y", "box = MatMul (f, u) z = MatMul (f, w) y = Softmax (z)", grad.Want{}, "y", "box"},
		{"boxes of as many numbers as classes", "float[N,4] box, float[N,2] y", "box = MatMul (f, u) z = MatMul (f, w) y = Softmax (z)", grad.Want{Classes: 4}, "y", "box"},
		{"boxes by name", "float[N,4] box, float[N,2] y", "box = MatMul (f, u) z = MatMul (f, w) y = Softmax (z)", grad.Want{Output: "box"}, "box", "y"},
		{"digits", "float[N,3] a, float[N,3] b, float[N,2] c", "na = Neg (f) a = Softmax (na) b = Softmax (f) nc = MatMul (f, w) c = LogSoftmax (nc)", grad.Want{}, "a b c", ""},
		{"features", "float[N,3] e, float[N,2] y", "e = Identity (f) y = MatMul (f, w)", grad.Want{}, "y", "e"},
		{"features by name", "float[N,3] e, float[N,2] y", "e = Identity (f) y = MatMul (f, w)", grad.Want{Output: "e"}, "e", "y"},
		{"what follows from scores", "float[N,2] z, float[N,2] y, int64[N,1] best", "z = MatMul (f, w) y = Softmax (z) best = ArgMax <axis = 1> (z)", grad.Want{}, "y", ""},
		{"the same scores twice", "float[N,2] v, int64[N,2] i, float[N,2] y, float[N,2] l", "z = MatMul (f, w) y = Softmax (z) l = LogSoftmax (z) v, i = TopK (y, k)", grad.Want{}, "y", ""},
		{"numbers", "float[N,2] y, int64[M] m", "y = MatMul (f, w) m = Shape (f)", grad.Want{}, "y", "m"},
	} {
		t.Run(c.name, func(t *testing.T) {
			text := passtest.Header + fmt.Sprintf("g (float[N,3,1,1] x) => (%s) <%s> { r = Relu (x) f = Flatten (r) %s }", c.outputs, weights, c.nodes)
			h, err := grad.Logits(c.want, passtest.Parse(t, text))
			if err != nil {
				t.Fatal(err)
			}
			var scores, others []string
			for _, s := range h.Scores {
				scores = append(scores, s.Output.Name())
			}
			for _, o := range h.Others {
				others = append(others, o.Output.Name())
				if o.Reason == "" || o.None {
					t.Errorf("%s: %+v", o.Output.Name(), o)
				}
			}
			if got := strings.Join(scores, " "); got != c.scores {
				t.Errorf("scores %q, expected %q", got, c.scores)
			}
			if got := strings.Join(others, " "); got != c.others {
				t.Errorf("others %q, expected %q", got, c.others)
			}
		})
	}
	_, err := grad.Logits(grad.Want{Output: "n"}, passtest.Parse(t, passtest.Header+"g (float[N,3,1,1] x) => (float[N,3] y) { y = Flatten (x) }"))
	var unsuitable *passes.UnsuitableError
	if !errors.As(err, &unsuitable) || !strings.Contains(err.Error(), `output "n"`) || !strings.Contains(err.Error(), `"y"`) {
		t.Errorf("a name that is not there: %v", err)
	}
}

// TestLogitsVisiblyNone: the ends of networks that are no classifiers, as PyTorch,
// TensorFlow and others write them, beside those of classifiers that look like them.
func TestLogitsVisiblyNone(t *testing.T) {
	for _, c := range []struct {
		name, nodes string
		none        bool
	}{
		{"PyTorch's normalize", "n = ReduceL2 <axes = [1], keepdims = 1> (f) c = Clip (n, eps) s = Shape (f) d = Expand (c, s) y = Div (f, d)", true},
		{"divided by its norm", "n = ReduceL2 <axes = [1], keepdims = 1> (f) y = Div (f, n)", true},
		{"PyTorch's norm of old", "a = Abs (f) p = Pow (a, two) q = ReduceSum (p, axis) n = Pow (q, half) y = Div (f, n)", true},
		{"TensorFlow's l2_normalize", "q = Mul (f, f) t = ReduceSum (q, axis) m = Max (t, eps) r = Sqrt (m) i = Reciprocal (r) y = Mul (f, i)", true},
		{"an epsilon before", "t = ReduceSumSquare <axes = [1], keepdims = 1> (f) m = Add (eps, t) r = Sqrt (m) y = Div (f, r)", true},
		{"LpNormalization", "y = LpNormalization (f)", true},
		{"normalised and scaled", "n = LpNormalization (f) y = Mul (n, two)", true},
		{"normalised and rounded", "n = LpNormalization (f) q = QuantizeLinear (n, half, z) y = DequantizeLinear (q, half, z)", true},
		{"Tanh", "y = Tanh (f)", true},
		{"coordinates within an image", "s = Sigmoid (f) y = Mul (s, two)", true},
		{"scores", "y = Neg (f)", false},
		{"SiLU", "s = Sigmoid (f) y = Mul (f, s)", false},
		{"a Softmax spelled out", "e = Exp (f) t = ReduceSum (e, axis) y = Div (e, t)", false},
		{"scores by cosine", "n = LpNormalization (f) y = MatMul (n, w)", false},
		{"scores of a Softmax", "n = LpNormalization (f) y = Softmax (n)", false},
		{"a temperature", "y = Div (f, two)", false},
		{"one norm for another vector", "e = Neg (f) n = ReduceL2 <axes = [1], keepdims = 1> (e) m = MatMul (f, w) y = Div (m, n)", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			h, err := grad.Logits(grad.Want{}, passtest.Parse(t, passtest.Header+`g (float[N,3,1,1] x) => (float[N,3] y)
				<float eps = {1e-12}, float two = {2}, float half = {0.5}, uint8 z = {0}, int64[1] axis = {1}, float[3,3] w = {1,2,3,4,5,6,7,8,9}> { f = Flatten (x) `+c.nodes+` }`))
			var unsuitable *passes.UnsuitableError
			none := errors.As(err, &unsuitable) && len(h.Others) == 1 && h.Others[0].None
			if none != c.none || err != nil && !none {
				t.Errorf("none %v, %v", none, err)
			}
		})
	}
}
