package feed_test

import (
	"bytes"
	"image"
	"testing"

	"github.com/bottlenet/bnc/runtime/feed"
	"github.com/bottlenet/bnc/runtime/imagein"
	"github.com/bottlenet/bnc/runtime/tensor"
)

// variants returns what each pad-crop and flip of a picture is, by naive code:
// the picture is drawn on a larger one of zeros and read back pixel by pixel.
// The values are those of uint8 inputs, [c h w] or [h w c].
func variants(img image.Image, c, pad int, last bool) [][]byte {
	w, h := img.Bounds().Dx(), img.Bounds().Dy()
	padded := make(map[[3]int]byte)
	for y := range h {
		for x := range w {
			r, g, b, _ := img.At(x, y).RGBA()
			for k, v := range []uint32{r, g, b}[:c] {
				padded[[3]int{k, y + pad, x + pad}] = byte(v >> 8)
			}
		}
	}
	var all [][]byte
	for dy := range 2*pad + 1 {
		for dx := range 2*pad + 1 {
			for _, flip := range []bool{false, true} {
				out := make([]byte, c*h*w)
				for k := range c {
					for y := range h {
						for x := range w {
							from := x
							if flip {
								from = w - 1 - x
							}
							at := (k*h+y)*w + x
							if last {
								at = (y*w+x)*c + k
							}
							out[at] = padded[[3]int{k, y + dy, from + dx}]
						}
					}
				}
				all = append(all, out)
			}
		}
	}
	return all
}

// TestPadCropAndFlip wants every variant of a picture, and nothing else, each
// about as often, for grey and colour and both layouts; the last border is
// wider than the picture.
func TestPadCropAndFlip(t *testing.T) {
	for _, test := range []struct {
		shape []int64
		pad   int
	}{{[]int64{-1, 1, 5, 4}, 2}, {[]int64{-1, 3, 5, 4}, 1}, {[]int64{-1, 5, 4, 3}, 1}, {[]int64{-1, 5, 4, 1}, 1}, {[]int64{-1, 1, 2, 3}, 4}} {
		last := test.shape[1] > 3
		c, h, w := int(test.shape[1]), int(test.shape[2]), int(test.shape[3])
		if last {
			h, w, c = c, h, w
		}
		img := noise(w, h, 1, c == 3)
		want := map[string]int{}
		for _, v := range variants(img, c, test.pad, last) {
			want[string(v)] = 0
		}
		// 400 copies of the picture, each of which varies on its own.
		images := make([]image.Image, 400)
		for i := range images {
			images[i] = img
		}
		f := newFeeder(t, input(tensor.Uint8, test.shape...), nil)
		l := newLoader(t, f, pngs(t, 0, images...), feed.LoaderOptions{Batch: 400, Augment: feed.Augment{Pad: test.pad, Flip: true}})
		const epochs = 5
		for e := range epochs {
			x := read(t, l, e, 0)[0].X
			size := len(x.Data) / 400
			for i := range 400 {
				got := string(x.Data[i*size : (i+1)*size])
				if _, ok := want[got]; !ok {
					t.Fatalf("%v: %v is no window of the picture", test.shape, []byte(got))
				}
				want[got]++
			}
		}
		// Where no window is empty, all are different and equally likely. The
		// sum of squares is chi-squared with len(want)-1 degrees of freedom: its
		// mean, and five standard deviations of sqrt(2 n).
		if test.pad >= w {
			continue
		}
		if n := 2 * (2*test.pad + 1) * (2*test.pad + 1); len(want) != n {
			t.Fatalf("the naive code makes %d variants, want %d", len(want), n)
		}
		expected, chi := float64(400*epochs)/float64(len(want)), 0.0
		for _, count := range want {
			chi += (float64(count) - expected) * (float64(count) - expected) / expected
		}
		n := float64(len(want) - 1)
		if d := chi - n; d*d > 25*2*n {
			t.Errorf("%v: chi squared is %.1f with %.0f degrees of freedom", test.shape, chi, n)
		}
	}
}

// TestPadIsPixelZero wants what a black pixel becomes in the border, not 0.
func TestPadIsPixelZero(t *testing.T) {
	p := imagein.Preprocess{Color: imagein.Gray, Crop: [2]int{1, 1}, Scale: 1, Mean: []float64{10}, Std: []float64{2}}
	f := newFeeder(t, input(tensor.Float32, -1, 1, 1, 1), &p)
	l := newLoader(t, f, pngs(t, 0, flat(1, 1, 30)), feed.LoaderOptions{Batch: 1, Augment: feed.Augment{Pad: 1}})
	seen := map[float32]bool{}
	for e := range 100 {
		seen[tensor.Slice[float32](read(t, l, e, 0)[0].X)[0]] = true
	}
	if len(seen) != 2 || !seen[10] || !seen[-5] {
		t.Errorf("values %v, want (30-10)/2 and (0-10)/2", seen)
	}
}

// TestGreyForColourModel wants three equal channels.
func TestGreyForColourModel(t *testing.T) {
	f := newFeeder(t, input(tensor.Uint8, -1, 3, 6, 6), nil)
	l := newLoader(t, f, pngs(t, 0, noise(20, 20, 3, false)), feed.LoaderOptions{Batch: 1, Augment: feed.Augment{ResizedCrop: [2]float64{0.2, 1}}})
	x := read(t, l, 0, 0)[0].X.Data
	if !bytes.Equal(x[:36], x[36:72]) || !bytes.Equal(x[:36], x[72:]) {
		t.Error("the channels of a grey picture differ")
	}
}
