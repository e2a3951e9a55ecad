package bottleneck

import "math"

// quality is JPEG's only parameter.
const quality = "quality"

// JPEG is libjpeg's codec of grey images at a quality of 1 to 100.
func JPEG(q int) Codec {
	return Codec{Name: DefaultCodec, Parameters: map[string]any{quality: int64(q)}}
}

func init() {
	Register(Coding{Name: DefaultCodec, Operator: "Jpeg", Quality: 20, Parameters: []Parameter{{Name: quality}}, Rate: jpegRate})
}

// block is the side of the squares that JPEG transforms.
const block = 8

// luminance is the quantisation table of ITU-T T.81, table K.1, at quality 50.
var luminance = [block * block]int64{
	16, 11, 10, 16, 24, 40, 51, 61,
	12, 12, 14, 19, 26, 58, 60, 55,
	14, 13, 16, 24, 40, 57, 69, 56,
	14, 17, 22, 29, 51, 87, 80, 62,
	18, 22, 37, 56, 68, 109, 103, 77,
	24, 35, 55, 64, 81, 104, 113, 92,
	49, 64, 78, 87, 103, 121, 120, 101,
	72, 92, 95, 98, 112, 100, 103, 99,
}

// quantiserStep is libjpeg's step of coefficient i at a quality of 1 to 100.
func quantiserStep(i int, quality int64) int64 {
	scale := 200 - 2*quality
	if quality < 50 {
		scale = 5000 / quality
	}
	return min(max((luminance[i]*scale+50)/100, 1), 255)
}

// jpegBits and jpegWidth, in steps, are those of a coefficient's code length, fitted to
// lengths of tiles at qualities 5 to 80: they are off by 5% then.
const jpegBits, jpegWidth = 2.3, 0.375

// jpegRate counts the coefficients of a tile's blocks in units of the quantiser's steps,
// but for each block's mean.
func jpegRate(c Codec, h, w int64) *Rate {
	r := &Rate{}
	r.Down, r.Height = cosines(h, block)
	r.Across, r.Width = cosines(w, block)
	r.Scale, r.Bits = make([]float32, r.Height*r.Width), make([]float32, r.Height*r.Width)
	for y := range r.Height {
		for x := range r.Width {
			if i := int(y%block*block + x%block); i > 0 {
				r.Scale[y*r.Width+x] = 1 / (jpegWidth * float32(quantiserStep(i, c.Number(quality))))
				r.Bits[y*r.Width+x] = jpegBits
			}
		}
	}
	return r
}

// cosines is the orthonormal discrete cosine transform of n samples in blocks of a size, the
// last sample repeated to fill the last block: a matrix [n rounded up, n].
func cosines(n, block int64) ([]float32, int64) {
	rows := (n + block - 1) / block * block
	m := make([]float32, rows*n)
	for r := range rows {
		k := float64(r % block)
		norm := math.Sqrt(2 / float64(block))
		if k == 0 {
			norm = math.Sqrt(1 / float64(block))
		}
		for i := range block {
			at := min(r/block*block+i, n-1)
			m[r*n+at] += float32(norm * math.Cos((2*float64(i)+1)*k*math.Pi/float64(2*block)))
		}
	}
	return m, rows
}
