package imagein

import "image"

// webpRGB returns a lossy WebP image's colours. Its samples are those of ITU-R
// BT.601 with luma in 16..235 and chroma in 16..240 (RFC 6386, 9.2), where Go's
// image package takes all YCbCr for JPEG's full range; chroma is interpolated
// between its samples, as libwebp does. Alpha gives the alpha of a pixel.
func webpRGB(src *image.YCbCr, alpha func(x, y int) uint8) *image.NRGBA {
	b := src.Bounds()
	dst := image.NewNRGBA(image.Rect(0, 0, b.Dx(), b.Dy()))
	cw, ch := (b.Dx()+1)/2, (b.Dy()+1)/2 // of 4:2:0, which is all that WebP has
	for y := range b.Dy() {
		near, far := neighbours(y, ch)
		for x := range b.Dx() {
			left, right := neighbours(x, cw)
			between := func(plane []uint8) float32 {
				row, other := plane[near*src.CStride:], plane[far*src.CStride:]
				return (9*float32(row[left]) + 3*float32(row[right]) + 3*float32(other[left]) + float32(other[right])) / 16
			}
			luma := 255.0 / 219 * (float32(src.Y[y*src.YStride+x]) - 16)
			blue, red := 255.0/224*(between(src.Cb)-128), 255.0/224*(between(src.Cr)-128)
			copy(dst.Pix[y*dst.Stride+4*x:], []uint8{
				level(luma + 1.402*red), level(luma - 0.344136*blue - 0.714136*red), level(luma + 1.772*blue), alpha(x, y),
			})
		}
	}
	return dst
}

// neighbours returns the chroma sample that a pixel at i lies in, of n in a line, and
// the next one on its nearer side.
func neighbours(i, n int) (own, next int) {
	own = i / 2
	return own, min(max(own-1+i%2*2, 0), n-1)
}

// level rounds a sample to 8 bits.
func level(v float32) uint8 { return uint8(min(max(v+0.5, 0), 255)) }
