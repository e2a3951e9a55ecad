package main

import (
	"path/filepath"
	"testing"
)

// TestTrainModel learns a separable problem from scratch.
func TestTrainModel(t *testing.T) {
	model, set := stripeNet(t), stripes(t, 192, 80)
	out := filepath.Join(t.TempDir(), "trained.onnx")
	r := trained(t, model, "--data", set, "--epochs", "6", "--batch", "16", "--flip", "off", "-o", out)
	t.Logf("%+v", r.Epochs)
	// Four classes: chance is 0.25 and, of 80 images, 0.5 is five deviations above.
	if *r.Top1 < 0.7 {
		t.Errorf("top-1 %v", *r.Top1)
	}
	if again := evaluated(t, out, "--data", set); *again.Top1 != *r.Top1 || again.N != 80 {
		t.Errorf("bnc eval says %v of %d, bnc train %v", *again.Top1, again.N, *r.Top1)
	}
}
