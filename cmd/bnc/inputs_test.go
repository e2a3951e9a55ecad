package main

import (
	"bytes"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bottlenet/bnc/runtime/profile"
)

// withWeights writes a network with weights w and b in place of INITS.
func withWeights(t *testing.T, text string) string {
	t.Helper()
	return fromText(t, strings.Replace(text, "INITS", initsFor("4,3,3,3 w 0 0.3; 4 b 0 0.1"), 1), nil)
}

// drawnFile writes the image that bnc profile draws.
func drawnFile(t *testing.T) string {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, profile.Drawing()); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "drawn.png")
	if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestBatchOfZero: a batch of 0 that an exporter built in is told by inspect and split, with
// the flag that helps, and with it the model splits into halves that run.
func TestBatchOfZero(t *testing.T) {
	plugin(t)
	model := withWeights(t, `<ir_version: 8, opset_import: ["" : 17]>
net (float[0,3,16,16] x) => (float[0,4] y) <INITS> {
	c = Conv <pads = [1,1,1,1]> (x, w, b)
	r = Relu (c)
	p = GlobalAveragePool (r)
	y = Flatten (p)
}`)
	for _, command := range [][]string{{"inspect", model}, {"split", model, "--after", "r", "-o", filepath.Join(t.TempDir(), "b")}} {
		_, stderr, code := tryBnc(t, command...)
		if code != exitUnusable || !strings.Contains(stderr, "--input x=1x3x16x16") {
			t.Errorf("%v: code %d, %s", command, code, stderr)
		}
	}
	dir := filepath.Join(t.TempDir(), "b")
	mustBnc(t, "split", model, "--input", "x=1x3x16x16", "--after", "r", "-o", dir)
	mustBnc(t, "run", dir, drawnFile(t))
}

// TestEqualNodeNames: nodes of one name, as converters write them, are told apart, so that
// the halves load.
func TestEqualNodeNames(t *testing.T) {
	plugin(t)
	model := withWeights(t, `<ir_version: 8, opset_import: ["" : 17]>
net (float[N,3,16,16] x) => (float[N,4] y) <INITS> {
	[same] c = Conv <pads = [1,1,1,1]> (x, w, b)
	[same] r = Relu (c)
	[same] p = GlobalAveragePool (r)
	[same] y = Flatten (p)
}`)
	dir := filepath.Join(t.TempDir(), "b")
	mustBnc(t, "split", model, "--after", "r", "-o", dir)
	mustBnc(t, "run", dir, drawnFile(t))
}

// TestProfileFixesSizes: bnc profile takes the shape of an input beside the images, as
// inspect and split do.
func TestProfileFixesSizes(t *testing.T) {
	plugin(t)
	model := withWeights(t, `<ir_version: 8, opset_import: ["" : 17]>
net (float[N,3,H,W] x) => (float[N,4] y) <INITS> {
	c = Conv <pads = [1,1,1,1]> (x, w, b)
	r = Relu (c)
	p = GlobalAveragePool (r)
	y = Flatten (p)
}`)
	p := profiled(t, model, "--input", "x=1x3x16x16", "--input", drawnFile(t), "--resize", "0", "--crop", "16x16")
	if len(p.Cuts) == 0 {
		t.Error("no cuts")
	}
	if _, stderr, code := tryBnc(t, "profile", model, "--input", drawnFile(t), "--input", drawnFile(t)); code != exitUsage || !strings.Contains(stderr, "NAME=DIMS") {
		t.Errorf("two images: code %d, %s", code, stderr)
	}
}

// TestSplitFixesSizesForImages: the sizes of --input are those that images are cropped to
// where only their values are given.
func TestSplitFixesSizesForImages(t *testing.T) {
	plugin(t)
	model := withWeights(t, `<ir_version: 8, opset_import: ["" : 17]>
net (float[N,3,H,W] x) => (float[N,4] y) <INITS> {
	c = Conv <pads = [1,1,1,1]> (x, w, b)
	r = Relu (c)
	p = GlobalAveragePool (r)
	y = Flatten (p)
}`)
	dir := filepath.Join(t.TempDir(), "b")
	mustBnc(t, "split", model, "--after", "r", "--input", "x=1x3x16x20", "--scale", "1", "--mean", "0,0,0", "--std", "1,1,1", "-o", dir)
	if p := metaOf(t, dir).Preprocess; p == nil || p.Crop != [2]int{16, 20} || p.Scale != 1 {
		t.Errorf("%+v", p)
	}
	mustBnc(t, "run", dir, drawnFile(t))
}

// TestBenchOfEqualNames: a model and a bundle of its name are measured side by side.
func TestBenchOfEqualNames(t *testing.T) {
	plugin(t)
	model := stripeNet(t)
	dir := filepath.Join(t.TempDir(), strings.TrimSuffix(filepath.Base(model), ".onnx"))
	mustBnc(t, "split", model, "--after", "r", "-o", dir)
	out := mustBnc(t, "bench", model, dir, "--input", drawnFile(t), "--link", "none", "--n", "1", "--crop", "12x12", "--resize", "12", "--color", "gray", "--mean", "0", "--std", "1", "--json")
	for _, way := range []string{"mobile-only", "cloud-only", "split"} {
		if !strings.Contains(out, way) {
			t.Errorf("%s is missing in %s", way, out)
		}
	}
}
