package feed_test

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/jpeg"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/bottlenet/bnc/internal/rttest"
	"github.com/bottlenet/bnc/runtime/data"
	"github.com/bottlenet/bnc/runtime/feed"
	"github.com/bottlenet/bnc/runtime/imagein"
	"github.com/bottlenet/bnc/runtime/tensor"
)

// drain runs epochs until b is satisfied and reports images a second.
func drain(b *testing.B, l *feed.Loader, batch int) {
	b.Helper()
	b.ReportAllocs()
	images := 0
	for e := 0; b.Loop(); e++ {
		epoch := l.Epoch(b.Context(), e, 0)
		for {
			x, err := epoch.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				b.Fatal(err)
			}
			images += batch
			epoch.Recycle(x)
		}
		epoch.Close()
	}
	b.ReportMetric(float64(images)/b.Elapsed().Seconds(), "images/s")
}

// BenchmarkIDX feeds 8192 images of 28 x 28 from an IDX file, cropped at
// random and flipped.
func BenchmarkIDX(b *testing.B) {
	const n = 8192
	dir := b.TempDir()
	file := append([]byte{0, 0, 8, 3, 0, 0, n >> 8, n & 255, 0, 0, 0, 28, 0, 0, 0, 28}, make([]byte, n*28*28)...)
	for i := 16; i < len(file); i++ {
		file[i] = uint8(i * 31 >> 3)
	}
	if err := os.WriteFile(filepath.Join(dir, "images-idx3-ubyte"), file, 0o644); err != nil {
		b.Fatal(err)
	}
	set, err := data.Open(dir, data.Train)
	if err != nil {
		b.Fatal(err)
	}
	f, err := feed.New(input(tensor.Float32, -1, 1, 28, 28), feed.Always(nil))
	if err != nil {
		b.Fatal(err)
	}
	drain(b, newLoader(b, f, set, feed.LoaderOptions{Batch: 128, Shuffle: true, Augment: feed.Augment{Pad: 2, Flip: true}}), 128)
}

// BenchmarkPhotos feeds JPEG files with 256 pixels on the short side through
// random resized crops of 224 x 224.
func BenchmarkPhotos(b *testing.B) {
	img, err := imagein.DecodeFile(rttest.GoImage(b, "video-001.png"))
	if err != nil {
		b.Fatal(err)
	}
	p := imagein.Preprocess{Color: imagein.RGB, Resize: 256, Crop: [2]int{256, 341}, Scale: 1, Mean: make([]float64, 3), Std: []float64{1, 1, 1}}
	prep, err := imagein.New(p, imagein.Layout{Channels: 3, DType: tensor.Uint8})
	if err != nil {
		b.Fatal(err)
	}
	pixels, err := prep.Pixels(img)
	if err != nil {
		b.Fatal(err)
	}
	rgba := image.NewRGBA(image.Rect(0, 0, 341, 256))
	for i := range 341 * 256 {
		rgba.Pix[4*i+3] = 255
		copy(rgba.Pix[4*i:], pixels[3*i:3*i+3])
	}
	var buf bytes.Buffer
	if err := jpeg.Encode(&buf, rgba, &jpeg.Options{Quality: 90}); err != nil {
		b.Fatal(err)
	}
	dir := b.TempDir()
	for i := range 64 {
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%02d.jpg", i)), buf.Bytes(), 0o644); err != nil {
			b.Fatal(err)
		}
	}
	f, err := feed.New(input(tensor.Float32, -1, 3, 224, 224), feed.Always(nil))
	if err != nil {
		b.Fatal(err)
	}
	drain(b, newLoader(b, f, opened(b, dir), feed.LoaderOptions{Batch: 32, Shuffle: true, Augment: feed.Augment{ResizedCrop: [2]float64{0.35, 1}, Flip: true}}), 32)
}
