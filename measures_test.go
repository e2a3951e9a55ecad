package bnc

import (
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/bottlenet/bnc/compiler/onnx"
	"github.com/bottlenet/bnc/internal/oracletest"
	"github.com/bottlenet/bnc/internal/rttest"
	"github.com/bottlenet/bnc/runtime/search"
)

// segmenter is a network whose mask is what is bright, blurred: of 28 x 28 pixels.
func segmenter(t *testing.T) string {
	t.Helper()
	weights := func(n int) string {
		r := rand.New(rand.NewPCG(3, uint64(n)))
		values := make([]string, n)
		for i := range values {
			values[i] = fmt.Sprintf("%.4f", math.Abs(0.3+0.05*r.NormFloat64()))
		}
		return strings.Join(values, ", ")
	}
	path := filepath.Join(t.TempDir(), "segmenter.onnx")
	m := oracletest.Parse(t, `<ir_version: 8, opset_import: ["" : 17]>
		net (float[batch,1,28,28] x) => (float[batch,1,28,28] mask) <
			float[4,1,3,3] w = {`+weights(36)+`}, float[1,4,3,3] v = {`+weights(36)+`}, float[1] b = {-7}> {
			a = Conv <pads = [1,1,1,1]> (x, w) q = Relu (a)
			s = Conv <pads = [1,1,1,1]> (q, v, b) mask = Sigmoid (s)
		}`)
	if err := onnx.Save(t.Context(), path, m, onnx.SaveOptions{}); err != nil {
		t.Fatal(err)
	}
	return path
}

// masked writes pictures with a bright square each, and masks of the squares beside them.
func masked(t *testing.T, n int) string {
	t.Helper()
	dir, r := t.TempDir(), rand.New(rand.NewPCG(5, 5))
	for i := range n {
		picture, mask := image.NewGray(image.Rect(0, 0, 28, 28)), image.NewGray(image.Rect(0, 0, 28, 28))
		x, y, size := r.IntN(14), r.IntN(14), 6+r.IntN(8)
		for p := range picture.Pix {
			picture.Pix[p] = uint8(r.IntN(40))
			if at := image.Pt(p%28, p/28); at.In(image.Rect(x, y, x+size, y+size)) {
				picture.Pix[p] = uint8(200 + r.IntN(40))
				mask.SetGray(at.X, at.Y, color.Gray{Y: 1})
			}
		}
		name := filepath.Join(dir, fmt.Sprintf("%02d", i))
		for ending, write := range map[string]func(*os.File) error{
			".jpg": func(f *os.File) error { return jpeg.Encode(f, picture, &jpeg.Options{Quality: 95}) },
			".png": func(f *os.File) error { return png.Encode(f, mask) },
		} {
			f, err := os.Create(name + ending)
			if err == nil {
				err = write(f)
			}
			if err == nil {
				err = f.Close()
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	return dir
}

// TestDefaultsOfMasks: a pair of a segmenter that its original teaches learns, where nothing is said,
// as docs/training.md has it: masks by how far they overlap, what is behind the cut, at relative
// rates. Options that say the same give the same losses; another loss does not.
func TestDefaultsOfMasks(t *testing.T) {
	rttest.Plugin(t)
	source, set := segmenter(t), masked(t, 16)
	images := ImageOptions{}
	images.Mean, images.Std = []float64{0}, []float64{1}
	losses := func(change func(*TrainOptions)) (all []float64, said string) {
		dir := filepath.Join(t.TempDir(), "b")
		if _, err := Split(t.Context(), source, SplitOptions{After: "q", Channels: []Channels{2}, Stride: []int{1}, Calibrate: set, Out: dir, ImageOptions: images}); err != nil {
			t.Fatal(err)
		}
		heard := &spoken{}
		o := TrainOptions{Data: set, Val: set, Distill: true, Epochs: 2, Batch: 8, Threads: 1, Reporter: heard}
		change(&o)
		r, err := Train(t.Context(), dir, o)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range r.Epochs {
			all = append(all, e.Loss)
		}
		return all, strings.Join(heard.lines, "\n")
	}
	spelled := func(loss string) func(*TrainOptions) {
		return func(o *TrainOptions) {
			o.Outputs, o.Freeze, o.Optimizer, o.LR = []string{"mask=" + loss}, "before", "adam-relative", 5e-4
		}
	}
	usual, said := losses(func(*TrainOptions) {})
	dice, _ := losses(spelled("dice"))
	binary, _ := losses(spelled("binary"))
	if !slices.Equal(usual, dice) || slices.Equal(usual, binary) {
		t.Errorf("losses %v where nothing is said, %v by dice, %v by binary", usual, dice, binary)
	}
	if !strings.Contains(said, "option freeze none lets all of it learn") {
		t.Errorf("said:\n%s", said)
	}
}

// TestMeasureOfTheTask: a segmenter is evaluated, trained and searched by the mean IoU of its
// masks, with labels and beside its teacher, and what each command says is what the others
// say.
func TestMeasureOfTheTask(t *testing.T) {
	rttest.Plugin(t)
	source, set, dir := segmenter(t), masked(t, 24), filepath.Join(t.TempDir(), "b")
	images := ImageOptions{}
	images.Mean, images.Std = []float64{0}, []float64{1}
	if _, err := Split(t.Context(), source, SplitOptions{After: "q", Channels: []Channels{2}, Stride: []int{1}, Calibrate: set, Out: dir, ImageOptions: images}); err != nil {
		t.Fatal(err)
	}
	whole, err := Eval(t.Context(), source, EvalOptions{Data: set, ImageOptions: images})
	if err != nil {
		t.Fatal(err)
	}
	// The mask is the square, larger by a blurred edge.
	if p := whole.Primary; whole.Task != "segment" || p.Name != "miou" || p.Value < 0.6 || p.Value > 0.999 || !(p.Interval[0] < p.Value && p.Value < p.Interval[1]) || whole.Top1 != nil || whole.Agreement != nil {
		t.Errorf("%+v, primary %+v", whole, whole.Primary)
	}
	before, err := Eval(t.Context(), dir, EvalOptions{Data: set, Quality: []int{20, 90}})
	if err != nil {
		t.Fatal(err)
	}
	if before.Measure == nil || before.Measure.Text != "mean IoU" || len(before.Outputs) != 2 || *before.Agreement != before.Outputs[1].Value || before.Sweep[1].Primary.Value < before.Sweep[0].Primary.Value-0.05 {
		t.Errorf("%+v", before)
	}
	trained, err := Train(t.Context(), dir, TrainOptions{Data: set, Val: set, Distill: true, Epochs: 2, Batch: 8, Flip: "off", RandomCrop: "none"})
	if err != nil {
		t.Fatal(err)
	}
	after, err := Eval(t.Context(), dir, EvalOptions{Data: set, Teacher: source})
	if err != nil {
		t.Fatal(err)
	}
	best := trained.Start.Primary.Value
	for _, e := range trained.Epochs {
		best = max(best, e.Primary.Value)
	}
	// Batches of other sizes sum in another order: single places of 24 x 784 may flip.
	if trained.Task != "segment" || trained.Top1 != nil || *trained.Labelled != trained.Primary.Value || math.Abs(after.Primary.Value-trained.Primary.Value) > 1e-3 || trained.Primary.Value < best-0.02 {
		t.Errorf("trained to %+v, the best is %v, bnc eval says %+v", trained.Judged, best, after.Primary)
	}
	train := TrainOptions{Data: set, Val: set, Distill: true, Epochs: 1, Batch: 8, Freeze: "backbone", ImageOptions: images}
	found, err := Search(t.Context(), source, SearchOptions{
		Options: search.Options{Out: filepath.Join(t.TempDir(), "found"), Strides: []int{1}, MaxLoss: new(40.0), Threads: 1}, Cuts: []string{"q"}, Channels: []Channels{1, 2}, Train: train,
	})
	if err != nil {
		t.Fatal(err)
	}
	if found.Task != "segment" || found.Measure.Name != "miou" || *found.Baseline.Agreement != 1 || found.Baseline.Labels() != nil {
		t.Errorf("%+v of %+v", found.Measure, found.Baseline)
	}
	for _, c := range found.Candidates {
		if c.Status == "trained" && math.Abs(c.Loss-100*(1-*c.Agreement)) > 1e-6 {
			t.Errorf("%s loses %v points, its agreement is %v", c, c.Loss, *c.Agreement)
		}
	}
}
