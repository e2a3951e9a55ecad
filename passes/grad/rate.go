package grad

import (
	"math"

	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/passes/bottleneck"
)

// rate estimates how many bits a cell a codec takes for tiles [N,1,H,W] of 0..255: the
// mean of log2(1 + |u|), with u the coefficients that r describes. It returns weight times
// that, float32 [1], and its gradient: with A and B the transforms of rows and columns,
// u = Q (A x B'), that is A' (Q sign(u) / (1 + |u|)) B times a number. A linear weight,
// since the gradient of a logarithm would grow as tiles become empty.
func rate(b *builder, tile *ir.Value, r *bottleneck.Rate, weight float64) (loss, seed *ir.Value) {
	d := b.dims(tile)
	n, h, w := d[0], d[2], d[3]
	down, across := b.floats(r.Down, r.Height, h), b.floats(r.Across, r.Width, w)
	q := b.floats(r.Scale, r.Height, r.Width)
	u := b.mul(b.matmul(b.matmul(down, b.reshape(tile, n, h, w)), b.transpose(across, 1, 0)), q)
	size := b.plus(b.unary("Abs", u), 1)
	weight /= math.Ln2 * float64(n*h*w)
	loss = b.reshape(b.scale(b.sum(b.unary("Log", size), true, 0, 1, 2), weight), 1)
	du := b.mul(b.div(b.unary("Sign", u), size), q)
	dx := b.matmul(b.matmul(b.transpose(down, 1, 0), du), across)
	return loss, b.reshape(b.scale(dx, weight), d...)
}
