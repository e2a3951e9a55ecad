package imagecodec

import (
	"bytes"
	"image"
	"image/color"
	"math"

	"github.com/gen2brain/avif"
)

// decodeAVIF decodes an AVIF file as libavif does by default: halved chroma is interpolated.
// The module's own decoder repeats each sample.
func decodeAVIF(b []byte) (image.Image, error) {
	img, err := avif.Decode(bytes.NewReader(b))
	if err != nil {
		return nil, err
	}
	if rgb, ok := img.(*image.RGBA); ok && rgb.Opaque() && avif.Dynamic() != nil {
		return interpolated(samplesOf(rgb)), nil
	}
	return img, nil // colours are multiplied by alpha
}

// samplesOf returns the luma and halved chroma (JFIF's, of the full range) of which repeating
// has made an image: to the level, but for blocks of which no pixel is within the range of
// colours in all channels.
func samplesOf(rgb *image.RGBA) *image.YCbCr {
	w, h := rgb.Rect.Dx(), rgb.Rect.Dy()
	ycc := image.NewYCbCr(image.Rect(0, 0, w, h), image.YCbCrSubsampleRatio420)
	at := func(x, y int) (r, g, b float64) {
		p := rgb.Pix[y*rgb.Stride+4*x:][:3]
		return float64(p[0]), float64(p[1]), float64(p[2])
	}
	inside := func(v float64) bool { return v > 0 && v < 255 }
	for cy := range (h + 1) / 2 {
		for cx := range (w + 1) / 2 {
			var blue, red, n, outBlue, outRed, outN float64
			for i := range 4 {
				x, y := min(2*cx+i%2, w-1), min(2*cy+i/2, h-1)
				r, g, b := at(x, y)
				cb, cr := -0.168736*r-0.331264*g+0.5*b, 0.5*r-0.418688*g-0.081312*b
				if inside(r) && inside(g) && inside(b) {
					blue, red, n = blue+cb, red+cr, n+1
				}
				outBlue, outRed, outN = outBlue+cb, outRed+cr, outN+1
			}
			if n == 0 {
				blue, red, n = outBlue, outRed, outN
			}
			blue, red = math.Round(blue/n), math.Round(red/n)
			c := ycc.COffset(2*cx, 2*cy)
			ycc.Cb[c], ycc.Cr[c] = level(128+blue), level(128+red)
			for i := range 4 {
				x, y := 2*cx+i%2, 2*cy+i/2
				if x >= w || y >= h {
					continue
				}
				r, g, b := at(x, y)
				luma, known := 0.0, 0.0
				for _, channel := range [3][2]float64{{r, 1.402 * red}, {g, -0.344136*blue - 0.714136*red}, {b, 1.772 * blue}} {
					if inside(channel[0]) {
						luma, known = luma+channel[0]-channel[1], known+1
					}
				}
				if known == 0 {
					luma, known = 0.299*r+0.587*g+0.114*b, 1
				}
				ycc.Y[ycc.YOffset(x, y)] = level(luma / known)
			}
		}
	}
	return ycc
}

// level rounds to 8 bits.
func level(v float64) uint8 { return uint8(min(max(math.Round(v), 0), 255)) }

// interpolated returns the colours of an image with halved chroma, which is interpolated.
func interpolated(ycc *image.YCbCr) *image.RGBA {
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
	return rgb
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
