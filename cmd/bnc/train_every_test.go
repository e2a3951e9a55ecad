package main

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/bottlenet/bnc/internal/rttest"
)

// TestTrainEveryOutput: an embedding, a network of three angles and one of five digits, as
// PyTorch trained them, are split, calibrated and distilled: every output is then at least
// as near the original's as calibrated, as Python measures on images of their own.
func TestTrainEveryOutput(t *testing.T) {
	plugin(t)
	dir := t.TempDir()
	var good map[string]float64 // of the networks themselves, at their own tasks
	rttest.AskTorch(t, "torch_outputs.py", map[string]string{"dir": dir}, &good)
	for _, c := range []struct {
		net, split string
		outputs    int
		least      float64 // how good PyTorch's network is: what has learnt nothing has nothing to teach
	}{
		{"embedding", "--after cut4 --c 1 --s 2", 1, 0.95},
		{"pose", "--after cut4 --c 1 --s 2", 3, 0.9},
		{"captcha", "--after cut4 --c 2 --s 2", 5, 0.9},
	} {
		if good[c.net] < c.least {
			t.Fatalf("%s: PyTorch's network is right by %v only", c.net, good[c.net])
		}
		path := func(suffix string) string { return filepath.Join(dir, c.net+suffix) }
		mustBnc(t, slices.Concat([]string{"split", path(".onnx"), "--calib", path("-train.npy"), "-o", path("-calibrated")}, strings.Fields(c.split))...)
		mustBnc(t, "train", path("-calibrated"), "--data", path("-train.npy"), "--val", path("-train.npy"), "--val-limit", "128", "--distill", "--epochs", "3", "-o", path("-trained"))
		var like map[string]map[string]float64
		rttest.AskOracle(t, "outputs_judge.py", map[string]any{
			"model": path(".onnx"), "images": path("-val.npy"),
			"bundles": map[string]string{"calibrated": path("-calibrated/bottlenet.onnx"), "trained": path("-trained/bottlenet.onnx")},
		}, &like)
		t.Logf("%s: %v", c.net, like)
		if len(like["trained"]) != c.outputs {
			t.Errorf("%s: expected %d outputs, found %v", c.net, c.outputs, like)
		}
		for name, was := range like["calibrated"] {
			if is := like["trained"][name]; is < was {
				t.Errorf("%s: output %s was like the original's by %v when calibrated, and is by %v", c.net, name, was, is)
			}
		}
	}
}
