package grad

import (
	"math"

	"github.com/bottlenet/bnc/compiler/ir"
)

// elementwiseRules are those of functions y = f(x) of each element: dx = dy f'(x).
// Where f' is cheap in terms of y it is computed from y, which is at hand.
var elementwiseRules = map[string]rule{
	"Identity": {vjp: derivative(func(c *call, x, y, dy *ir.Value) *ir.Value { return dy })},
	"Neg":      {vjp: derivative(func(c *call, x, y, dy *ir.Value) *ir.Value { return c.neg(dy) })},
	// relu' = [y > 0]
	"Relu": {vjp: derivative(func(c *call, x, y, dy *ir.Value) *ir.Value { return c.mul(dy, c.positive(y)) })},
	// leaky' = 1 or alpha: a steep line through the origin, cut off at both
	"LeakyRelu": {vjp: derivative(func(c *call, x, y, dy *ir.Value) *ir.Value {
		alpha := float64(c.node.Float("alpha", 0.01))
		// alpha + (1 - alpha) [x > 0]
		return c.mul(dy, c.plus(c.scale(c.positive(x), 1-alpha), alpha))
	})},
	// elu' = 1 for x > 0, else alpha exp(x) = y + alpha
	"Elu": {vjp: derivative(func(c *call, x, y, dy *ir.Value) *ir.Value {
		alpha := float64(c.node.Float("alpha", 1))
		p := c.positive(x)
		below := c.scale(c.unary("Exp", c.binary("Min", x, c.scalar(0))), alpha)
		return c.mul(dy, c.add(p, c.mul(c.sub(c.scalar(1), p), below)))
	})},
	// selu' = gamma for x > 0, else gamma alpha exp(x)
	"Selu": {vjp: derivative(func(c *call, x, y, dy *ir.Value) *ir.Value {
		alpha, gamma := float64(c.node.Float("alpha", 1.67326319217681884765625)), float64(c.node.Float("gamma", 1.05070102214813232421875))
		p := c.positive(x)
		below := c.scale(c.unary("Exp", c.binary("Min", x, c.scalar(0))), alpha)
		return c.scale(c.mul(dy, c.add(p, c.mul(c.sub(c.scalar(1), p), below))), gamma)
	})},
	// celu' = 1 for x > 0, else exp(x / alpha)
	"Celu": {vjp: derivative(func(c *call, x, y, dy *ir.Value) *ir.Value {
		alpha := float64(c.node.Float("alpha", 1))
		return c.mul(dy, c.unary("Exp", c.scale(c.binary("Min", x, c.scalar(0)), 1/alpha)))
	})},
	// thresholded' = [x > alpha]
	"ThresholdedRelu": {vjp: derivative(func(c *call, x, y, dy *ir.Value) *ir.Value {
		return c.mul(dy, c.compare("Greater", x, c.scalar(float64(c.node.Float("alpha", 1)))))
	})},
	// shrink' = [|x| > lambd]
	"Shrink": {vjp: derivative(func(c *call, x, y, dy *ir.Value) *ir.Value {
		return c.mul(dy, c.compare("Greater", c.unary("Abs", x), c.scalar(float64(c.node.Float("lambd", 0.5)))))
	})},
	// clip' = [lo < x] [x < hi]; at the bounds 0, as for ReLU
	"Clip": {vjp: clipRule},
	// sigmoid' = y (1 - y)
	"Sigmoid": {vjp: derivative(func(c *call, x, y, dy *ir.Value) *ir.Value {
		return c.mul(dy, c.sub(y, c.mul(y, y)))
	})},
	// hardsigmoid' = alpha where 0 < y < 1
	"HardSigmoid": {vjp: derivative(func(c *call, x, y, dy *ir.Value) *ir.Value {
		alpha := float64(c.node.Float("alpha", 0.2))
		inside := c.mul(c.positive(y), c.positive(c.sub(c.scalar(1), y)))
		return c.mul(dy, c.scale(inside, alpha))
	})},
	// hardswish(x) = x h, h = hardsigmoid(x; 1/6, 1/2); its derivative h + x/6 where 0 < h < 1
	"HardSwish": {vjp: derivative(func(c *call, x, y, dy *ir.Value) *ir.Value {
		h := c.unary("HardSigmoid", x, ir.FloatAttr("alpha", 1.0/6), ir.FloatAttr("beta", 0.5))
		inside := c.mul(c.positive(h), c.positive(c.sub(c.scalar(1), h)))
		return c.mul(dy, c.add(h, c.mul(inside, c.scale(x, 1.0/6))))
	})},
	// erf' = 2/sqrt(pi) exp(-x^2)
	"Erf": {vjp: derivative(func(c *call, x, y, dy *ir.Value) *ir.Value {
		return c.mul(dy, c.scale(c.unary("Exp", c.neg(c.mul(x, x))), 2/math.Sqrt(math.Pi)))
	})},
	// gelu(x) = x F(x) with the normal distribution F and its density f, or tanh's approximation of it
	"Gelu": {vjp: derivative(gelu)},
	// swish(x) = x s, s = sigmoid(alpha x): s + alpha y (1 - s)
	"Swish": {vjp: derivative(func(c *call, x, y, dy *ir.Value) *ir.Value {
		alpha := float64(c.node.Float("alpha", 1))
		s := c.unary("Sigmoid", c.scale(x, alpha))
		return c.mul(dy, c.add(s, c.scale(c.mul(y, c.sub(c.scalar(1), s)), alpha)))
	})},
	// mish(x) = x t, t = tanh(softplus(x)): t + x (1 - t^2) sigmoid(x)
	"Mish": {vjp: derivative(func(c *call, x, y, dy *ir.Value) *ir.Value {
		t := c.unary("Tanh", c.unary("Softplus", x))
		slope := c.mul(c.mul(x, c.sub(c.scalar(1), c.mul(t, t))), c.unary("Sigmoid", x))
		return c.mul(dy, c.add(t, slope))
	})},
	// softplus' = sigmoid(x)
	"Softplus": {vjp: derivative(func(c *call, x, y, dy *ir.Value) *ir.Value { return c.mul(dy, c.unary("Sigmoid", x)) })},
	// softsign' = 1 / (1 + |x|)^2
	"Softsign": {vjp: derivative(func(c *call, x, y, dy *ir.Value) *ir.Value {
		d := c.plus(c.unary("Abs", x), 1)
		return c.div(dy, c.mul(d, d))
	})},
	"Exp": {vjp: derivative(func(c *call, x, y, dy *ir.Value) *ir.Value { return c.mul(dy, y) })},
	"Log": {vjp: derivative(func(c *call, x, y, dy *ir.Value) *ir.Value { return c.div(dy, x) })},
	// sqrt' = 1 / (2 y)
	"Sqrt":       {vjp: derivative(func(c *call, x, y, dy *ir.Value) *ir.Value { return c.div(dy, c.scale(y, 2)) })},
	"Abs":        {vjp: derivative(func(c *call, x, y, dy *ir.Value) *ir.Value { return c.mul(dy, c.unary("Sign", x)) })},
	"Reciprocal": {vjp: derivative(func(c *call, x, y, dy *ir.Value) *ir.Value { return c.neg(c.mul(dy, c.mul(y, y))) })},
	// Dropout in inference, the only mode there is in a graph that is trained
	// here, is the identity.
	"Dropout": {vjp: dropoutRule, ignores: map[int]string{1: "the ratio matters in training mode only"}},
	// softmax: dx = y (dy - sum(dy y)) along the axis
	"Softmax": {vjp: derivative(func(c *call, x, y, dy *ir.Value) *ir.Value {
		g := c.mul(dy, y)
		return c.sub(g, c.mul(y, c.sum(g, true, c.axis("axis", -1))))
	})},
	// logsoftmax: dx = dy - exp(y) sum(dy) along the axis
	"LogSoftmax": {vjp: derivative(func(c *call, x, y, dy *ir.Value) *ir.Value {
		return c.sub(dy, c.mul(c.unary("Exp", y), c.sum(dy, true, c.axis("axis", -1))))
	})},
	// Between floating-point types a cast is the identity, and from there to
	// integers and back it is a rounding, which is passed straight through.
	"Cast":     {vjp: castRule, ignores: toBool},
	"CastLike": {vjp: castRule, ignores: map[int]string{0: toBool[0], 1: "only its type counts"}},
}

var toBool = map[int]string{0: "true and false do not change with small changes"}

func castRule(c *call) error {
	if c.typeOf(c.in(0)) != ir.Bool && c.typeOf(c.out(0)) != ir.Bool {
		c.give(0, c.dy(0))
	}
	return nil
}

func dropoutRule(c *call) error {
	if mode := c.in(2); mode != nil {
		if t := mode.Const(); t == nil || !isFalse(t) {
			return c.errorf("it is in training mode, or may be; export the model for inference")
		}
	}
	if c.wants(0) {
		c.give(0, c.dy(0))
	}
	return nil
}

// isFalse reports whether a bool tensor of one element is known to be false.
func isFalse(t *ir.Tensor) bool {
	b, err := t.Bytes()
	return err == nil && len(b) == 1 && b[0] == 0
}

// derivative is the rule of an operator that only its first input goes through.
func derivative(dx func(c *call, x, y, dy *ir.Value) *ir.Value) func(*call) error {
	return func(c *call) error {
		if c.wants(0) {
			c.give(0, dx(c, c.in(0), c.out(0), c.dy(0)))
		}
		return nil
	}
}

// axis returns an attribute that names an axis of input 0, counted from the front.
func (c *call) axis(name string, def int64) int64 {
	return fromFront(c.node.Int(name, def), int64(len(c.inDims(0))))
}

func fromFront(axis, rank int64) int64 {
	if axis < 0 {
		return axis + rank
	}
	return axis
}

// clipRule: what a bound cut off is the bound's, the upper one's where both are
// reached.
func clipRule(c *call) error {
	x, y, dy := c.in(0), c.out(0), c.dy(0)
	if c.wants(0) {
		c.give(0, c.clipped(x, y, dy))
	}
	one, above := c.scalar(1), c.scalar(0)
	if hi := c.in(2); hi != nil && (c.wants(1) || c.wants(2)) {
		above = c.sub(one, c.positive(c.sub(hi, y)))
		if c.wants(2) {
			c.give(2, c.reshape(c.sumAll(c.mul(dy, above)), c.inDims(2)...))
		}
	}
	if c.wants(1) {
		below := c.mul(c.sub(one, above), c.sub(one, c.positive(c.sub(y, c.in(1)))))
		c.give(1, c.reshape(c.sumAll(c.mul(dy, below)), c.inDims(1)...))
	}
	return nil
}

// clipped is the gradient of a Clip's x.
func (c *call) clipped(x, y, dy *ir.Value) *ir.Value {
	if c.inQuantiser() { // the lowest and the highest level are inside
		return c.mul(dy, c.compare("Equal", x, y))
	}
	if mid, half, ok := c.between(); ok { // |y - mid| < half
		away := c.unary("Abs", c.plus(y, -mid))
		inside := c.unary("HardSigmoid", away, ir.FloatAttr("alpha", -steep), ir.FloatAttr("beta", float32(half*steep)))
		return c.mul(dy, inside)
	}
	if lo := c.in(1); lo != nil {
		dy = c.mul(dy, c.positive(c.sub(y, lo)))
	}
	if hi := c.in(2); hi != nil {
		dy = c.mul(dy, c.positive(c.sub(hi, y)))
	}
	return dy
}

// sumAll adds up all elements: a scalar.
func (b *builder) sumAll(x *ir.Value) *ir.Value {
	axes := make([]int64, len(b.dims(x)))
	for i := range axes {
		axes[i] = int64(i)
	}
	if len(axes) == 0 {
		return x
	}
	return b.sum(x, false, axes...)
}

// between returns middle and half width of a Clip's interval where both bounds are
// constants and neither bound counts as inside in float32.
func (c *call) between() (mid, half float64, ok bool) {
	var bounds [2]float32
	for i := range bounds {
		v := c.in(1 + i)
		if v == nil || v.Const() == nil {
			return 0, 0, false
		}
		x, err := v.Const().Floats()
		if err != nil || len(x) != 1 {
			return 0, 0, false
		}
		bounds[i] = x[0]
	}
	lo, hi := bounds[0], bounds[1]
	m, h := (lo+hi)/2, (hi-lo)/2
	if !(h > 0 && h < 1e7) {
		return 0, 0, false
	}
	outside := func(y float32) bool { return float32(math.Abs(float64(y-m))) >= h }
	return float64(m), float64(h), outside(lo) && outside(hi)
}

func gelu(c *call, x, y, dy *ir.Value) *ir.Value {
	if c.node.Str("approximate", "none") == "tanh" {
		// y = x (1 + t) / 2, t = tanh(k (x + a x^3)):
		// (1 + t) / 2 + x (1 - t^2) / 2 * k (1 + 3 a x^2)
		const a = 0.044715
		k := math.Sqrt(2 / math.Pi)
		xx := c.mul(x, x)
		t := c.unary("Tanh", c.mul(x, c.plus(c.scale(xx, a*k), k)))
		inner := c.plus(c.scale(xx, 3*a*k), k)
		slope := c.mul(c.mul(x, c.sub(c.scalar(1), c.mul(t, t))), inner)
		return c.mul(dy, c.scale(c.plus(c.add(t, slope), 1), 0.5))
	}
	// F(x) + x f(x), F = (1 + erf(x / sqrt 2)) / 2
	cdf := c.scale(c.plus(c.unary("Erf", c.scale(x, math.Sqrt2/2)), 1), 0.5)
	pdf := c.scale(c.unary("Exp", c.scale(c.mul(x, x), -0.5)), 1/math.Sqrt(2*math.Pi))
	return c.mul(dy, c.add(cdf, c.mul(x, pdf)))
}
