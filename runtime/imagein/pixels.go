package imagein

import (
	"fmt"
	"image"
	"image/color"
	stddraw "image/draw"
	"math"

	"golang.org/x/image/draw"
)

// toRGB returns the image as 8-bit RGB with alpha 255, its origin at 0, 0.
// Alpha is dropped, not blended (Pillow's convert("RGB")), and 16-bit samples
// keep their high byte.
func toRGB(src image.Image) *image.RGBA {
	b := src.Bounds()
	dst := image.NewRGBA(image.Rect(0, 0, b.Dx(), b.Dy()))
	switch src := src.(type) {
	case *image.YCbCr, *image.Gray, *image.CMYK:
		// These carry no alpha, and the standard library converts them without
		// a call for each pixel.
		stddraw.Draw(dst, dst.Bounds(), src, b.Min, stddraw.Src)
		return dst
	case *image.NRGBA:
		for y := range b.Dy() {
			from := src.Pix[src.PixOffset(b.Min.X, b.Min.Y+y):][:4*b.Dx()]
			copy(dst.Pix[y*dst.Stride:], from)
		}
		makeOpaque(dst)
		return dst
	case *image.RGBA:
		if src.Opaque() {
			stddraw.Draw(dst, dst.Bounds(), src, b.Min, stddraw.Src)
			return dst
		}
	}
	for y := range b.Dy() {
		for x := range b.Dx() {
			c := color.NRGBA64Model.Convert(src.At(b.Min.X+x, b.Min.Y+y)).(color.NRGBA64)
			copy(dst.Pix[y*dst.Stride+4*x:], []uint8{uint8(c.R >> 8), uint8(c.G >> 8), uint8(c.B >> 8), 255})
		}
	}
	return dst
}

func makeOpaque(img *image.RGBA) {
	for i := 3; i < len(img.Pix); i += 4 {
		img.Pix[i] = 255
	}
}

// toGray returns the image as 8-bit grey, its origin at 0, 0. Colours become
// their luma by ITU-R 601-2 in the integer form of Pillow's convert("L").
func toGray(src image.Image) *image.Gray {
	b := src.Bounds()
	dst := image.NewGray(image.Rect(0, 0, b.Dx(), b.Dy()))
	switch src := src.(type) {
	case *image.Gray:
		for y := range b.Dy() {
			copy(dst.Pix[y*dst.Stride:][:b.Dx()], src.Pix[src.PixOffset(b.Min.X, b.Min.Y+y):])
		}
		return dst
	case *image.Gray16:
		for y := range b.Dy() {
			for x := range b.Dx() {
				dst.Pix[y*dst.Stride+x] = src.Pix[src.PixOffset(b.Min.X+x, b.Min.Y+y)]
			}
		}
		return dst
	}
	rgb := toRGB(src)
	for i := range dst.Pix {
		p := rgb.Pix[4*i : 4*i+3]
		dst.Pix[i] = uint8((19595*uint32(p[0]) + 38470*uint32(p[1]) + 7471*uint32(p[2]) + 1<<15) >> 16)
	}
	return dst
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

// resample returns the part of the image, brought to w x h, that lies in
// window. It filters with a triangle that is widened where the image shrinks
// (bilinear with antialiasing, Pillow's BILINEAR).
func resample(src image.Image, w, h int, window image.Rectangle) *image.RGBA64 {
	// A 16-bit target, as the scaler cuts 8-bit ones off instead of rounding.
	dst := image.NewRGBA64(window)
	draw.BiLinear.Scale(dst, image.Rect(0, 0, w, h), src, src.Bounds(), draw.Src, nil)
	return dst
}

// round8 brings a 16-bit sample (255 is 65535) to 8 bits. hi and lo are its
// bytes.
func round8(hi, lo uint8) uint8 {
	return uint8(((uint32(hi)<<8 | uint32(lo)) + 128) / 257)
}
