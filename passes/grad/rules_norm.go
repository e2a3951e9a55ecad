package grad

import (
	"github.com/bottlenet/bnc/compiler/ir"
)

// normRules are those of normalisations.
var normRules = map[string]rule{
	"BatchNormalization":          {vjp: batchNormRule},
	"InstanceNormalization":       {vjp: instanceNormRule},
	"LayerNormalization":          {vjp: layerNormRule},
	"LRN":                         {vjp: lrnRule},
	Domain + ":" + batchNormTrain: {vjp: batchNormTrainRule},
}

// batchNormRule, with given statistics: y = (x - m) r gamma + beta with
// r = 1/sqrt(v + eps). dx = dy gamma r, dgamma = sum dy (x - m) r, dbeta = sum dy.
// The statistics of inference are constants. Those of a training batch are
// another operator: see [TrainBatchNorm].
func batchNormRule(c *call) error {
	x, gamma, mean, variance, dy := c.in(0), c.in(1), c.in(3), c.in(4), c.dy(0)
	axes, ch := channelAxes(c.dims(x))
	eps := float64(c.node.Float("epsilon", 1e-5))
	r := c.unary("Reciprocal", c.sqrt(c.plus(variance, eps)))
	if c.wants(0) {
		c.give(0, c.mul(dy, c.reshape(c.mul(gamma, r), ch...)))
	}
	if c.wants(1) {
		centred := c.sub(x, c.reshape(mean, ch...))
		c.give(1, c.mul(c.sum(c.mul(dy, centred), false, axes...), r))
	}
	if c.wants(2) {
		c.give(2, c.sum(dy, false, axes...))
	}
	return nil
}

// normalise is the gradient of z = (x - m) r with m and r the mean and the
// reciprocal deviation of x over axes: dx = r (dz - mean dz - z mean(dz z)).
func (b *builder) normalise(z, r, dz *ir.Value, axes ...int64) *ir.Value {
	a := b.reduce("ReduceMean", dz, true, axes...)
	s := b.reduce("ReduceMean", b.mul(dz, z), true, axes...)
	return b.mul(r, b.sub(b.sub(dz, a), b.mul(z, s)))
}

// standardise returns z and r of normalise.
func (b *builder) standardise(x *ir.Value, eps float64, axes ...int64) (z, r *ir.Value) {
	centred := b.sub(x, b.reduce("ReduceMean", x, true, axes...))
	variance := b.reduce("ReduceMean", b.mul(centred, centred), true, axes...)
	r = b.unary("Reciprocal", b.sqrt(b.plus(variance, eps)))
	return b.mul(centred, r), r
}

// instanceNormRule: y = z gamma + beta, z standardised over each plane.
func instanceNormRule(c *call) error {
	x, gamma, dy := c.in(0), c.in(1), c.dy(0)
	dims := c.dims(x)
	ch := []int64{1, dims[1]}
	var axes []int64
	for i := 2; i < len(dims); i++ {
		ch, axes = append(ch, 1), append(axes, int64(i))
	}
	all := append([]int64{0}, axes...)
	z, r := c.standardise(x, float64(c.node.Float("epsilon", 1e-5)), axes...)
	if c.wants(0) {
		c.give(0, c.normalise(z, r, c.mul(dy, c.reshape(gamma, ch...)), axes...))
	}
	if c.wants(1) {
		c.give(1, c.sum(c.mul(dy, z), false, all...))
	}
	if c.wants(2) {
		c.give(2, c.sum(dy, false, all...))
	}
	return nil
}

// layerNormRule: y = z gamma + beta, z standardised over the axes from axis on.
func layerNormRule(c *call) error {
	x, gamma, dy := c.in(0), c.in(1), c.dy(0)
	var axes []int64
	for i := c.axis("axis", -1); i < int64(len(c.dims(x))); i++ {
		axes = append(axes, i)
	}
	if c.out(1) != nil && c.dy(1) != nil || c.out(2) != nil && c.dy(2) != nil {
		return c.errorf("only its first output has a gradient rule")
	}
	z, r := c.standardise(x, float64(c.node.Float("epsilon", 1e-5)), axes...)
	if c.wants(0) {
		c.give(0, c.normalise(z, r, c.mul(dy, gamma), axes...))
	}
	if c.wants(1) {
		c.give(1, c.mul(dy, z))
	}
	if c.wants(2) {
		c.give(2, dy)
	}
	return nil
}

// lrnRule: y = x s^-beta, s = bias + alpha/size sum of x^2 over a window of
// channels, a product with a band matrix B.
// dx = dy s^-beta - 2 alpha beta / size x B^T(dy x s^(-beta-1)).
func lrnRule(c *call) error {
	if !c.wants(0) {
		return nil
	}
	x, dy := c.in(0), c.dy(0)
	dims := c.dims(x)
	size := c.node.Int("size", 1)
	alpha, beta, bias := float64(c.node.Float("alpha", 1e-4)), float64(c.node.Float("beta", 0.75)), float64(c.node.Float("bias", 1))
	ch := dims[1]
	band := make([]float32, ch*ch)
	for i := range ch {
		for j := max(0, i-(size-1)/2); j <= min(ch-1, i+size/2); j++ {
			band[i*ch+j] = 1
		}
	}
	flat := []int64{dims[0], ch, product(dims[2:])}
	xf, dyf := c.reshape(x, flat...), c.reshape(dy, flat...)
	b := c.floats(band, ch, ch)
	s := c.plus(c.scale(c.matmul(b, c.mul(xf, xf)), alpha/float64(size)), bias)
	p := c.binary("Pow", s, c.scalar(-beta))
	back := c.matmul(c.transpose(b, 1, 0), c.mul(c.mul(dyf, xf), c.div(p, s)))
	dx := c.sub(c.mul(dyf, p), c.scale(c.mul(xf, back), 2*alpha*beta/float64(size)))
	c.give(0, c.reshape(dx, dims...))
	return nil
}

// BatchNormTrain is BatchNormalization over the statistics of the batch itself:
// inputs x [N,C,...], gamma and beta [C]; outputs y, and the batch's mean and
// (biased) variance [C].
const batchNormTrain = "BatchNormTrain"

// batchNormTrainRule: with S1 = sum g, S2 = sum g x over the M elements of a
// channel and r = 1/sqrt(v + eps): dgamma = r (S2 - m S1), dbeta = S1,
// dx = A g + B x + D, A = gamma r, B = -A r dgamma / M, D = -A S1 / M - B m.
func batchNormTrainRule(c *call) error {
	x, gamma, dy := c.in(0), c.in(1), c.dy(0)
	mean, variance := c.out(1), c.out(2)
	if c.dy(1) != nil || c.dy(2) != nil {
		return c.errorf("only its first output has a gradient rule")
	}
	dims := c.dims(x)
	axes, ch := channelAxes(dims)
	m := float64(product(dims) / dims[1])
	r := c.unary("Reciprocal", c.sqrt(c.plus(variance, float64(c.node.Float("epsilon", 1e-5)))))
	s1 := c.sum(dy, false, axes...)
	s2 := c.sum(c.mul(dy, x), false, axes...)
	dgamma := c.mul(r, c.sub(s2, c.mul(mean, s1)))
	if c.wants(0) {
		a := c.mul(gamma, r)
		b := c.scale(c.mul(c.mul(a, r), dgamma), -1/m)
		d := c.sub(c.scale(c.mul(a, s1), -1/m), c.mul(b, mean))
		// B x + D in one pass: a BatchNormalization with mean 0 and variance 1.
		zero, one := c.zeros([]int64{dims[1]}), c.expand(c.scalar(1), []int64{dims[1]})
		line := c.op("BatchNormalization", dims, []*ir.Value{x, b, d, zero, one}, ir.FloatAttr("epsilon", 0))
		c.give(0, c.add(c.mul(dy, c.reshape(a, ch...)), line))
	}
	if c.wants(1) {
		c.give(1, dgamma)
	}
	if c.wants(2) {
		c.give(2, s1)
	}
	return nil
}

// channelAxes returns all axes but that of the channel, and the shape in which
// numbers a channel broadcast.
func channelAxes(dims []int64) (axes, ch []int64) {
	for i := range dims {
		if i == 1 {
			ch = append(ch, dims[1])
		} else {
			axes, ch = append(axes, int64(i)), append(ch, 1)
		}
	}
	return axes, ch
}
