package grad

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/bottlenet/bnc/compiler/onnxtext"
)

// differentiated turns a graph in ONNX's syntax into its gradient graph.
func differentiated(t *testing.T, opset int, graph string, wrt ...string) error {
	t.Helper()
	m, err := onnxtext.Parse(fmt.Sprintf(`<ir_version: 8, opset_import: ["" : %d, "test" : 1]> g %s`, opset, graph))
	if err != nil {
		t.Fatal(err)
	}
	return VJP(m, wrt, false, NCHW)
}

// TestRefusals: what has no gradient here is refused by the node and the tensor, and
// nothing is dropped in silence.
func TestRefusals(t *testing.T) {
	for _, c := range []struct {
		name  string
		opset int
		graph string
		wrt   string
		want  string
	}{
		{"a normalisation in training", 17, `(float[2,3,4] x, float[3] g) => (y) { [n] y, a, b = BatchNormalization <training_mode = 1> (x, g, g, g, g) }`, "x", "training mode"},
		{"a frozen one's statistics as outputs", 17, `(float[2,3,4] x, float[3] g) => (y) { h, a, b = BatchNormalization <training_mode = 1> (x, g, g, g, g) [n] y = Neg (a) }`, "x", "only its first output"},
		{"dropout in training", 17, `(float[2,3] x) => (y) <float r = {0.5}, bool on = {1}> { [n] y = Dropout (x, r, on) }`, "x", "training mode"},
		{"positions of maxima as numbers", 17, `(float[1,1,4,4] x) => (y) { [n] a, i = MaxPool <kernel_shape = [2,2]> (x) y = Cast <to = 1> (i) }`, "x", "only its first output"},
		{"one scale a block", 21, `(float[2,4] x, float[2,2] s) => (y) { [n] q = QuantizeLinear <axis = 1, block_size = 2> (x, s) y = DequantizeLinear <axis = 1, block_size = 2> (q, s) }`, "x", "found scales [2 2]"},
		{"windows that ONNX Runtime pads otherwise", 17, `(float[1,1,9,9] x) => (y) { [n] y = MaxPool <kernel_shape = [2,2], dilations = [2,2], auto_pad = "SAME_UPPER"> (x) }`, "x", "as if it had no dilations"},
		{"windows that leave columns out", 17, `(float[1,1,9,9] x) => (y) { [n] y = AveragePool <kernel_shape = [1,1], strides = [3,3], auto_pad = "SAME_UPPER"> (x) }`, "x", "inside of the input"},
		{"crops of more than there is", 17, `(float[1,3] x) => (y) <int64[4] p = {2, 0, -2, 2}> { [n] y = Pad (x, p) }`, "x", "crops more than there is"},
		{"scales of a Resize", 17, `(float[1,1,4,4] x, float[4] s) => (float[1,1,8,8] y) { [n] y = Resize <mode = "linear"> (x, "", s) }`, "s", ""},
		{"numbers in float64", 17, `(float[2,3] x) => (y) { d = Cast <to = 11> (x) [n] e = Exp (d) y = Cast <to = 1> (e) }`, "x", "computed in float32"},
		{"an operator whose row forgets an input", 17, `(float[2,3] x, float[2,3] b) => (float[2,3] y) { [n] y = test.Forgets (x, b) }`, "b", "no gradient rule for input 1"},
		{"a gradient of another shape", 17, `(float[3] x, float[2,3] b) => (float[2,3] y) { [n] y = test.Forgets (x, b) }`, "x", "expected a gradient of shape [3] for input 0, found [2 3]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			forgets := key{"test", "Forgets"}
			rules[forgets] = rule{vjp: func(c *call) error { c.give(0, c.dy(0)); return nil }}
			defer delete(rules, forgets)
			err := differentiated(t, c.opset, c.graph, c.wrt)
			var e *Error
			if !errors.As(err, &e) || e.Tensor == "" || !strings.Contains(e.Reason, c.want) {
				t.Fatalf("expected an error about a tensor that says %q, found %v", c.want, err)
			}
		})
	}
}

// TestIgnored: rows that say so get no gradient for an input, and that is 0.
func TestIgnored(t *testing.T) {
	for _, c := range []struct{ graph, wrt string }{
		{`(float[2,3] x, float[2,3] b) => (y) { s = Sign (b) y = Add (x, s) }`, "b"},
		{`(float[2,3] x, float[2,3] b) => (y) { m = Greater (x, b) f = Cast <to = 1> (m) y = Mul (x, f) }`, "b"},
		{`(float[2,3] x, float b) => (y) { d = CastLike (x, b) y = Neg (d) }`, "b"},
		{`(float[2,3] x, float b) => (y) { d = Dropout (x, b) y = Neg (d) }`, "b"},
	} {
		if err := differentiated(t, 17, c.graph, "x", c.wrt); err != nil {
			t.Errorf("%s: %v", c.graph, err)
		}
	}
}

// TestSpellWindows: a window that ONNX's inference and ONNX Runtime count
// differently has explicit pads afterwards, others stay as they are.
func TestSpellWindows(t *testing.T) {
	for _, c := range []struct{ node, want string }{
		{`MaxPool <kernel_shape = [2,2], strides = [3,3], pads = [1,1,1,1], ceil_mode = 1> (x)`, "pads [1 1 0 0]"},
		{`MaxPool <kernel_shape = [3,3], strides = [2,2], ceil_mode = 1> (x)`, "ceil_mode 1"},
		{`AveragePool <kernel_shape = [2,2], strides = [3,3], pads = [1,1,1,1], ceil_mode = 1> (x)`, "pads [1 1 0 0]"},
		{`ConvTranspose <auto_pad = "SAME_UPPER", strides = [2,2], output_padding = [1,1]> (x, w)`, "pads [1 1 1 1]"},
		{`ConvTranspose <auto_pad = "SAME_UPPER", strides = [2,2]> (x, w)`, "auto_pad SAME_UPPER"},
	} {
		m, err := onnxtext.Parse(`<ir_version: 8, opset_import: ["" : 17]> g (float[1,1,13,13] x, float[1,1,3,3] w) => (y) { y = ` + c.node + ` }`)
		if err != nil {
			t.Fatal(err)
		}
		if err := VJP(m, []string{"x"}, false, NCHW); err != nil {
			t.Errorf("%s: %v", c.node, err)
			continue
		}
		n := m.Graph.Value("y").Producer()
		got := fmt.Sprint("pads ", n.Ints("pads"))
		name, _, _ := strings.Cut(c.want, " ")
		switch name {
		case "ceil_mode":
			got = fmt.Sprint("ceil_mode ", n.Int("ceil_mode", 0))
		case "auto_pad":
			got = "auto_pad " + n.Str("auto_pad", "")
		}
		if got != c.want {
			t.Errorf("%s: expected %s, found %s", c.node, c.want, got)
		}
		for _, attr := range []string{"ceil_mode", "auto_pad"} {
			if name == "pads" && n.Attr(attr) != nil {
				t.Errorf("%s: %s is still there", c.node, attr)
			}
		}
	}
}

// TestOutputKeepsItsName: the output of a model that is a trained normalisation is
// still there when it computes with the statistics of the batch.
func TestOutputKeepsItsName(t *testing.T) {
	m, err := onnxtext.Parse(`<ir_version: 8, opset_import: ["" : 17]> g (float[N,3] x) => (float[N,2] y)
		<float[3,2] w = {1, 2, 3, 4, 5, 6}, float[2] g = {1, 1}, float[2] b = {0, 0}, float[2] m = {0, 0}, float[2] v = {1, 1}> {
		s = MatMul (x, w) y = BatchNormalization (s, g, b, m, v) }`)
	if err != nil {
		t.Fatal(err)
	}
	p, err := Compile(t.Context(), m, m.Clone(), Options{Batch: 4, Input: "x", Targets: Targets{Heads: []Head{{Scores: "y"}}}, Loss: Loss{Kind: CrossEntropy}, Opt: Optimizer{Kind: SGD}})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Step.Verify(); err != nil {
		t.Error(err)
	}
	if got := p.Manifest.Params; len(got) < 3 {
		t.Errorf("%d parameters, expected w, g and b", len(got))
	}
}
