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
