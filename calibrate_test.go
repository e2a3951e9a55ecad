package bnc

import (
	"fmt"
	"image"
	"image/png"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/bottlenet/bnc/compiler/onnx"
	"github.com/bottlenet/bnc/passes/bottleneck"
	"github.com/bottlenet/bnc/runtime/model"
	"github.com/bottlenet/bnc/runtime/tensor"
)

// pictures writes n pictures of 28 x 28 in grey: gradients of several directions.
func pictures(t *testing.T, n int) string {
	t.Helper()
	dir := t.TempDir()
	rng := rand.New(rand.NewPCG(7, 7))
	for i := range n {
		img := image.NewGray(image.Rect(0, 0, 28, 28))
		right, down := rng.IntN(10), rng.IntN(10)
		for p := range img.Pix {
			img.Pix[p] = byte(p%28*right + p/28*down)
		}
		f, err := os.Create(filepath.Join(dir, fmt.Sprintf("%02d.png", i)))
		if err != nil {
			t.Fatal(err)
		}
		if err := png.Encode(f, img); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// TestCalibrate: a bundle that is calibrated later is as one that was split, with seed 0, with
// calibration, and is not calibrated twice.
func TestCalibrate(t *testing.T) {
	model, set := small(t), pictures(t, 12)
	at, later := filepath.Join(t.TempDir(), "at"), filepath.Join(t.TempDir(), "later")
	o := SplitOptions{After: "rb3", Channels: []Channels{3}, Stride: []int{2}, Out: at, Calibrate: set}
	o.Mean, o.Std = []float64{0.5}, []float64{0.25} // otherwise those of the images, which a split does not measure
	if _, err := Split(t.Context(), model, o); err != nil {
		t.Fatal(err)
	}
	o.Out, o.Calibrate = later, ""
	if _, err := Split(t.Context(), model, o); err != nil {
		t.Fatal(err)
	}
	before := metaOf(t, later)
	r, err := Calibrate(t.Context(), later, CalibrateOptions{Data: set})
	if err != nil {
		t.Fatal(err)
	}
	want, got := metaOf(t, at), metaOf(t, later)
	if got["bnc.pair"] == before["bnc.pair"] || before["bnc.calibrated"] != "" || r.Range != "static" || fmt.Sprint(r.Lo[0], r.Hi[0]) != want["bnc.lo"]+" "+want["bnc.hi"] {
		t.Errorf("%v of %+v: expected a calibrated bundle of another pair", got, r)
	}
	got["bnc.pair"] = want["bnc.pair"]
	if !maps.Equal(got, want) {
		t.Errorf("%v\nexpected %v", got, want)
	}
	if !reflect.DeepEqual(unitsOf(t, later), unitsOf(t, at)) {
		t.Error("the units differ from those of a split with calibration")
	}
	for _, c := range []struct {
		path string
		o    CalibrateOptions
	}{{later, CalibrateOptions{Data: set}}, {model, CalibrateOptions{Data: set}}, {later, CalibrateOptions{}}, {later, CalibrateOptions{Data: set, Range: "none"}}} {
		if _, err := Calibrate(t.Context(), c.path, c.o); KindOf(err) != Usage {
			t.Errorf("%+v: %v, expected wrong usage", c, err)
		}
	}
}

// metaOf returns what a bundle's mobile half says about itself.
func metaOf(t *testing.T, dir string) map[string]string {
	t.Helper()
	head, err := model.ReadFile(filepath.Join(dir, "mobile.onnx"))
	if err != nil {
		t.Fatal(err)
	}
	return head.Metadata
}

func unitsOf(t *testing.T, dir string) *bottleneck.Units {
	t.Helper()
	m, err := onnx.Load(filepath.Join(dir, "bottlenet.onnx"))
	if err != nil {
		t.Fatal(err)
	}
	records, err := bottleneck.Records(m)
	if err != nil {
		t.Fatal(err)
	}
	u, err := bottleneck.UnitsOf(m, records[0])
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// TestCalibrationWithoutGradients: where what the outputs feel cannot be asked, here as an
// input that is read behind the cut has no value, a split says so, and takes the channels
// that it takes by variance; with a value it takes others.
func TestCalibrationWithoutGradients(t *testing.T) {
	_, vector, folder := twoInputs(t)
	split := func(by string, feed map[string]string) (*bottleneck.Units, []string) {
		said := &spoken{}
		o := SplitOptions{After: "g", Channels: []Channels{2}, Stride: []int{1}, Calibrate: folder, CalibrateBy: by, Out: filepath.Join(t.TempDir(), "b"), Reporter: said}
		o.Feed = feed
		if _, err := Split(t.Context(), vector, o); err != nil {
			t.Fatal(err)
		}
		return unitsOf(t, o.Out), said.lines
	}
	variance, _ := split(ByVariance, nil)
	without, told := split("", nil)
	if !reflect.DeepEqual(without, variance) {
		t.Error("without gradients the channels are not those of the largest variance")
	}
	if !slices.ContainsFunc(told, func(line string) bool { return strings.Contains(line, `input "t" is read behind the cut`) }) {
		t.Errorf("it was not told: %q", told)
	}
	felt, told := split("", map[string]string{"t": npy(t, tensor.Of([]int64{4}, []float32{1, -2, 0.5, 3}))})
	if reflect.DeepEqual(felt, variance) || slices.ContainsFunc(told, func(line string) bool { return strings.Contains(line, "variance") }) {
		t.Errorf("with a value the channels are those of before; told %q", told)
	}
}
