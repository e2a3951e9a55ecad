package main

import (
	"encoding/json"
	"math"
	"strings"
	"testing"

	"github.com/bottlenet/bnc"
)

// TestTrainValLimit: --val-limit judges by so many images, and the first line tells.
func TestTrainValLimit(t *testing.T) {
	set, out := stripes(t, 48, 90), t.TempDir()+"/o.onnx"
	train := []string{"train", stripeNet(t), "--data", set, "--epochs", "1", "--batch", "16", "-o", out, "--json"}
	for _, c := range []struct {
		flags []string
		first string
		parts float64 // of the judged images
	}{
		{nil, "48 images to train on, 90 to judge by, which will take long: --val-limit takes fewer", 90},
		{[]string{"--val-limit", "7"}, "48 images to train on, 7 to judge by", 7},
		{[]string{"--val-limit", "500", "--limit", "32"}, "32 images to train on, 90 to judge by, which will take long: --val-limit takes fewer", 90},
	} {
		stdout, stderr, code := tryBnc(t, append(train, c.flags...)...)
		if code != 0 {
			t.Fatalf("%v: %s", c.flags, stderr)
		}
		first, _, _ := strings.Cut(stderr, "\n")
		if !strings.HasSuffix(first, c.first) {
			t.Errorf("%v: the first line is %q", c.flags, first)
		}
		var r bnc.TrainResult
		if err := json.Unmarshal([]byte(stdout), &r); err != nil {
			t.Fatal(err)
		}
		if hits := *r.Top1 * c.parts; math.Abs(hits-math.Round(hits)) > 1e-9 {
			t.Errorf("%v: top-1 %v is that of other than %v images", c.flags, *r.Top1, c.parts)
		}
	}
	if _, stderr, code := tryBnc(t, append(train, "--val-limit", "-1")...); code != 2 || !strings.Contains(stderr, "--val-limit") {
		t.Errorf("--val-limit -1: code %d, %s", code, stderr)
	}
}
