package imagein_test

import (
	"bytes"
	"fmt"
	"image"
	"image/draw"
	"image/jpeg"
	"testing"

	"github.com/bottlenet/bnc/runtime/imagein"
	"github.com/bottlenet/bnc/runtime/tensor"
)

// An image that was decoded at a fraction of its size and is turned by EXIF is prepared
// as the image that is not, and then turned: also where its edges, 661 and 513 pixels at
// 1/4, are no whole pixels. Weights of the filter are rounded one by one, so that turned
// sums may differ by a unit.
func TestReducedAndTurned(t *testing.T) {
	const side = 64
	big := large(t, 661, 513)
	img := image.NewGray(big.Bounds())
	draw.Draw(img, img.Rect, big, image.Point{}, draw.Src)
	var file bytes.Buffer
	if err := jpeg.Encode(&file, img, nil); err != nil {
		t.Fatal(err)
	}
	picture, err := imagein.Open(file.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	reduced, err := picture.Decode(t.Context(), 4)
	if err != nil {
		t.Fatal(err)
	}
	pixels := func(img image.Image) []uint8 {
		l := imagein.Layout{Channels: 1, DType: tensor.Uint8}
		p := imagein.Default(l, image.Point{})
		p.Resize, p.Crop, p.Orient = side, [2]int{side, side}, true
		prep, err := imagein.New(p, l)
		if err != nil {
			t.Fatal(err)
		}
		out, err := prep.Pixels(img)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	raw := &image.Gray{Pix: pixels(reduced), Stride: side, Rect: image.Rect(0, 0, side, side)}
	for n := 2; n <= 8; n++ {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			want := &imagein.Oriented{Raw: raw, Orientation: n}
			for i, got := range pixels(&imagein.Oriented{Raw: reduced, Orientation: n}) {
				w, _, _, _ := want.At(i%side, i/side).RGBA()
				if diff := int(got) - int(w>>8); diff < -1 || diff > 1 {
					t.Fatalf("pixel %d, %d: %d, expected %d", i%side, i/side, got, w>>8)
				}
			}
		})
	}
}
