package imagein

import (
	"context"
	"fmt"
	"image"

	"github.com/bottlenet/bnc/runtime/tensor"
)

// Scratch is the memory that preparing images takes, for use again and again.
// The zero Scratch is ready; one goroutine may use it at a time.
type Scratch struct {
	line, grey []uint8 // a row
	resize     resampler
	pixels     []uint8
	framed     []uint8 // with the border of a letterbox
}

// PixelsWith is Pixels with memory of s: what it returns is valid until s is
// used again.
func (prep *Preparer) PixelsWith(s *Scratch, img image.Image) ([]uint8, error) {
	return prep.pixels(context.Background(), s, img)
}

// pixels is PixelsWith that ends with ctx.
func (prep *Preparer) pixels(ctx context.Context, s *Scratch, img image.Image) ([]uint8, error) {
	img = prep.Upright(img)
	size := SizeOf(img)
	if err := notEmpty(size); err != nil {
		return nil, err
	}
	lies, err := prep.preprocess.lies(size)
	if err != nil {
		return nil, err
	}
	return prep.render(ctx, s, img, lies)
}

func notEmpty(size image.Point) error {
	if size.X <= 0 || size.Y <= 0 {
		return fmt.Errorf("the image is empty (%v)", size)
	}
	return nil
}

// WindowWith returns the part of an upright image that lies in window, in the image's
// own coordinates, resized to the preprocessing's crop, with a letterbox's border where
// that is the fit, as PixelsWith returns pixels. The result is that of an image that ends
// where the window does.
func (prep *Preparer) WindowWith(s *Scratch, img image.Image, window image.Rectangle) ([]uint8, error) {
	if window.Empty() || !window.In(img.Bounds()) {
		return nil, fmt.Errorf("the window %v is not within the image, %v", window, img.Bounds())
	}
	part, ok := img.(interface {
		SubImage(image.Rectangle) image.Image
	})
	if !ok {
		return nil, fmt.Errorf("an image of type %T cannot be cropped", img)
	}
	return prep.render(context.Background(), s, part.SubImage(window), prep.windowLies(window))
}

// windowLies returns where a window of an image comes to lie in the input.
func (prep *Preparer) windowLies(window image.Rectangle) image.Rectangle {
	if prep.preprocess.Fit == FitLetterbox {
		return letterbox(window.Size(), prep.inputSize())
	}
	return image.Rectangle{Max: prep.inputSize()}
}

// Fill writes what PixelsWith or WindowWith returned to place index of a batch
// that NewBatch made. Different places may be filled at the same time.
func (prep *Preparer) Fill(batch *tensor.Tensor, index int, pixels []uint8) {
	prep.fill(batch, index, pixels)
}

// render returns the input for an image that comes to lie, resized, in a rectangle of it.
func (prep *Preparer) render(ctx context.Context, s *Scratch, img image.Image, lies image.Rectangle) ([]uint8, error) {
	input := image.Rectangle{Max: prep.inputSize()}
	covered := lies.Intersect(input)
	pixels, err := prep.resized(ctx, s, img, lies.Dx(), lies.Dy(), covered.Sub(lies.Min))
	if err != nil || covered == input {
		return pixels, err
	}
	return s.border(pixels, prep.preprocess, covered), nil
}

// border returns an input of which pixels are a part, with a border around it.
func (s *Scratch) border(pixels []uint8, p Preprocess, covered image.Rectangle) []uint8 {
	keep := len(pixels) / (covered.Dx() * covered.Dy())
	colour := p.padding(keep)
	s.framed = resized(s.framed, p.Crop[0]*p.Crop[1]*keep)
	for i := 0; i < len(s.framed); i += keep {
		copy(s.framed[i:i+keep], colour[:])
	}
	for y := range covered.Dy() {
		row := s.framed[((covered.Min.Y+y)*p.Crop[1]+covered.Min.X)*keep:]
		copy(row, pixels[y*covered.Dx()*keep:][:covered.Dx()*keep])
	}
	return s.framed
}

// resized returns the part of the image, brought to w x h, that lies in window.
func (prep *Preparer) resized(ctx context.Context, s *Scratch, img image.Image, w, h int, window image.Rectangle) ([]uint8, error) {
	there := img.Bounds().Size()
	start, extent := [2]float64{}, [2]float64{float64(there.X), float64(there.Y)}
	if r, ok := img.(*Reduced); ok {
		img, start, extent = r.Image, r.from, r.extent
	}
	var src samples
	switch prep.preprocess.Color {
	case Gray:
		src = s.luma(img)
	case RGBA:
		src = s.rgba(img)
	default:
		src = s.rgb(img)
	}
	s.pixels = resized(s.pixels, window.Dx()*window.Dy()*src.keep)
	if float64(w) == extent[0] && float64(h) == extent[1] {
		src.crop(s.pixels, window)
		return s.pixels, nil
	}
	return s.pixels, s.resize.resize(ctx, s.pixels, src, there.Y, start, extent, w, h, window)
}

// crop copies the samples of the pixels in window.
func (p samples) crop(out []uint8, window image.Rectangle) {
	for y := range window.Dy() {
		row := p.row(window.Min.Y + y)[window.Min.X*p.step:]
		if p.step == p.keep {
			out = out[copy(out, row[:window.Dx()*p.keep]):]
			continue
		}
		for x := range window.Dx() {
			out = out[copy(out[:p.keep], row[x*p.step:]):]
		}
	}
}

// Gray returns the pixels that the image's file holds as 8-bit grey, row by row, in
// memory of s.
func (s *Scratch) Gray(img image.Image) []uint8 {
	if o, ok := img.(*Oriented); ok {
		img = o.Raw
	}
	src := s.luma(img)
	size := img.Bounds().Size()
	s.pixels = resized(s.pixels, size.X*size.Y)
	src.crop(s.pixels, image.Rectangle{Max: size})
	return s.pixels
}
