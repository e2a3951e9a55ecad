package imagein

import (
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"math"
)

// toRGB makes s.rgb the image as 8-bit RGB with alpha 255, its origin at 0, 0.
// Alpha is dropped, not blended (Pillow's convert("RGB")), and 16-bit samples
// keep their high byte.
func (s *Scratch) toRGB(src image.Image) {
	b := src.Bounds()
	dst := &s.rgb
	dst.Pix, dst.Stride, dst.Rect = resized(dst.Pix, 4*b.Dx()*b.Dy()), 4*b.Dx(), image.Rect(0, 0, b.Dx(), b.Dy())
	switch src := src.(type) {
	case *image.YCbCr, *image.Gray, *image.CMYK:
		// These carry no alpha, and the standard library converts them without
		// a call for each pixel.
		draw.Draw(dst, dst.Bounds(), src, b.Min, draw.Src)
		return
	case *image.NRGBA:
		for y := range b.Dy() {
			from := src.Pix[src.PixOffset(b.Min.X, b.Min.Y+y):][:4*b.Dx()]
			copy(dst.Pix[y*dst.Stride:], from)
		}
		makeOpaque(dst)
		return
	case *image.Paletted:
		var table [256][4]uint8
		for i, c := range src.Palette {
			table[i] = opaque(c)
		}
		for y := range b.Dy() {
			from := src.Pix[src.PixOffset(b.Min.X, b.Min.Y+y):][:b.Dx()]
			for x, i := range from {
				copy(dst.Pix[y*dst.Stride+4*x:], table[i][:])
			}
		}
		return
	case *image.RGBA:
		if src.Opaque() {
			draw.Draw(dst, dst.Bounds(), src, b.Min, draw.Src)
			return
		}
	}
	for y := range b.Dy() {
		for x := range b.Dx() {
			c := opaque(src.At(b.Min.X+x, b.Min.Y+y))
			copy(dst.Pix[y*dst.Stride+4*x:], c[:])
		}
	}
}

// opaque returns a colour's red, green and blue without its alpha, which, where it
// is 0, a conversion by way of premultiplied colours would make black.
func opaque(c color.Color) [4]uint8 {
	if c, ok := c.(color.NRGBA); ok {
		return [4]uint8{c.R, c.G, c.B, 255}
	}
	wide := color.NRGBA64Model.Convert(c).(color.NRGBA64)
	return [4]uint8{uint8(wide.R >> 8), uint8(wide.G >> 8), uint8(wide.B >> 8), 255}
}

func makeOpaque(img *image.RGBA) {
	for i := 3; i < len(img.Pix); i += 4 {
		img.Pix[i] = 255
	}
}

// toGray makes s.gray the image as 8-bit grey, its origin at 0, 0. Colours
// become their luma by ITU-R 601-2 in the integer form of Pillow's
// convert("L").
func (s *Scratch) toGray(src image.Image) {
	b := src.Bounds()
	dst := &s.gray
	dst.Pix, dst.Stride, dst.Rect = resized(dst.Pix, b.Dx()*b.Dy()), b.Dx(), image.Rect(0, 0, b.Dx(), b.Dy())
	switch src := src.(type) {
	case *image.Gray:
		for y := range b.Dy() {
			copy(dst.Pix[y*dst.Stride:][:b.Dx()], src.Pix[src.PixOffset(b.Min.X, b.Min.Y+y):])
		}
		return
	case *image.Gray16:
		for y := range b.Dy() {
			for x := range b.Dx() {
				dst.Pix[y*dst.Stride+x] = src.Pix[src.PixOffset(b.Min.X+x, b.Min.Y+y)]
			}
		}
		return
	}
	s.toRGB(src)
	for i := range dst.Pix {
		p := s.rgb.Pix[4*i : 4*i+3]
		dst.Pix[i] = uint8((19595*uint32(p[0]) + 38470*uint32(p[1]) + 7471*uint32(p[2]) + 1<<15) >> 16)
	}
}

// fit returns the size that an image of w x h gets: the short side as asked,
// the long one in proportion, rounded down as torchvision does; more where the
// crop (height, width) would not fit into that. Without resize (0) the image
// must hold the crop as it is.
func fit(w, h, resize int, crop [2]int) (nw, nh int, err error) {
	if resize == 0 {
		if w < crop[1] || h < crop[0] {
			return 0, 0, fmt.Errorf("the image is %dx%d pixels, less than the crop of %dx%d (width x height): have images resized", w, h, crop[1], crop[0])
		}
		return w, h, nil
	}
	if w <= h {
		nw, nh = resize, int(int64(resize)*int64(h)/int64(w))
	} else {
		nw, nh = int(int64(resize)*int64(w)/int64(h)), resize
	}
	grow := max(float64(crop[1])/float64(nw), float64(crop[0])/float64(nh))
	if grow > 1 {
		nw = max(int(math.Round(float64(nw)*grow)), crop[1])
		nh = max(int(math.Round(float64(nh)*grow)), crop[0])
	}
	if nh > maxPixels/nw {
		return 0, 0, fmt.Errorf("an image of %dx%d pixels would become %dx%d: it is too long", w, h, nw, nh)
	}
	return nw, nh, nil
}
