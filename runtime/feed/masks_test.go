package feed_test

import (
	"image"
	"image/png"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bottlenet/bnc/runtime/data"
	"github.com/bottlenet/bnc/runtime/feed"
	"github.com/bottlenet/bnc/runtime/imagein"
	"github.com/bottlenet/bnc/runtime/tensor"
)

// classesAsPixels is a set of one picture whose pixels are what its mask says.
func classesAsPixels(t *testing.T, n, classes int) *data.Set {
	t.Helper()
	img, rng := image.NewGray(image.Rect(0, 0, n, n)), rand.New(rand.NewPCG(1, 2))
	for i := range img.Pix {
		img.Pix[i] = uint8(rng.IntN(classes))
	}
	dir := t.TempDir()
	for _, folder := range []string{"images", "masks"} {
		if err := os.Mkdir(filepath.Join(dir, folder), 0o777); err != nil {
			t.Fatal(err)
		}
		f, err := os.Create(filepath.Join(dir, folder, "a.png"))
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
	set, err := data.OpenOption("data", dir, data.Train, func(string, ...any) {})
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// Masks vary as their images do: of a picture whose pixels are its classes, each place has the
// pixel in its middle, and none beyond the picture.
func TestMasksOfVariedImages(t *testing.T) {
	const n, classes = 32, 7
	set := classesAsPixels(t, n, classes)
	p := imagein.Preprocess{Color: imagein.Gray, Crop: [2]int{n, n}, Scale: 1, Mean: []float64{0}, Std: []float64{1}}
	feeder := newFeeder(t, input(tensor.Float32, -1, 1, n, n), &p)
	for _, of := range []int{1, 2} { // pixels a place
		l := newLoader(t, feeder, set, feed.LoaderOptions{
			Batch: 1, Augment: feed.Augment{Pad: 4, Flip: true}, Labels: true, Masks: &feed.Masks{Grid: image.Pt(n/of, n/of), Classes: classes},
		})
		beyond, mirrored := 0, 0
		for e := range 20 {
			b := read(t, l, e, 0)[0]
			x := tensor.Slice[float32](b.X)
			for i, class := range b.Masks {
				if class == imagein.NoClass {
					beyond++
					continue
				}
				row, column := i/(n/of)*of+of/2, i%(n/of)*of+of/2
				if x[row*n+column] != float32(class) {
					t.Fatalf("epoch %d, %d pixels a place: place %d has class %d, its pixel is %v", e, of, i, class, x[row*n+column])
				}
			}
			if b.Frames[0].ScaleX < 0 {
				mirrored++
			}
		}
		// Shifts of 0 to 4 either way leave a tenth of the rows and of the columns without a class.
		if beyond == 0 || beyond > 20*n*n/of/of/2 || mirrored == 0 || mirrored == 20 {
			t.Errorf("%d pixels a place: %d places are beyond the picture, %d of 20 are mirrored", of, beyond, mirrored)
		}
	}
	l := newLoader(t, feeder, set, feed.LoaderOptions{Batch: 1, Masks: &feed.Masks{Grid: image.Pt(n, n), Classes: classes - 1}})
	e := l.Epoch(t.Context(), 0, 0)
	defer e.Close()
	if _, err := e.Next(); err == nil || !strings.Contains(err.Error(), "a.png: its mask has class 6, the model has 6 classes") {
		t.Errorf("a class that is not there: %v", err)
	}
}
