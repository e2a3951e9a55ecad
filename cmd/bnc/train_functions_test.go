package main

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/bottlenet/bnc/compiler/onnx"
	"github.com/bottlenet/bnc/compiler/onnxtext"
	"github.com/bottlenet/bnc/internal/oracletest"
	"github.com/bottlenet/bnc/runtime/ort"
	"github.com/bottlenet/bnc/runtime/tensor"
)

// TestTrainFunctions trains stripeNet written with functions: it becomes what stripeNet
// itself becomes. As a bundle it learns from labels and from itself.
func TestTrainFunctions(t *testing.T) {
	plugin(t)
	set, plain := stripes(t, 64, 24), stripeNet(t)
	m, err := onnx.Load(plain)
	if err != nil {
		t.Fatal(err)
	}
	called, err := onnxtext.Parse(`<ir_version: 8, opset_import: ["" : 17, "my" : 1]>
	net (float[batch,1,12,12] x) => (float[batch,4] y) <` + initsFor(stripeWeights) + `> {
		r = my.Block <strides = [2,2]> (x, w1, g1, b1, mean1, var1)
		q = my.Block (r, w2, g2, b2, mean2, var2)
		p = GlobalAveragePool (q)
		f = Flatten (p)
		y = Gemm <transB = 1> (f, w3, b3)
	}
	<domain: "my", opset_import: ["" : 17]> Block <strides: ints = [1,1]> (x, w, g, b, m, v) => (r) {
		a = Conv <strides: ints = @strides, pads = [1,1,1,1]> (x, w)
		n = BatchNormalization (a, g, b, m, v)
		r = Relu (n)
	}`)
	if err != nil {
		t.Fatal(err)
	}
	x := ort.Feed{"x": oracletest.Noise(tensor.Float32, 1, 3, 1, 12, 12)}
	if d := oracletest.Far(oracletest.Compute(t, called, x)[0].Tensor, oracletest.Compute(t, m, x)[0].Tensor); d > 0 {
		t.Fatalf("the two networks differ by %g", d)
	}
	functions := filepath.Join(t.TempDir(), "functions.onnx")
	if err := onnx.Save(t.Context(), functions, called, onnx.SaveOptions{}); err != nil {
		t.Fatal(err)
	}
	var inits [2]map[string]string
	for i, path := range []string{plain, functions} {
		out := filepath.Join(t.TempDir(), "trained.onnx")
		trained(t, slices.Concat([]string{path, "--data", set, "--keep-last", "-o", out}, few)...)
		inits[i] = initsOf(t, out)
	}
	if d := changed(inits[0], inits[1]); len(d) > 0 || len(inits[0]) < 12 {
		t.Errorf("%d weights; they differ: %v", len(inits[0]), d)
	}
	start := splitAt(t, functions, "--c", "2", "--s", "2", "--calib", set)
	for _, flags := range []string{"--freeze backbone", "--freeze backbone --distill", "--freeze mobile --distill"} {
		dir := copyOf(t, start)
		r := trained(t, slices.Concat([]string{dir, "--data", set, "--keep-last"}, strings.Fields(flags), few)...)
		if first, last := r.Epochs[0].Loss, r.Epochs[len(r.Epochs)-1].Loss; !(last < first) {
			t.Errorf("%s: the loss goes from %v to %v", flags, first, last)
		}
	}
}

// TestTrainAdvice: what was asked for already is not advised.
func TestTrainAdvice(t *testing.T) {
	plugin(t)
	set := stripes(t, 64, 24)
	path := fromText(t, `<ir_version: 8, opset_import: ["" : 17]>
	net (float[batch,1,12,12] x) => (float[batch,4] y) <`+initsFor(stripeWeights)+`> {
		a = Conv <strides = [2,2], pads = [1,1,1,1]> (x, w1)
		r = Relu (a)
		l = LpPool <kernel_shape = [2,2]> (r)
		c = Conv <pads = [1,1,1,1]> (l, w2)
		p = GlobalAveragePool (c)
		f = Flatten (p)
		y = Gemm <transB = 1> (f, w3, b3)
	}`, nil)
	dir := splitAt(t, path, "--c", "2", "--s", "1", "--calib", set)
	for _, freeze := range []string{"none", "backbone", "mobile"} {
		_, stderr, code := tryBnc(t, slices.Concat([]string{"train", dir, "--data", set, "--freeze", freeze}, few)...)
		if code != exitUnusable || !strings.Contains(stderr, "LpPool") || !strings.Contains(stderr, "cut behind it") {
			t.Errorf("--freeze %s: exit code %d\n%s", freeze, code, stderr)
		}
		if freeze != "none" && strings.Contains(stderr, "--freeze "+freeze) {
			t.Errorf("--freeze %s is advised again:\n%s", freeze, stderr)
		}
	}
}
