package grad

import (
	"math"

	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/passes/bottleneck"
)

// rate estimates how many bytes a codec takes for tiles [N,1,H,W] of 0..255, a mean over
// images and but for a constant, from the coefficients that r describes: the mean of
// sum Bits/2 log2(1 + u^2) over 8. It returns weight [1] times that, float32 [1], and its
// gradient: with A and B the transforms of rows and columns, u = Scale (A (x - Mean) B'),
// that is A' (Bits Scale u / (1 + u^2)) B times a number.
func rate(b *builder, tile *ir.Value, r *bottleneck.Rate, weight *ir.Value) (loss, seed *ir.Value) {
	d := b.dims(tile)
	n, h, w := d[0], d[2], d[3]
	down, across := b.floats(r.Down, r.Height, h), b.floats(r.Across, r.Width, w)
	x := b.reshape(tile, n, h, w)
	if r.Mean != nil {
		x = b.sub(x, b.floats(r.Mean, h, w))
	}
	u := b.mul(b.matmul(b.matmul(down, x), b.transpose(across, 1, 0)), b.floats(r.Scale, r.Height, r.Width))
	size := b.plus(b.mul(u, u), 1)
	nats, slope := make([]float32, len(r.Bits)), make([]float32, len(r.Bits))
	for i, bits := range r.Bits {
		each := float64(bits) / (8 * float64(n) * math.Ln2)
		nats[i], slope[i] = float32(each/2), float32(each*float64(r.Scale[i]))
	}
	bytes := b.sum(b.mul(b.unary("Log", size), b.floats(nats, r.Height, r.Width)), true, 0, 1, 2)
	du := b.mul(b.div(u, size), b.mul(b.floats(slope, r.Height, r.Width), weight))
	dx := b.matmul(b.matmul(b.transpose(down, 1, 0), du), across)
	return b.mul(b.reshape(bytes, 1), weight), b.reshape(dx, d...)
}

// passed is what reaches tiles [N,1,H,W] of a gradient by what a codec gives back of them:
// A' (Passed (A dy B')) B, with A and B the transforms of rows and columns. Where a transform
// repeats samples, what is given back is the mean of theirs.
func passed(b *builder, dy *ir.Value, r *bottleneck.Rate) *ir.Value {
	d := b.dims(dy)
	n, h, w := d[0], d[2], d[3]
	down, across := b.floats(r.Down, r.Height, h), b.floats(r.Across, r.Width, w)
	x := b.reshape(dy, n, h, w)
	back := b.mul(b.floats(repeats(r.Down, h), h, 1), b.floats(repeats(r.Across, w), 1, w))
	u := b.matmul(b.matmul(down, b.mul(x, back)), b.transpose(across, 1, 0))
	u = b.mul(u, b.floats(r.Passed, r.Height, r.Width))
	return b.reshape(b.matmul(b.matmul(b.transpose(down, 1, 0), u), across), d...)
}

// repeats is 1 over how many times each of n samples is in a transform [rows, n], whose rows are
// orthonormal but for that.
func repeats(m []float32, n int64) []float32 {
	sums := make([]float64, n)
	for i, v := range m {
		sums[i%int(n)] += float64(v) * float64(v)
	}
	out := make([]float32, n)
	for i, s := range sums {
		out[i] = float32(1 / s)
	}
	return out
}
