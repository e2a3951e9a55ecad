package grad

import (
	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/compiler/shape"
	"github.com/bottlenet/bnc/passes/bottleneck"
)

// quantiserRules are those of operators that round. Rounding has the derivative
// 0 almost everywhere, with which nothing before it would learn: in a quantiser
// it is the identity on the way back (straight-through estimator; paper, section
// 2.2, "we treat this pair as an identity function during backpropagation").
var quantiserRules = map[string]rule{
	shape.CodecDomain + ":" + shape.RoundTrip: { // of any codec
		vjp:     codec,
		ignores: map[int]string{1: "the range is measured, and the codec passed straight through"},
	},
	"Floor":            {vjp: rounding, ignores: flat},
	"Ceil":             {vjp: rounding, ignores: flat},
	"Round":            {vjp: rounding, ignores: flat},
	"Sign":             {vjp: rounding, ignores: flat},
	"QuantizeLinear":   {vjp: quantizeLinear},
	"DequantizeLinear": {vjp: dequantizeLinear},
}

var flat = map[int]string{0: "the derivative is 0 outside of a quantiser"}

// codec passes a codec straight through, but for what it is known not to give back: what is
// never sent cannot be learnt, and would draw the weights before it where nothing comes of it.
func codec(c *call) error {
	dy := c.dy(0)
	if known, ok := bottleneck.CodecOf(c.node); ok {
		coding, err := known.Coding()
		if err != nil {
			return c.errorf("%v", err)
		}
		if d := c.inDims(0); coding.Rate != nil {
			if r := coding.Rate(known, d[2], d[3]); r != nil && r.Passed != nil {
				dy = passed(c.builder, dy, r)
			}
		}
	}
	c.give(0, dy)
	return nil
}

// inQuantiser reports whether the node is one of the bottleneck's quantiser.
func (c *call) inQuantiser() bool { return c.quantiser[c.node] }

func rounding(c *call) error {
	if c.inQuantiser() && c.wants(0) {
		c.give(0, c.dy(0))
	}
	return nil
}

// perChannel returns the shape in which the scale of a (de)quantisation
// broadcasts, and false where it is one number a block.
func (c *call) perChannel() ([]int64, bool) {
	d, shape := c.inDims(1), []int64{}
	if ir.Elements(d) == 1 {
		return shape, true
	}
	for range c.inDims(0) {
		shape = append(shape, 1)
	}
	axis := c.axis("axis", 1)
	if len(d) != 1 || d[0] != c.inDims(0)[axis] {
		return nil, false
	}
	shape[axis] = d[0]
	return shape, true
}

// levels are the smallest and the largest number of the types that a tensor is
// quantised to.
var levels = map[ir.DType][2]float64{
	ir.Uint8: {0, 255}, ir.Int8: {-128, 127}, ir.Uint16: {0, 65535}, ir.Int16: {-32768, 32767},
}

// quantizeLinear: y = saturate(round(x / s) + z); on the way back x / s, and 0
// where it saturates: dx = dy / s, ds = -dy x / s^2.
func quantizeLinear(c *call) error {
	shape, ok := c.perChannel()
	to := c.typeOf(c.out(0))
	limits, known := levels[to]
	if !ok || !known {
		return c.errorf("only one scale in all or one a channel, to 8 or 16 bits, has a gradient rule; found scales %v for %v, to %v", c.inDims(1), c.inDims(0), to)
	}
	s := c.reshape(c.in(1), shape...)
	u := c.div(c.in(0), s)
	shifted := u
	if c.in(2) != nil {
		shifted = c.add(u, c.reshape(c.cast(c.in(2)), shape...))
	}
	inside := c.mul(c.positive(c.plus(shifted, 0.5-limits[0])), c.positive(c.sub(c.scalar(limits[1]+0.5), shifted)))
	dx := c.div(c.mul(c.dy(0), inside), s)
	if c.wants(0) {
		c.give(0, dx)
	}
	if c.wants(1) {
		c.give(1, c.reshape(c.neg(c.unbroadcast(c.mul(dx, u), shape)), c.inDims(1)...))
	}
	return nil
}

// dequantizeLinear: y = (x - z) s: dx = dy s, ds = dy (x - z). X is integers, which
// stand for numbers.
func dequantizeLinear(c *call) error {
	shape, ok := c.perChannel()
	if !ok {
		return c.errorf("only one scale in all or one a channel has a gradient rule; found scales %v for %v", c.inDims(1), c.inDims(0))
	}
	if c.active[c.in(0)] {
		c.give(0, c.mul(c.dy(0), c.reshape(c.in(1), shape...)))
	}
	if c.wants(1) {
		x := c.cast(c.in(0))
		if c.in(2) != nil {
			x = c.sub(x, c.reshape(c.cast(c.in(2)), shape...))
		}
		c.give(1, c.reshape(c.unbroadcast(c.mul(c.dy(0), x), shape), c.inDims(1)...))
	}
	return nil
}
