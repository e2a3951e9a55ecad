package feed_test

import (
	"image"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bottlenet/bnc/runtime/data"
	"github.com/bottlenet/bnc/runtime/feed"
)

// TestStatistics compares with sums over all pixels, on images of several
// sizes, one of which cannot be read.
func TestStatistics(t *testing.T) {
	var images []image.Image
	var values []float64
	for i := range 9 {
		img := noise(10+i, 12, uint64(i), false).(*image.Gray)
		images = append(images, img)
		if i == 4 {
			continue
		}
		for _, v := range img.Pix {
			values = append(values, float64(v)/255)
		}
	}
	set := pngs(t, 0, images...)
	overwrite(t, set.File(4), "no picture")
	var sum, squares float64
	for _, v := range values {
		sum += v
	}
	m := sum / float64(len(values))
	for _, v := range values {
		squares += (v - m) * (v - m)
	}
	mean, std, err := feed.Statistics(set, 100)
	if err != nil {
		t.Fatal(err)
	}
	// Sums of a thousand numbers in double precision: 1e-12 is far above their
	// rounding and far below one level of one pixel.
	if len(mean) != 1 || len(std) != 1 || math.Abs(mean[0]-m) > 1e-12 || math.Abs(std[0]-math.Sqrt(squares/float64(len(values)))) > 1e-12 {
		t.Errorf("mean %v std %v, want %v and %v", mean, std, m, math.Sqrt(squares/float64(len(values))))
	}
}

// TestStatisticsSpread takes every second of ten images.
func TestStatisticsSpread(t *testing.T) {
	var images []image.Image
	for i := range 10 {
		images = append(images, flat(2, 2, uint8(10*i+i%2*100)))
	}
	mean, _, err := feed.Statistics(pngs(t, 0, images...), 5)
	if err != nil || math.Abs(mean[0]*255-40) > 1e-12 { // of 0, 20, 40, 60, 80
		t.Errorf("mean %v, %v", mean, err)
	}
}

func TestStatisticsRefuses(t *testing.T) {
	dir := t.TempDir()
	npy(t, filepath.Join(dir, "a.npy"), []int64{1, 1}, 1)
	broken := pngs(t, 0, flat(2, 2, 1))
	overwrite(t, broken.File(0), "no picture")
	for want, set := range map[string]*data.Set{
		"tensor":         opened(t, dir),
		"the same value": pngs(t, 0, flat(2, 2, 9)),
		broken.File(0):   broken,
	} {
		if _, _, err := feed.Statistics(set, 10); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
}

// TestStatisticsOfFashionMNIST wants the published 0.2860 and 0.3530.
func TestStatisticsOfFashionMNIST(t *testing.T) {
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Skip(err)
	}
	dir := filepath.Join(cache, "bnc", "fashion-mnist")
	if _, err := os.Stat(dir); err != nil {
		t.Skip("Fashion-MNIST is missing: run make deps")
	}
	mean, std, err := feed.Statistics(opened(t, dir), 60000)
	if err != nil || math.Abs(mean[0]-0.2860) > 5e-5 || math.Abs(std[0]-0.3530) > 5e-5 { // published to 4 digits
		t.Errorf("mean %v std %v, %v", mean, std, err)
	}
}
