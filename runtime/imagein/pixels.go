package imagein

import (
	"image"
	"image/color"
	"image/draw"
)

// samples are an image's pixels as 8-bit samples: row returns those of a row, step
// bytes a pixel, of which the first keep matter. They are valid until the next call.
type samples struct {
	row        func(y int) []uint8
	width      int
	step, keep int
}

// rgb returns the image as 8-bit RGB. Alpha is dropped, not blended (Pillow's
// convert("RGB")).
func (s *Scratch) rgb(src image.Image) samples {
	out := s.rgba(src)
	out.keep = 3
	return out
}

// rgba returns the image as 8-bit RGB and alpha, which is 255 where the image has none;
// colours are those of rgb. 16-bit samples keep their high byte. Rows are converted one
// by one, in memory of s, where they do not lie in the image as they are wanted.
func (s *Scratch) rgba(src image.Image) samples {
	b := src.Bounds()
	s.line = resized(s.line, 4*b.Dx())
	line := s.line
	out := samples{width: b.Dx(), step: 4, keep: 4}
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
			return [4]uint8{p[0], p[2], p[4], p[6]}
		})
	case *image.RGBA64:
		out.row = each(func(x, y int) [4]uint8 {
			if p := src.Pix[src.PixOffset(x, y):][:8]; p[6] == 255 && p[7] == 255 {
				return [4]uint8{p[0], p[2], p[4], 255}
			}
			return straight(src.RGBA64At(x, y))
		})
	case *image.Paletted:
		var table [256][4]uint8
		for i, c := range src.Palette {
			table[i] = straight(c)
		}
		out.row = each(func(x, y int) [4]uint8 { return table[src.ColorIndexAt(x, y)] })
	}
	if out.row == nil {
		out.row = each(func(x, y int) [4]uint8 { return straight(src.At(x, y)) })
	}
	return out
}

// straight returns a colour's red, green and blue, not multiplied by its alpha, which,
// where it is 0, a conversion by way of premultiplied colours would make black, and that.
func straight(c color.Color) [4]uint8 {
	if c, ok := c.(color.NRGBA); ok {
		return [4]uint8{c.R, c.G, c.B, c.A}
	}
	wide := color.NRGBA64Model.Convert(c).(color.NRGBA64)
	return [4]uint8{uint8(wide.R >> 8), uint8(wide.G >> 8), uint8(wide.B >> 8), uint8(wide.A >> 8)}
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
