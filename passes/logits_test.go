package passes_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/bottlenet/bnc/passes"
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
			s, err := passes.Logits(parse(t, fmt.Sprintf("<ir_version: 8, opset_import: [\"\" : %d]>\n%s", c.opset, c.graph)), passes.Want{})
			if err != nil {
				t.Fatal(err)
			}
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
		_, err := passes.Logits(parse(t, header+c.graph), passes.Want{})
		var unsuitable *passes.UnsuitableError
		if !errors.As(err, &unsuitable) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: found %v, expected %q", c.name, err, c.want)
		}
	}
}

// TestLogitsWanted: of several outputs with scores, the wanted one, or one of as many
// classes as wanted, or the first.
func TestLogitsWanted(t *testing.T) {
	const graph = header + `g (float[N,3,1,1] x) => (float[N,3] e, float[N,2] y, float[N,3] z) <float[3,2] w = {1,2,3,4,5,6}> {
		e = Flatten (x) y = MatMul (e, w) z = Neg (e) }`
	for _, c := range []struct {
		want   passes.Want
		output string
	}{
		{passes.Want{}, "e"}, {passes.Want{Classes: 3}, "e"}, {passes.Want{Classes: 2}, "y"}, {passes.Want{Classes: 7}, "e"},
		{passes.Want{Output: "z"}, "z"}, {passes.Want{Output: "z", Classes: 2}, "z"}, {passes.Want{Output: "n"}, ""},
	} {
		s, err := passes.Logits(parse(t, graph), c.want)
		switch {
		case err != nil:
			if c.output != "" || !strings.Contains(err.Error(), `output "n"`) {
				t.Errorf("%+v: %v", c.want, err)
			}
		case s.Name() != c.output:
			t.Errorf("%+v: %s, expected %q", c.want, s.Name(), c.output)
		}
	}
}
