package main

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// classified is what a model makes of labelled photographs.
type classified struct {
	classes []int
	bytes   float64 // mean payload
}

// photoFlags prepare photographs as the shared MobileNetV2 wants them.
var photoFlags = strings.Fields("--scale 1 --mean 128,128,128 --std 127,127,127 --resize 256 --crop 224x224")

// classifyPhotos asks bnc run.
func classifyPhotos(t *testing.T, model string, photos []string) classified {
	t.Helper()
	args := slices.Concat([]string{"run", model, "--jsonl", "--top", "1"}, photoFlags, photos)
	lines := strings.Split(strings.TrimSpace(mustBnc(t, args...)), "\n")
	if len(lines) != len(photos) {
		t.Fatalf("%d results for %d photographs", len(lines), len(photos))
	}
	var out classified
	for i, line := range lines {
		var r struct {
			Input        string
			Top          []struct{ Class int }
			PayloadBytes int `json:"payload_bytes"`
		}
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatal(err)
		}
		if r.Input != photos[i] || len(r.Top) != 1 {
			t.Fatalf("result %d, expected one class of %s: %s", i, photos[i], line)
		}
		out.classes = append(out.classes, r.Top[0].Class)
		out.bytes += float64(r.PayloadBytes) / float64(len(photos))
	}
	return out
}

// agreement is the share of equal classes.
func agreement(a, b []int) float64 {
	same := 0
	for i := range a {
		if a[i] == b[i] {
			same++
		}
	}
	return float64(same) / float64(len(a))
}

// TestCalibratedPredicts splits a network with real weights: calibrated on 60
// photographs, without any training, a pair classifies other photographs far
// better than an uncalibrated one. tools/calibrated.sh measures the same on all
// photographs; this takes every fourth.
func TestCalibratedPredicts(t *testing.T) {
	model := shared(t, "models/imagenet/mobilenetv2.onnx")
	val := shared(t, "photos/val")
	unlabelled, err := filepath.Glob(filepath.Join(shared(t, "photos/unlabelled"), "*"))
	if err != nil || len(unlabelled) < 60 {
		t.Fatalf("%d photographs to calibrate on, expected 60 (%v)", len(unlabelled), err)
	}
	plugin(t)
	calib := t.TempDir()
	for _, file := range unlabelled[:60] {
		target, err := filepath.Abs(file)
		if err == nil {
			err = os.Symlink(target, filepath.Join(calib, filepath.Base(file)))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	list, err := os.ReadFile(filepath.Join(val, "classes.txt"))
	if err != nil {
		t.Fatal(err)
	}
	names := strings.Fields(string(list))
	all, err := filepath.Glob(filepath.Join(val, "*", "*"))
	if err != nil {
		t.Fatal(err)
	}
	var photos []string
	var labels []int
	for i := 0; i < len(all); i += 4 {
		photos = append(photos, all[i])
		labels = append(labels, slices.Index(names, filepath.Base(filepath.Dir(all[i]))))
	}
	n := float64(len(photos))
	whole := classifyPhotos(t, model, photos)
	// On all 500 photographs it was 85.4%; see atLeast.
	if top1 := agreement(whole.classes, labels); top1 < atLeast(0.854, n) {
		t.Errorf("whole model: top-1 %.3f", top1)
	}
	for _, c := range []struct {
		cut      string
		channels int
		top1     float64 // of all 500 photographs
		bytes    float64
	}{
		{"rb6", 24, 0.340, 613},
		{"rb3", 16, 0.536, 1558},
	} {
		split := func(flags ...string) classified {
			dir := filepath.Join(t.TempDir(), "b")
			args := []string{"split", model, "--after", c.cut, "--c", fmt.Sprint(c.channels), "--s", "1", "-o", dir}
			mustBnc(t, slices.Concat(args, photoFlags, flags)...)
			return classifyPhotos(t, dir, photos)
		}
		calibrated, felt, not := split("--calib", calib, "--calib-by", "variance"), split("--calib", calib), split()
		right, same, before := agreement(calibrated.classes, labels), agreement(calibrated.classes, whole.classes), agreement(not.classes, whole.classes)
		t.Logf("%s c=%d s=1: top-1 %.3f, agreement %.3f (uncalibrated %.3f), %.0f bytes of %d photographs",
			c.cut, c.channels, right, same, before, calibrated.bytes, len(photos))
		if right < atLeast(c.top1, n) {
			t.Errorf("%s: top-1 %.3f, expected about %.3f", c.cut, right, c.top1)
		}
		if same < before+0.15 { // 0.32 and 0.37 on all photographs; 0.15 is over three deviations below either
			t.Errorf("%s: %.3f agree with the whole model, %.3f uncalibrated", c.cut, same, before)
		}
		// A photograph's payload deviates by a tenth of the mean: a twentieth is over
		// five deviations of the mean of 125.
		if math.Abs(calibrated.bytes-c.bytes) > c.bytes/20 {
			t.Errorf("%s: %.0f bytes, expected about %.0f", c.cut, calibrated.bytes, c.bytes)
		}
		// Channels that the outputs feel most tell more (0.448 and 0.624 of these photographs)
		// with two thirds of the bytes: no less may they tell with four fifths.
		if top1 := agreement(felt.classes, labels); top1 < right || felt.bytes > 0.8*calibrated.bytes {
			t.Errorf("%s: by sensitivity top-1 %.3f with %.0f bytes, by variance %.3f with %.0f", c.cut, top1, felt.bytes, right, calibrated.bytes)
		}
	}
}

// atLeast is three standard deviations of n draws below a share.
func atLeast(share, n float64) float64 { return share - 3*math.Sqrt(share*(1-share)/n) }
