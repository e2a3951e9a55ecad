package feed_test

import (
	"image"
	"image/color"
	"math"
	"testing"

	"github.com/bottlenet/bnc/runtime/feed"
	"github.com/bottlenet/bnc/runtime/imagein"
	"github.com/bottlenet/bnc/runtime/tensor"
)

// A white square of a black picture is where the frame of a varied image says: after
// windows, shifts and flips, for every fit.
func TestFramesOfVariedImages(t *testing.T) {
	const n, w, h = 64, 300, 200
	img := image.NewGray(image.Rect(0, 0, w, h))
	for y := 90; y < 120; y++ {
		for x := 120; x < 156; x++ {
			img.SetGray(x, y, color.Gray{255})
		}
	}
	set := pngs(t, 0, img)
	for _, p := range []imagein.Preprocess{{Resize: 72}, {Fit: imagein.FitStretch}, {Fit: imagein.FitLetterbox, Pad: []int{0}}} {
		p.Color, p.Crop, p.Scale, p.Mean, p.Std = imagein.Gray, [2]int{n, n}, 1, []float64{0}, []float64{1}
		for _, a := range []feed.Augment{{}, {Flip: true}, {Pad: 3, Flip: true}, {ResizedCrop: [2]float64{0.8, 1}, Flip: true}} {
			l := newLoader(t, newFeeder(t, input(tensor.Float32, -1, 1, n, n), &p), set, feed.LoaderOptions{Batch: 1, Augment: a})
			mirrored := 0
			for e := range 20 {
				b := read(t, l, e, 0)[0]
				var sum, mx, my float64
				for i, v := range tensor.Slice[float32](b.X) {
					sum, mx, my = sum+float64(v), mx+float64(v)*(float64(i%n)+0.5), my+float64(v)*(float64(i/n)+0.5)
				}
				x, y := b.Frames[0].ToInput(138, 105)
				// The filter is symmetric, so that the centre of gravity stays; pixels are
				// rounded to 1 of 255, which moves it by some hundredths of a pixel.
				if math.Abs(mx/sum-x) > 0.05 || math.Abs(my/sum-y) > 0.05 {
					t.Errorf("%q %+v: the square is at %.3f, %.3f, expected %.3f, %.3f", p.Fit, a, mx/sum, my/sum, x, y)
				}
				if b.Frames[0].ScaleX < 0 {
					mirrored++
				}
			}
			if a.Flip != (mirrored > 0) || mirrored == 20 { // of 20 fair coins, once in a million
				t.Errorf("%q %+v: %d of 20 are mirrored", p.Fit, a, mirrored)
			}
		}
	}
}

// Windows of what is fit as a whole have the image's own shape on average.
func TestWindowsOfWholes(t *testing.T) {
	const n = 64
	set := pngs(t, 0, noise(300, 100, 1, false))
	p := imagein.Preprocess{Color: imagein.Gray, Fit: imagein.FitLetterbox, Crop: [2]int{n, n}, Scale: 1, Mean: []float64{0}, Std: []float64{1}}
	l := newLoader(t, newFeeder(t, input(tensor.Float32, -1, 1, n, n), &p), set, feed.LoaderOptions{Batch: 1, Augment: feed.Augment{ResizedCrop: [2]float64{0.3, 0.5}}})
	var logs float64
	const epochs = 50
	for e := range epochs {
		f := read(t, l, e, 0)[0].Frames[0]
		if math.Abs(f.ScaleX/f.ScaleY-1) > 0.04 { // sides are whole pixels, from 20 on
			t.Errorf("a window is not in proportion: %+v", f)
		}
		logs += math.Log(f.ScaleX)
	}
	// Windows of 0.4 of the area on average and the image's shape are 190 wide: their scale is
	// 64 / 190; a fifth is more than five standard deviations of the mean.
	if mean := math.Exp(logs / epochs); mean < 64.0/190*0.8 || mean > 64.0/190*1.2 {
		t.Errorf("the mean scale is %v, expected about %v", mean, 64.0/190)
	}
}
