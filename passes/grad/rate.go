package grad

import (
	"math"

	"github.com/bottlenet/bnc/compiler/ir"
)

// block is the side of the squares that JPEG transforms.
const block = 8

// luminance is the quantisation table of ITU-T T.81, table K.1, at quality 50.
var luminance = [block * block]int{
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
func quantiserStep(i, quality int) int {
	scale := 200 - 2*quality
	if quality < 50 {
		scale = 5000 / quality
	}
	return min(max((luminance[i]*scale+50)/100, 1), 255)
}

// transform is the discrete cosine transform of n samples, block by block, the
// last sample repeated to fill the last block: a matrix [n rounded up, n].
func transform(n int64) ([]float32, int64) {
	rows := (n + block - 1) / block * block
	m := make([]float32, rows*n)
	for r := range rows {
		k := float64(r % block)
		norm := math.Sqrt(2.0 / block)
		if k == 0 {
			norm = math.Sqrt(1.0 / block)
		}
		for i := range int64(block) {
			at := min(r/block*block+i, n-1)
			m[r*n+at] += float32(norm * math.Cos((2*float64(i)+1)*k*math.Pi/(2*block)))
		}
	}
	return m, rows
}

// rate estimates how many bits a cell JPEG takes for tiles [N,1,H,W] of 0..255: the
// mean of log2(1 + |u|), with u the coefficients of their blocks in units of the
// quantiser's steps, but for each block's mean. It returns weight times that, float32
// [1], and its gradient: with A and B the transforms of rows and columns, u = Q (A x
// B'), that is A' (Q sign(u) / (1 + |u|)) B times a number. A linear weight, since
// the gradient of a logarithm would grow as tiles become empty.
func rate(b *builder, tile *ir.Value, quality int, weight float64) (loss, seed *ir.Value) {
	d := b.dims(tile)
	n, h, w := d[0], d[2], d[3]
	rows, height := transform(h)
	columns, width := transform(w)
	steps := make([]float32, height*width)
	for y := range height {
		for x := range width {
			if i := int(y%block*block + x%block); i > 0 {
				steps[y*width+x] = 1 / float32(quantiserStep(i, quality))
			}
		}
	}
	down, across := b.floats(rows, height, h), b.floats(columns, width, w)
	q := b.floats(steps, height, width)
	u := b.mul(b.matmul(b.matmul(down, b.reshape(tile, n, h, w)), b.transpose(across, 1, 0)), q)
	size := b.plus(b.unary("Abs", u), 1)
	weight /= math.Ln2 * float64(n*h*w)
	loss = b.reshape(b.scale(b.sum(b.unary("Log", size), true, 0, 1, 2), weight), 1)
	du := b.mul(b.div(b.unary("Sign", u), size), q)
	dx := b.matmul(b.matmul(b.transpose(down, 1, 0), du), across)
	return loss, b.reshape(b.scale(dx, weight), d...)
}
