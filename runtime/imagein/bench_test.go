package imagein_test

import (
	"bytes"
	"image"
	"image/jpeg"
	"testing"

	"github.com/bottlenet/bnc/internal/rttest"
	"github.com/bottlenet/bnc/runtime/imagein"
	"github.com/bottlenet/bnc/runtime/tensor"
)

// photo is a photograph-like JPEG file of 341 x 256 pixels, 4:2:0.
func photo(b *testing.B) []byte {
	b.Helper()
	img, err := imagein.DecodeFile(rttest.GoImage(b, "video-001.png"))
	if err != nil {
		b.Fatal(err)
	}
	p := imagein.Preprocess{Color: imagein.RGB, Resize: 256, Crop: [2]int{256, 341}, Scale: 1, Mean: []float64{0, 0, 0}, Std: []float64{1, 1, 1}}
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
		copy(rgba.Pix[4*i:], pixels[3*i:3*i+3])
		rgba.Pix[4*i+3] = 255
	}
	var buf bytes.Buffer
	if err := jpeg.Encode(&buf, rgba, &jpeg.Options{Quality: 90}); err != nil {
		b.Fatal(err)
	}
	return buf.Bytes()
}

// BenchmarkPhoto tells where the time of a photograph goes: 256 pixels on the
// short side, to 224 x 224.
func BenchmarkPhoto(b *testing.B) {
	file := photo(b)
	b.Run("decode", func(b *testing.B) {
		for b.Loop() {
			if _, err := imagein.Decode(file); err != nil {
				b.Fatal(err)
			}
		}
	})
	img, err := imagein.Decode(file)
	if err != nil {
		b.Fatal(err)
	}
	l := imagein.Layout{Channels: 3, DType: tensor.Float32}
	for name, resize := range map[string]int{"crop": 0, "resize240": 240} {
		p := imagein.Default(l, image.Point{})
		p.Resize, p.Crop = resize, [2]int{224, 224}
		prep, err := imagein.New(p, l)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, err := prep.One(img); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
