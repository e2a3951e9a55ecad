package imagein

import (
	"image"
	"image/color"
	"math"
	"testing"

	"github.com/bottlenet/bnc/runtime/tensor"
)

// TestFrame finds a white square of a black picture where the frame says that it is.
func TestFrame(t *testing.T) {
	const n = 64
	for name, x := range map[string]struct {
		size image.Point
		p    Preprocess
	}{
		"shrunk":   {image.Pt(400, 300), Preprocess{Resize: 80}},
		"wide":     {image.Pt(900, 200), Preprocess{Resize: 64}},
		"tall":     {image.Pt(150, 640), Preprocess{Resize: 71}},
		"grown":    {image.Pt(50, 40), Preprocess{Resize: 70}},
		"as it is": {image.Pt(101, 88), Preprocess{}},
	} {
		x.p.Color, x.p.Crop, x.p.Scale, x.p.Mean, x.p.Std = Gray, [2]int{n, n}, 1, []float64{0}, []float64{1}
		prep, err := New(x.p, Layout{Channels: 1, Height: n, Width: n, DType: tensor.Float32})
		if err != nil {
			t.Fatal(err)
		}
		short := min(x.size.X, x.size.Y)
		square := image.Rect(x.size.X/2-short/8, x.size.Y/2, x.size.X/2+short/10, x.size.Y/2+short/6)
		img := image.NewGray(image.Rectangle{Max: x.size})
		for y := square.Min.Y; y < square.Max.Y; y++ {
			for c := square.Min.X; c < square.Max.X; c++ {
				img.SetGray(c, y, color.Gray{Y: 255})
			}
		}
		frame, err := prep.Frame(x.size)
		if err != nil {
			t.Fatal(err)
		}
		prepared, err := prep.One(img)
		if err != nil {
			t.Fatal(err)
		}
		values := tensor.Slice[float32](prepared)
		var sum, mx, my float64
		for i, v := range values {
			sum, mx, my = sum+float64(v), mx+float64(v)*(float64(i%n)+0.5), my+float64(v)*(float64(i/n)+0.5)
		}
		cx, cy := float64(square.Min.X+square.Max.X)/2, float64(square.Min.Y+square.Max.Y)/2
		ix, iy := frame.ToInput(cx, cy)
		// The filter is symmetric, so that the centre of gravity stays; pixels are rounded
		// to 1 of 255, which moves it by some hundredths of a pixel.
		if math.Abs(mx/sum-ix) > 0.05 || math.Abs(my/sum-iy) > 0.05 {
			t.Errorf("%s: the square is at %.3f, %.3f, expected %.3f, %.3f", name, mx/sum, my/sum, ix, iy)
		}
		if px, py := frame.ToPicture(ix, iy); math.Abs(px-cx) > 1e-9 || math.Abs(py-cy) > 1e-9 { // rounding of float64
			t.Errorf("%s: back at %v, %v, expected %v, %v", name, px, py, cx, cy)
		}
		if px, py := (Frame{}).ToPicture(3, 4); px != 3 || py != 4 {
			t.Errorf("without a picture: %v, %v", px, py)
		}
	}
}
