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
	if err := notEmpty(size); err != nil {
		return Frame{}, err
	}
	lies, err := prep.preprocess.lies(size)
	if err != nil {
		return Frame{}, err
	}
	return prep.frame(size, image.Rectangle{Max: size}, lies), nil
}

// WindowFrame is how what WindowWith prepares lies over the image.
func (prep *Preparer) WindowFrame(img image.Image, window image.Rectangle) Frame {
	b := img.Bounds()
	return prep.frame(b.Size(), window.Sub(b.Min), prep.windowLies(window))
}

// frame is how an input lies over a picture of which a part comes to lie in a rectangle.
func (prep *Preparer) frame(picture image.Point, part, lies image.Rectangle) Frame {
	f := Frame{
		Picture: picture, Input: prep.inputSize(),
		ScaleX: float64(lies.Dx()) / float64(part.Dx()), ScaleY: float64(lies.Dy()) / float64(part.Dy()),
	}
	f.OffsetX = float64(lies.Min.X) - float64(part.Min.X)*f.ScaleX
	f.OffsetY = float64(lies.Min.Y) - float64(part.Min.Y)*f.ScaleY
	return f
}

// inputSize returns the width and the height of what is prepared.
func (prep *Preparer) inputSize() image.Point {
	return image.Pt(prep.preprocess.Crop[1], prep.preprocess.Crop[0])
}

// UprightSize returns the size of the whole picture as it is prepared, of which img may be
// a fraction.
func (prep *Preparer) UprightSize(img image.Image) image.Point {
	o, ok := img.(*Oriented)
	if !ok {
		return SizeOf(img)
	}
	size := SizeOf(o.Raw)
	if prep.preprocess.Orient && o.transposed() {
		size.X, size.Y = size.Y, size.X
	}
	return size
}
