package eval

import (
	"bytes"
	"image"
	"image/color"
	"image/jpeg"
)

// decodeJPEG decodes a JPEG file as libjpeg does by default: halved chroma is
// interpolated (its "fancy upsampling", jdsample.c), where Go's own conversion
// repeats each sample, which would make the codec look worse than it is.
func decodeJPEG(b []byte) (image.Image, error) {
	img, err := jpeg.Decode(bytes.NewReader(b))
	if err != nil {
		return nil, err
	}
	ycc, ok := img.(*image.YCbCr)
	if !ok || ycc.SubsampleRatio != image.YCbCrSubsampleRatio420 {
		return img, nil
	}
	w, h := ycc.Rect.Dx(), ycc.Rect.Dy()
	cb, cr := doubled(ycc.Cb, ycc.CStride, w, h), doubled(ycc.Cr, ycc.CStride, w, h)
	rgb := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			i := y*w + x
			p := rgb.Pix[4*i : 4*i+4]
			p[0], p[1], p[2] = color.YCbCrToRGB(ycc.Y[y*ycc.YStride+x], cb[i], cr[i])
			p[3] = 255
		}
	}
	return rgb, nil
}

// doubled brings a plane of half the size to w x h: each sample is 9/16 of the
// nearest, 3/16 of the next in each direction and 1/16 of the one across.
func doubled(plane []uint8, stride, w, h int) []uint8 {
	cw, ch := (w+1)/2, (h+1)/2
	out := make([]uint8, w*h)
	column := make([]int, cw) // one row of samples, weighed vertically: sums of 4
	for y := range h {
		near := y / 2
		far := min(max(near+2*(y%2)-1, 0), ch-1)
		for x := range column {
			column[x] = 3*int(plane[near*stride+x]) + int(plane[far*stride+x])
		}
		for x := range w {
			at := x / 2
			next := min(max(at+2*(x%2)-1, 0), cw-1)
			// Odd and even columns round to different sides, as libjpeg's do.
			out[y*w+x] = uint8((3*column[at] + column[next] + 8 - x%2) >> 4)
		}
	}
	return out
}
