package imagein

import "image"

// Frame is how a picture lies in a prepared input: a point (x, y) of the picture is at
// (x * ScaleX + OffsetX, y * ScaleY + OffsetY) there. Points are continuous: pixel k covers
// k to k+1.
type Frame struct {
	Picture          image.Point // size of the upright picture; zero where there is none, as for a tensor
	Input            image.Point // size of the input
	ScaleX, ScaleY   float64
	OffsetX, OffsetY float64 // in pixels of the input
}

// ToInput returns where a point of the picture is in the input.
func (f Frame) ToInput(x, y float64) (float64, float64) {
	return x*f.ScaleX + f.OffsetX, y*f.ScaleY + f.OffsetY
}

// ToPicture returns where a point of the input is in the picture; of a frame without a
// picture, the point.
func (f Frame) ToPicture(x, y float64) (float64, float64) {
	if f.Picture == (image.Point{}) {
		return x, y
	}
	return (x - f.OffsetX) / f.ScaleX, (y - f.OffsetY) / f.ScaleY
}

// Frame returns how an upright picture of a size comes to lie in the input.
func (prep *Preparer) Frame(size image.Point) (Frame, error) {
	p := prep.preprocess
	w, h, err := fit(size.X, size.Y, p.Resize, p.Crop)
	if err != nil {
		return Frame{}, err
	}
	x, y := centre(w, h, p.Crop)
	return Frame{
		Picture: size, Input: image.Pt(p.Crop[1], p.Crop[0]),
		ScaleX: float64(w) / float64(size.X), ScaleY: float64(h) / float64(size.Y), OffsetX: -float64(x), OffsetY: -float64(y),
	}, nil
}
