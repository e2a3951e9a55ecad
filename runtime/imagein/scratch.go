package imagein

import (
	"fmt"
	"image"
	"math"

	"github.com/bottlenet/bnc/runtime/tensor"
)

// Scratch is the memory that preparing images takes, for use again and again.
// The zero Scratch is ready; one goroutine may use it at a time.
type Scratch struct {
	rgb    image.RGBA
	gray   image.Gray
	resize resampler
	pixels []uint8
}

// PixelsWith is Pixels with memory of s: what it returns is valid until s is
// used again.
func (prep *Preparer) PixelsWith(s *Scratch, img image.Image) ([]uint8, error) {
	p := prep.preprocess
	img = prep.Upright(img)
	size := img.Bounds().Size()
	if size.X <= 0 || size.Y <= 0 {
		return nil, fmt.Errorf("the image is empty (%v)", img.Bounds())
	}
	w, h, err := fit(size.X, size.Y, p.Resize, p.Crop)
	if err != nil {
		return nil, err
	}
	// Crop offsets are rounded half to even, as torchvision's center_crop does.
	left := int(math.RoundToEven(float64(w-p.Crop[1]) / 2))
	top := int(math.RoundToEven(float64(h-p.Crop[0]) / 2))
	return prep.render(s, img, w, h, image.Rect(left, top, left+p.Crop[1], top+p.Crop[0])), nil
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
	return prep.render(s, part.SubImage(window), p.Crop[1], p.Crop[0], image.Rect(0, 0, p.Crop[1], p.Crop[0])), nil
}

// Fill writes what PixelsWith or WindowWith returned to place index of a batch
// that NewBatch made. Different places may be filled at the same time.
func (prep *Preparer) Fill(batch *tensor.Tensor, index int, pixels []uint8) {
	prep.fill(batch, index, pixels)
}

// render returns the part of the image, brought to w x h, that lies in window.
func (prep *Preparer) render(s *Scratch, img image.Image, w, h int, window image.Rectangle) []uint8 {
	size := img.Bounds().Size()
	var samples plane
	if prep.preprocess.Color == Gray {
		s.toGray(img)
		samples = plane{s.gray.Pix, s.gray.Stride, 1, 1}
	} else {
		s.toRGB(img)
		samples = plane{s.rgb.Pix, s.rgb.Stride, 4, 3}
	}
	s.pixels = resized(s.pixels, window.Dx()*window.Dy()*samples.keep)
	if w == size.X && h == size.Y {
		samples.crop(s.pixels, window)
	} else {
		s.resize.resize(s.pixels, samples, size.X, size.Y, w, h, window)
	}
	return s.pixels
}

// plane is 8-bit samples, step bytes a pixel, of which the first keep matter.
type plane struct {
	pix                []uint8
	stride, step, keep int
}

// crop copies the samples of the pixels in window.
func (p plane) crop(out []uint8, window image.Rectangle) {
	for y := range window.Dy() {
		row := p.pix[(window.Min.Y+y)*p.stride+window.Min.X*p.step:]
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
	s.toGray(img)
	return s.gray.Pix
}
