package main

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/bottlenet/bnc/compiler/onnx"
)

// stripedNet writes a network for the striped pictures: nodes make q of the cut r
// [batch,6,5,5], and last makes the outputs of its features f [batch,6] and their scores s
// [batch,4].
func stripedNet(t *testing.T, opset int, outputs, nodes, last string) string {
	t.Helper()
	return fromText(t, fmt.Sprintf(`<ir_version: 8, opset_import: ["" : %d]>
	net (float[batch,1,12,12] x) => (%s) <%s, bool yes = {1}, int64 three = {3}, int64[1] two = {2}, int64[1] zero = {0}, int64[1] four = {4}, int64[1] one = {1}> {
		a = Conv <strides = [2,2]> (x, w)
		r = Relu (a)
		%s
		p = GlobalAveragePool (q)
		f = Flatten (p)
		s = Gemm <transB = 1> (f, v, b)
		%s
	}`, opset, outputs, initsFor("6,1,3,3 w 0 0.5; 4,6 v 0 0.4; 4 b 0 0.1; 5 g 1 0.1; 5 o 0 0.1"), nodes, last), nil)
}

// several writes a striped net of several outputs.
func several(t *testing.T, outputs, last string) string {
	t.Helper()
	return stripedNet(t, 17, outputs, "q = Identity (r)", last)
}

// TestTrainOutputs: of several outputs, training, its judgement and bnc eval take the
// same one, and a TopK's indices where it ends the model.
func TestTrainOutputs(t *testing.T) {
	plugin(t)
	set := stripes(t, 96, 48)
	args := []string{"--data", set, "--epochs", "8", "--batch", "16", "--flip", "off", "--random-crop", "none", "--lr", "0.2", "--keep-last"}
	for _, c := range []struct {
		name, outputs, last string
		more                []string
	}{
		{"a gate before", "float[batch,4] gate, float[batch,4] y", "g0 = Slice (f, zero, four, one) gate = Sigmoid (g0) y = Identity (s)", nil},
		{"features before", "float[batch,6] e, float[batch,4] y", "e = Identity (f) y = Identity (s)", nil},
		{"as many features as classes", "float[batch,4] e, float[batch,4] y", "e = Slice (f, zero, four, one) y = Identity (s)", []string{"--scores", "y"}},
		{"TopK", "float[batch,2] top, int64[batch,2] i", "rates = Softmax (s) top, i = TopK (rates, two)", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			out := filepath.Join(t.TempDir(), "o.onnx")
			r := trained(t, slices.Concat([]string{several(t, c.outputs, c.last), "-o", out}, args, c.more)...)
			got := evaluated(t, slices.Concat([]string{out, "--data", set}, c.more)...)
			// Guessing is right in a quarter.
			if *r.Top1 < 0.5 || *got.Top1 != *r.Top1 {
				t.Errorf("bnc train says %v, bnc eval %v", *r.Top1, *got.Top1)
			}
		})
	}
	// bnc run shows the classes of that output, not of the gate before it.
	gated := several(t, "float[batch,4] gate, float[batch,4] y", "g0 = Slice (f, zero, four, one) gate = Sigmoid (g0) y = Identity (s)")
	picture := stripeFolder(t, t.TempDir(), 1, false, nil)[0]
	plain := several(t, "float[batch,4] y", "y = Identity (s)")
	top := func(net string) any {
		return document(t, "run", net, picture)["results"].([]any)[0].(map[string]any)["top"]
	}
	if got, want := asJSON(t, top(gated)), asJSON(t, top(plain)); got != want {
		t.Errorf("bnc run shows %s, without the gate %s", got, want)
	}
	// Model and teacher are compared by one output.
	dir := splitAt(t, several(t, "float[batch,4] e, float[batch,4] y", "e = Slice (f, zero, four, one) y = Identity (s)"), "--c", "2", "--s", "1")
	r := trained(t, slices.Concat([]string{dir, "--data", set, "--distill", "--freeze", "backbone", "--scores", "y"}, few)...)
	if got := evaluated(t, dir, "--data", set, "--scores", "y"); got.Agreement == nil || *got.Agreement != *r.Agreement {
		t.Errorf("agreement %v, bnc eval says %v", *r.Agreement, got.Agreement)
	}
	two := several(t, "float[batch,6] e, float[batch,4] y", "e = Identity (f) y = Identity (s)")
	for _, command := range [][]string{{"train", two, "-o", filepath.Join(t.TempDir(), "o.onnx")}, {"eval", two}} {
		if _, stderr, code := tryBnc(t, append(command, "--data", set, "--scores", "nix")...); code != exitUnusable || !strings.Contains(stderr, `output "nix"`) {
			t.Errorf("bnc %s: exit code %d: %s", command[0], code, stderr)
		}
	}
}

// TestTrainComputedWeights: weights that the file computes of others learn as if they
// were initializers.
func TestTrainComputedWeights(t *testing.T) {
	plugin(t)
	set := stripes(t, 80, 16)
	net := fromText(t, `<ir_version: 8, opset_import: ["" : 17]>
	net (float[batch,1,12,12] x) => (float[batch,4] y) <`+initsFor("6,1,3,3 w 0 0.5; 6 b1 0 0.1; 144 flat 0 0.2; 6 g 1 0.05; 4,6 v 0 0.4; 4 c 0 0.1")+`,
			int64[4] dims = {4,6,3,2}, int64[1] six = {6}> {
		a = Conv <strides = [2,2]> (x, w, b1)
		ones = ConstantOfShape <value = float[1] {1}> (six)
		b2 = Identity (b1)
		n = InstanceNormalization (a, ones, b2)
		r = Relu (n)
		k = Reshape (flat, dims)
		d = Conv (r, k)
		p = GlobalMaxPool (d)
		y = Flatten (p)
	}`, nil)
	out := filepath.Join(t.TempDir(), "o.onnx")
	falls(t, net, set, out, "-o", out, "--lr", "0.05")
	m, err := onnx.Load(out)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"b1", "b2", "k", "ones"} {
		if v := m.Graph.Value(name); v == nil || v.Init() == nil {
			t.Errorf("%s is no initializer", name)
		}
	}
	if got := evaluated(t, out, "--data", set); got.N != 16 {
		t.Errorf("%+v", got)
	}
}

// TestTrainWhatCannotLearn is told, and what is no inference refused.
func TestTrainWhatCannotLearn(t *testing.T) {
	plugin(t)
	set := stripes(t, 32, 8)
	model := func(opset, inits, nodes string) string {
		return fromText(t, fmt.Sprintf(`<ir_version: 8, opset_import: ["" : %s]>
		net (float[batch,1,12,12] x) => (float[batch,4] y) <%s> { %s p = GlobalAveragePool (a) y = Flatten (p) }`, opset, inits, nodes), nil)
	}
	train := func(net string) (string, int) {
		_, stderr, code := tryBnc(t, slices.Concat([]string{"train", net, "--data", set, "-o", filepath.Join(t.TempDir(), "o.onnx")}, few)...)
		return stderr, code
	}
	quantised := initsFor("4 b 0 0.1; 1 one 0.1 0") + ", int8[4,1,3,3] q = {" + strings.TrimSuffix(strings.Repeat("5,-7,3,", 12), ",") + "}, float s = {0.05}"
	if said, code := train(model("17", quantised, "w = DequantizeLinear (q, s) a = Conv (x, w, b)")); code != exitDone || !strings.Contains(said, `1 weights of convolutions and matrix products stay as they are, "w"`) {
		t.Errorf("exit code %d: %s", code, said)
	}
	if said, code := train(model("17", initsFor("4,1,3,3 w 0 0.5; 4 g 1 0.1; 4 b 0 0.1; 4 m 0 0.1; 4 v 1 0.1"),
		"c = Conv (x, w) a, m1, v1 = BatchNormalization <training_mode = 1> (c, g, b, m, v)")); code != exitUnusable || !strings.Contains(said, "training mode") {
		t.Errorf("exit code %d: %s", code, said)
	}
	if said, code := train(model("17", initsFor("4,1,3,3 w 0 0.5")+", float half = {0.5}, bool on = {1}", "c = Conv (x, w) a = Dropout (c, half, on)")); code != exitUnusable || !strings.Contains(said, "training mode") {
		t.Errorf("exit code %d: %s", code, said)
	}
}
