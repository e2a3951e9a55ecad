package imagein

import (
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"math"
)

// samples are an image's pixels as 8-bit samples: row returns those of a row, step
// bytes a pixel, of which the first keep matter. They are valid until the next call.
type samples struct {
	row        func(y int) []uint8
	width      int
	step, keep int
}

// rgb returns the image as 8-bit RGB. Alpha is dropped, not blended (Pillow's
// convert("RGB")), and 16-bit samples keep their high byte. Rows are converted one
// by one, in memory of s, where they do not lie in the image as they are wanted.
func (s *Scratch) rgb(src image.Image) samples {
	b := src.Bounds()
	s.line = resized(s.line, 4*b.Dx())
	line := s.line
	out := samples{width: b.Dx(), step: 4, keep: 3}
	each := func(pixel func(x, y int) [4]uint8) func(int) []uint8 {
		return func(y int) []uint8 {
			for x := range b.Dx() {
				p := pixel(b.Min.X+x, b.Min.Y+y)
				copy(line[4*x:], p[:])
			}
			return line
		}
	}
	switch src := src.(type) {
	case *image.NRGBA:
		out.row = func(y int) []uint8 { return src.Pix[src.PixOffset(b.Min.X, b.Min.Y+y):][:4*b.Dx()] }
	case *image.RGBA:
		if src.Opaque() {
			out.row = func(y int) []uint8 { return src.Pix[src.PixOffset(b.Min.X, b.Min.Y+y):][:4*b.Dx()] }
		}
	case *image.YCbCr, *image.Gray, *image.CMYK:
		// These carry no alpha, and the standard library converts them without
		// a call for each pixel.
		dst := &image.RGBA{Pix: line, Stride: len(line), Rect: image.Rect(0, 0, b.Dx(), 1)}
		out.row = func(y int) []uint8 {
			draw.Draw(dst, dst.Rect, src, image.Pt(b.Min.X, b.Min.Y+y), draw.Src)
			return line
		}
	case *image.NRGBA64:
		out.row = each(func(x, y int) [4]uint8 {
			p := src.Pix[src.PixOffset(x, y):][:8]
			return [4]uint8{p[0], p[2], p[4], 255}
		})
	case *image.RGBA64:
		out.row = each(func(x, y int) [4]uint8 {
			if p := src.Pix[src.PixOffset(x, y):][:8]; p[6] == 255 && p[7] == 255 {
				return [4]uint8{p[0], p[2], p[4], 255}
			}
			return opaque(src.RGBA64At(x, y))
		})
	case *image.Paletted:
		var table [256][4]uint8
		for i, c := range src.Palette {
			table[i] = opaque(c)
		}
		out.row = each(func(x, y int) [4]uint8 { return table[src.ColorIndexAt(x, y)] })
	}
	if out.row == nil {
		out.row = each(func(x, y int) [4]uint8 { return opaque(src.At(x, y)) })
	}
	return out
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

// luma returns the image as 8-bit grey, as rgb does. Colours become their luma by
// ITU-R 601-2 in the integer form of Pillow's convert("L").
func (s *Scratch) luma(src image.Image) samples {
	b := src.Bounds()
	out := samples{width: b.Dx(), step: 1, keep: 1}
	switch src := src.(type) {
	case *image.Gray:
		out.row = func(y int) []uint8 { return src.Pix[src.PixOffset(b.Min.X, b.Min.Y+y):][:b.Dx()] }
		return out
	case *image.Gray16:
		out.row = func(y int) []uint8 { return src.Pix[src.PixOffset(b.Min.X, b.Min.Y+y):][:2*b.Dx()] }
		out.step = 2 // the high byte comes first
		return out
	}
	rgb := s.rgb(src)
	s.grey = resized(s.grey, b.Dx())
	out.row = func(y int) []uint8 {
		from := rgb.row(y)
		for x := range s.grey {
			p := from[rgb.step*x:][:3]
			s.grey[x] = uint8((19595*uint32(p[0]) + 38470*uint32(p[1]) + 7471*uint32(p[2]) + 1<<15) >> 16)
		}
		return s.grey
	}
	return out
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

// centre returns the corner of a crop (height, width) from the centre of w x h pixels,
// rounded as torchvision does.
func centre(w, h int, crop [2]int) (left, top int) {
	return int(math.RoundToEven(float64(w-crop[1]) / 2)), int(math.RoundToEven(float64(h-crop[0]) / 2))
}
