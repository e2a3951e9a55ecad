package grad

import (
	"strings"

	"github.com/bottlenet/bnc/compiler/ir"
)

// quantiserPrefix begins the names of the nodes between the reduction and the
// restoration units (passes.InsertBottleneck).
const quantiserPrefix = "bnc.quantiser."

// quantiserRules are those of operators that round. Rounding has the derivative
// 0 almost everywhere, with which nothing before it would learn: in a quantiser
// it is the identity on the way back (straight-through estimator; paper, section
// 2.2, "we treat this pair as an identity function during backpropagation").
var quantiserRules = map[string]rule{
	"bnc:JpegRoundTrip": {vjp: throughInts(func(c *call, dy *ir.Value) *ir.Value { return dy })},
	"Floor":             {vjp: rounding},
	"Ceil":              {vjp: rounding},
	"Round":             {vjp: rounding},
	"Sign":              {vjp: rounding},
	"QuantizeLinear":    {vjp: throughInts(quantizeLinear)},
	"DequantizeLinear":  {vjp: throughInts(dequantizeLinear)},
}

// throughInts is the rule of an operator whose input or output may be integers
// that stand for numbers.
func throughInts(dx func(c *call, dy *ir.Value) *ir.Value) func(*call) error {
	return func(c *call) error {
		if c.active[c.in(0)] && c.dy(0) != nil {
			c.give(0, dx(c, c.dy(0)))
		}
		return nil
	}
}

// inQuantiser reports whether the node is one of the bottleneck's quantiser.
func (c *call) inQuantiser() bool { return strings.HasPrefix(c.node.Name, quantiserPrefix) }

func rounding(c *call) error {
	if c.inQuantiser() && c.wants(0) {
		c.give(0, c.dy(0))
	}
	return nil // elsewhere the derivative is 0
}

// perChannel shapes a scale or zero point of a (de)quantisation so that it
// broadcasts.
func (c *call) perChannel(v *ir.Value) *ir.Value {
	d := c.dims(v)
	if len(d) == 0 || product(d) == 1 {
		return c.reshape(v)
	}
	shape := make([]int64, len(c.inDims(0)))
	for i := range shape {
		shape[i] = 1
	}
	shape[c.axis("axis", 1)] = d[0]
	return c.reshape(v, shape...)
}

// quantizeLinear: y = saturate(round(x / s) + z); on the way back x / s, and 0
// where it saturates.
func quantizeLinear(c *call, dy *ir.Value) *ir.Value {
	s := c.perChannel(c.in(1))
	u := c.div(c.in(0), s)
	if c.in(2) != nil {
		u = c.add(u, c.perChannel(c.cast(c.in(2))))
	}
	lo, hi := 0.0, 255.0
	if c.in(2) != nil {
		switch c.info.Of(c.in(2)).DType {
		case ir.Int8:
			lo, hi = -128, 127
		case ir.Uint16:
			hi = 65535
		case ir.Int16:
			lo, hi = -32768, 32767
		}
	}
	inside := c.mul(c.positive(c.plus(u, 0.5-lo)), c.positive(c.sub(c.scalar(hi+0.5), u)))
	return c.div(c.mul(dy, inside), s)
}

// dequantizeLinear: y = (x - z) s.
func dequantizeLinear(c *call, dy *ir.Value) *ir.Value {
	return c.mul(dy, c.perChannel(c.in(1)))
}
