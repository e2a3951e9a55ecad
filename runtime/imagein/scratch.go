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
}

// PixelsWith is Pixels with memory of s: what it returns is valid until s is
// used again.
func (prep *Preparer) PixelsWith(s *Scratch, img image.Image) ([]uint8, error) {
	return prep.pixels(context.Background(), s, img)
}

// pixels is PixelsWith that ends with ctx.
func (prep *Preparer) pixels(ctx context.Context, s *Scratch, img image.Image) ([]uint8, error) {
	p := prep.preprocess
	img = prep.Upright(img)
	size := SizeOf(img)
	if size.X <= 0 || size.Y <= 0 {
		return nil, fmt.Errorf("the image is empty (%v)", img.Bounds())
	}
	w, h, err := fit(size.X, size.Y, p.Resize, p.Crop)
	if err != nil {
		return nil, err
	}
	// Crop offsets are rounded half to even, as torchvision's center_crop does.
	left, top := centre(w, h, p.Crop)
	return prep.render(ctx, s, img, w, h, image.Rect(left, top, left+p.Crop[1], top+p.Crop[0]))
}

// WindowWith returns the part of an upright image that lies in window, in the image's
// own coordinates, resized to the preprocessing's crop, as PixelsWith returns
// pixels. The result is that of an image that ends where the window does.
func (prep *Preparer) WindowWith(s *Scratch, img image.Image, window image.Rectangle) ([]uint8, error) {
	p := prep.preprocess
	if window.Empty() || !window.In(img.Bounds()) {
		return nil, fmt.Errorf("the window %v is not within the image, %v", window, img.Bounds())
	}
	part, ok := img.(interface {
		SubImage(image.Rectangle) image.Image
	})
	if !ok {
		return nil, fmt.Errorf("an image of type %T cannot be cropped", img)
	}
	return prep.render(context.Background(), s, part.SubImage(window), p.Crop[1], p.Crop[0], image.Rect(0, 0, p.Crop[1], p.Crop[0]))
}

// Fill writes what PixelsWith or WindowWith returned to place index of a batch
// that NewBatch made. Different places may be filled at the same time.
func (prep *Preparer) Fill(batch *tensor.Tensor, index int, pixels []uint8) {
	prep.fill(batch, index, pixels)
}

// render returns the part of the image, brought to w x h, that lies in window.
func (prep *Preparer) render(ctx context.Context, s *Scratch, img image.Image, w, h int, window image.Rectangle) ([]uint8, error) {
	there := img.Bounds().Size()
	start, extent := [2]float64{}, [2]float64{float64(there.X), float64(there.Y)}
	if r, ok := img.(*Reduced); ok {
		img, start, extent = r.Image, r.from, r.extent
	}
	var src samples
	if prep.preprocess.Color == Gray {
		src = s.luma(img)
	} else {
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
