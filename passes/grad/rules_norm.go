package grad

import (
	"github.com/bottlenet/bnc/compiler/ir"
)

// normRules are those of normalisations.
var normRules = map[string]rule{
	"BatchNormalization":    {vjp: batchNormRule},
	"InstanceNormalization": {vjp: instanceNormRule},
	"LayerNormalization":    {vjp: layerNormRule},
	"LRN":                   {vjp: lrnRule},
	"GroupNormalization":    {vjp: groupNormRule},
	"RMSNormalization":      {vjp: rmsNormRule},
	// RMSNormalization's name in ONNX Runtime before operator set 23
	"SimplifiedLayerNormalization": {vjp: rmsNormRule},
	// y = (x - m) / (d + 1e-9), d the deviation
	"MeanVarianceNormalization":   {vjp: meanVarianceRule},
	"LpNormalization":             {vjp: lpNormRule},
	Domain + ":" + batchNormTrain: {vjp: batchNormTrainRule},
}

// batchNormRule, with given statistics: y = (x - m) r gamma + beta with
// r = 1/sqrt(v + eps). dx = dy gamma r, dgamma = sum dy (x - m) r, dbeta = sum dy,
// dm = -gamma r sum dy, dv = -gamma r^3 / 2 sum dy (x - m).
// The statistics of inference are constants. Those of a training batch are
// another operator: see [TrainBatchNorm].
func batchNormRule(c *call) error {
	if c.node.Int("training_mode", 0) != 0 {
		return c.errorf("it is in training mode; export the model for inference")
	}
	x, gamma, mean, variance, dy := c.in(0), c.in(1), c.in(3), c.in(4), c.dy(0)
	axes, ch := channelAxes(c.dims(x))
	eps := float64(c.node.Float("epsilon", 1e-5))
	r := c.unary("Reciprocal", c.sqrt(c.plus(variance, eps)))
	if c.wants(0) {
		c.give(0, c.mul(dy, c.reshape(c.mul(gamma, r), ch...)))
	}
	if c.wants(1) || c.wants(4) {
		along := c.sum(c.mul(dy, c.sub(x, c.reshape(mean, ch...))), false, axes...)
		if c.wants(1) {
			c.give(1, c.mul(along, r))
		}
		if c.wants(4) {
			c.give(4, c.mul(c.scale(along, -0.5), c.mul(gamma, c.mul(r, c.mul(r, r)))))
		}
	}
	if c.wants(2) || c.wants(3) {
		total := c.sum(dy, false, axes...)
		if c.wants(2) {
			c.give(2, total)
		}
		if c.wants(3) {
			c.give(3, c.neg(c.mul(total, c.mul(gamma, r))))
		}
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
	axes := c.axesFrom(c.axis("axis", -1))
	z, r := c.standardise(x, float64(c.node.Float("epsilon", 1e-5)), axes...)
	if c.wants(0) {
		c.give(0, c.normalise(z, r, c.mul(dy, gamma), axes...))
	}
	if c.wants(1) {
		c.giveSum(1, c.mul(dy, z))
	}
	if c.wants(2) {
		c.giveSum(2, dy)
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
	flat := []int64{dims[0], ch, ir.Elements(dims[2:])}
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
	dims := c.dims(x)
	axes, ch := channelAxes(dims)
	m := float64(ir.Elements(dims) / dims[1])
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

// groupNormRule: y = z gamma + beta, z standardised over groups of channels;
// gamma and beta are one number a channel, a group before operator set 21.
func groupNormRule(c *call) error {
	x, gamma, dy := c.in(0), c.in(1), c.dy(0)
	d, groups := c.dims(x), c.node.Int("num_groups", 1)
	view := []int64{d[0], groups, d[1] / groups, ir.Elements(d[2:])}
	factors, shared := []int64{1, groups, view[2], 1}, []int64{0, 3}
	if c.opset < 21 {
		factors, shared = []int64{1, groups, 1, 1}, []int64{0, 2, 3}
	}
	z, r := c.standardise(c.reshape(x, view...), float64(c.node.Float("epsilon", 1e-5)), 2, 3)
	flat := c.reshape(dy, view...)
	if c.wants(0) {
		dx := c.normalise(z, r, c.mul(flat, c.reshape(gamma, factors...)), 2, 3)
		c.give(0, c.reshape(dx, d...))
	}
	if c.wants(1) {
		c.give(1, c.reshape(c.sum(c.mul(flat, z), false, shared...), c.inDims(1)...))
	}
	if c.wants(2) {
		c.give(2, c.reshape(c.sum(flat, false, shared...), c.inDims(2)...))
	}
	return nil
}

// rmsNormRule: y = z gamma, z = x r, r = 1/sqrt(mean x^2 + eps) over the axes from
// axis on: dx = r (dz - z mean(dz z)).
func rmsNormRule(c *call) error {
	x, gamma, dy := c.in(0), c.in(1), c.dy(0)
	axes := c.axesFrom(c.axis("axis", -1))
	square := c.reduce("ReduceMean", c.mul(x, x), true, axes...)
	r := c.unary("Reciprocal", c.sqrt(c.plus(square, float64(c.node.Float("epsilon", 1e-5)))))
	z := c.mul(x, r)
	if c.wants(0) {
		dz := c.mul(dy, gamma)
		along := c.reduce("ReduceMean", c.mul(dz, z), true, axes...)
		c.give(0, c.mul(r, c.sub(dz, c.mul(z, along))))
	}
	if c.wants(1) {
		c.giveSum(1, c.mul(dy, z))
	}
	return nil
}

// axesFrom returns the axes of input 0 from first on.
func (c *call) axesFrom(first int64) []int64 {
	var axes []int64
	for i := first; i < int64(len(c.inDims(0))); i++ {
		axes = append(axes, i)
	}
	return axes
}

func meanVarianceRule(c *call) error {
	if !c.wants(0) {
		return nil
	}
	axes := []int64{0, 2, 3}
	if given := c.node.Ints("axes"); given != nil {
		axes = nil
		for _, a := range given {
			axes = append(axes, fromFront(a, int64(len(c.inDims(0)))))
		}
	}
	z, r := c.standardise(c.in(0), 1e-18, axes...)
	c.give(0, c.normalise(z, r, c.dy(0), axes...))
	return nil
}

// lpNormRule: y = x / n with n the norm along an axis, whose derivative is y for
// p = 2 and sign x for p = 1: dx = (dy - n' sum(dy y)) / n.
func lpNormRule(c *call) error {
	if !c.wants(0) {
		return nil
	}
	x, y, dy, axis := c.in(0), c.out(0), c.dy(0), c.axis("axis", -1)
	norm, slope := "ReduceL2", y
	if c.node.Int("p", 2) == 1 {
		norm, slope = "ReduceL1", c.unary("Sign", x)
	}
	n := c.reduce(norm, x, true, axis)
	c.give(0, c.div(c.sub(dy, c.mul(slope, c.sum(c.mul(dy, y), true, axis))), n))
	return nil
}
