package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/bottlenet/bnc/compiler/onnx"
	"github.com/bottlenet/bnc/passes"
	"github.com/bottlenet/bnc/passes/opt"
)

// foundModels are networks as other programs write them, for striped pictures:
// head and initializers, see initsFor, and nodes.
var foundModels = []struct{ name, opset, inputs, inits, nodes string }{
	{"softmax", "17", "float[batch,1,12,12] x) => (float[batch,4] y", "6,1,3,3 w 0 0.5; 4,6 v 0 0.4; 4 b 0 0.1", `
		a = Conv <strides = [2,2]> (x, w) r = Relu (a) p = GlobalAveragePool (r) f = Flatten (p) g = Gemm <transB = 1> (f, v, b)
		y = Softmax (g)`},
	{"logarithm of a softmax before axes were single", "11", "float[batch,1,12,12] x) => (float[batch,4,1,1] y", "6,1,3,3 w 0 0.5; 4,6,1,1 v 0 0.4", `
		a = Conv <strides = [2,2]> (x, w) r = LeakyRelu (a) p = GlobalAveragePool (r) c = Conv (p, v)
		y = LogSoftmax <axis = 1> (c)`},
	{"SiLU, HardSwish, squeeze and excitation", "17", "float[batch,1,12,12] x) => (float[batch,4] y",
		"8,1,3,3 w 0 0.5; 8 bw 0 0.1; 2,8,1,1 down 0 0.4; 8,2,1,1 up 0 0.4; 8,1,3,3 deep 0 0.4; 4,8 v 0 0.4; 4 b 0 0.1", `
		a = Conv <strides = [2,2]> (x, w, bw) s = Sigmoid (a) r = Mul (a, s)
		d = Conv <group = 8> (r, deep) h = HardSwish (d)
		e = GlobalAveragePool (h) e1 = Conv (e, down) e2 = Relu (e1) e3 = Conv (e2, up) e4 = HardSigmoid (e3)
		m = Mul (h, e4) p = ReduceMean <axes = [2,3], keepdims = 0> (m) y = Gemm <transB = 1> (p, v, b)`},
	{"LayerNormalization, Gelu, PRelu", "17", "float[batch,1,12,12] x) => (float[batch,4] y",
		"8,1,4,4 w 0 0.3; 8 bw 0 0.1; 8 gamma 1 0.1; 8 beta 0 0.1; 8,8 mix 0 0.4; 8 shift 0 0.1; 8 slope 0.2 0.05; 8,4 v 0 0.4; 4 b 0 0.1; 1 root 1.4142 0; 1 one 1 0; 1 half 0.5 0", `
		a = Conv <strides = [2,2]> (x, w, bw) t = Transpose <perm = [0,2,3,1]> (a)
		n = LayerNormalization <axis = -1> (t, gamma, beta)
		u0 = MatMul (n, mix) u = Add (u0, shift)
		q = Div (u, root) e = Erf (q) e1 = Add (e, one) e2 = Mul (u, e1) g = Mul (e2, half)
		k = PRelu (g, slope) r = Add (t, k)
		p = ReduceMean <axes = [1,2], keepdims = 0> (r) m = MatMul (p, v) y = Add (m, b)`},
	{"operator set 9", "9", "float[1,1,12,12] x) => (float[1,4] y",
		"6,1,3,3 w 0 0.5; 6 g 1 0.1; 6 b 0.2 0.1; 6 m 0 0.1; 6 s 1 0.05; 4,6 v 0 0.4; 4 c 0 0.1", `
		p0 = Pad <mode = "constant", pads = [0,0,1,1,0,0,1,1]> (x) a = Conv <strides = [2,2]> (p0, w)
		n = BatchNormalization (a, g, b, m, s) r = Clip <min = 0.0, max = 6.0> (n)
		d, mask = Dropout <ratio = 0.5> (r) cropped = Slice <axes = [2,3], starts = [0,0], ends = [5,5]> (d)
		p = ReduceMean <axes = [2,3]> (cropped) q = Squeeze <axes = [2,3]> (p) h = Gemm <transB = 1> (q, v, c)
		y = Softmax <axis = 1> (h)`},
	{"bytes in and out, channels last", "13", "uint8[1,12,12,1] x) => (uint8[1,4] y",
		"8,1,3,3 w 0 0.3; 8 bw 0 0.1; 4,8 v 0 0.4; 4 b 0 0.1; 1 scale 0.0078125 0; 1 middle 1 0; 1 step 0.00390625 0", `
		f = Cast <to = 1> (x) f1 = Mul (f, scale) f2 = Sub (f1, middle) t = Transpose <perm = [0,3,1,2]> (f2)
		a = Conv <strides = [2,2]> (t, w, bw) r = Relu (a) p = GlobalAveragePool (r)
		shape = Constant <value_ints = [1,8]> () z = Reshape (p, shape) h = Gemm <transB = 1> (z, v, b)
		l = Softmax <axis = -1> (h) zero = Cast <to = 2> (nought) y0 = Squeeze (step) z0 = Squeeze (zero)
		y = QuantizeLinear (l, y0, z0)`},
}

// losses reads the loss of each step out of a training's log.
func losses(t *testing.T, destination string) []float64 {
	t.Helper()
	log, err := os.ReadFile(filepath.Join(strings.TrimSuffix(destination, ".onnx")+".train", "log.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	var all []float64
	for line := range strings.Lines(string(log)) {
		var l struct {
			Step int
			Loss float64
		}
		if err := json.Unmarshal([]byte(line), &l); err != nil {
			t.Fatal(err)
		}
		if l.Step > 0 {
			all = append(all, l.Loss)
		}
	}
	return all
}

// falls trains 20 steps and demands that the last five have a smaller loss than
// the first five, by a twentieth and more: of four classes it begins near 1.4.
func falls(t *testing.T, subject, set, destination string, flags ...string) {
	t.Helper()
	args := []string{subject, "--data", set, "--epochs", "4", "--batch", "16", "--flip", "off", "--random-crop", "none", "--keep-last"}
	trained(t, slices.Concat(args, flags)...)
	all := losses(t, destination)
	mean := func(v []float64) (m float64) {
		for _, x := range v {
			m += x / float64(len(v))
		}
		return m
	}
	if len(all) != 20 {
		t.Fatalf("%d steps", len(all))
	}
	first, last := mean(all[:5]), mean(all[15:])
	t.Logf("loss %.3f, then %.3f", first, last)
	if !(last < 0.95*first) {
		t.Errorf("the loss went from %.4f to %.4f", first, last)
	}
}

// TestTrainFoundModels trains networks as other programs write them.
func TestTrainFoundModels(t *testing.T) {
	plugin(t)
	set := stripes(t, 80, 16)
	for _, m := range foundModels {
		t.Run(m.name, func(t *testing.T) {
			inits := initsFor(m.inits)
			if strings.Contains(m.nodes, "nought") {
				inits += ", float[1] nought = {0}"
			}
			text := fmt.Sprintf(`<ir_version: 8, opset_import: ["" : %s]> net (%s) <%s> { %s }`, m.opset, m.inputs, inits, m.nodes)
			out := filepath.Join(t.TempDir(), "o.onnx")
			falls(t, fromText(t, text, nil), set, out, "-o", out, "--lr", "0.2")
			got := evaluated(t, out, "--data", set)
			// It is the same model with other weights, batch and types and all.
			if got.N != 16 || *got.Top1 <= 0.25 {
				t.Errorf("top-1 %v of %d", *got.Top1, got.N)
			}
			if was, is := form(t, fromText(t, text, nil)), form(t, out); was != is {
				t.Errorf("it was\n%s\nand is\n%s", was, is)
			}
		})
	}
}

// TestTrainFolded trains a residual network whose batch normalisation was merged
// into the convolutions, as most published files have it.
func TestTrainFolded(t *testing.T) {
	plugin(t)
	set := stripes(t, 80, 16)
	dir := t.TempDir()
	whole, folded := filepath.Join(dir, "whole.onnx"), filepath.Join(dir, "folded.onnx")
	mustBnc(t, "models", "resnet20", "--input", "1x12x12", "--classes", "4", "-o", whole)
	m, err := onnx.Load(whole)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := passes.Run(m, []passes.Pass{opt.FoldBatchNorm, opt.DeadCode}, nil); err != nil {
		t.Fatal(err)
	}
	for _, n := range m.Graph.Nodes() {
		if n.Op == "BatchNormalization" {
			t.Fatalf("%s is left", n.Label())
		}
	}
	if err := onnx.Save(t.Context(), folded, m, onnx.SaveOptions{}); err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(dir, "o.onnx")
	falls(t, folded, set, out, "-o", out, "--lr", "0.05")
	b := filepath.Join(dir, "b")
	mustBnc(t, "split", folded, "--after", "rb3", "--c", "2", "--s", "2", "-o", b)
	falls(t, b, set, b, "--distill", "--freeze", "backbone", "--lr", "0.02")
	likeJoined(t, b, set, 1e-3)
}

// TestTrainBytes splits the model of bytes, with one image built in, and trains
// the bundle.
func TestTrainBytes(t *testing.T) {
	plugin(t)
	m := foundModels[len(foundModels)-1]
	set := stripes(t, 80, 16)
	text := fmt.Sprintf(`<ir_version: 8, opset_import: ["" : %s]> net (%s) <%s, float[1] nought = {0}> { %s }`, m.opset, m.inputs, initsFor(m.inits), m.nodes)
	dir := splitAt(t, fromText(t, text, nil), "--c", "2", "--s", "1")
	falls(t, dir, set, dir, "--distill", "--freeze", "backbone", "--lr", "0.02")
	if got := evaluated(t, dir, "--data", set); got.N != 16 || got.PayloadBytes.Mean <= 0 {
		t.Errorf("%+v", got)
	}
}
