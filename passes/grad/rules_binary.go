package grad

import "github.com/bottlenet/bnc/compiler/ir"

// binaryRules are those of operators with several operands that broadcast
// (numpy's rules): [call.giveSum] sums a contribution down to its operand's shape.
var binaryRules = map[string]rule{
	"Add": {vjp: func(c *call) error {
		for i := range 2 {
			if c.wants(i) {
				c.giveSum(i, c.dy(0))
			}
		}
		return nil
	}},
	"Sub": {vjp: func(c *call) error {
		if c.wants(0) {
			c.giveSum(0, c.dy(0))
		}
		if c.wants(1) {
			c.give(1, c.neg(c.unbroadcast(c.dy(0), c.inDims(1))))
		}
		return nil
	}},
	// y = a b: da = dy b, db = dy a
	"Mul": {vjp: func(c *call) error {
		for i := range 2 {
			if c.wants(i) {
				c.giveSum(i, c.mul(c.dy(0), c.in(1-i)))
			}
		}
		return nil
	}},
	// y = a / b: da = dy / b, db = -dy y / b
	"Div": {vjp: func(c *call) error {
		if !c.wants(0) && !c.wants(1) {
			return nil
		}
		q := c.div(c.dy(0), c.in(1))
		if c.wants(0) {
			c.giveSum(0, q)
		}
		if c.wants(1) {
			c.give(1, c.neg(c.unbroadcast(c.mul(q, c.out(0)), c.inDims(1))))
		}
		return nil
	}},
	// y = a^b: da = dy b a^(b-1), db = dy y log a, with 0 for the log where a = 0
	"Pow": {vjp: powRule},
	"Sum": {vjp: func(c *call) error {
		for i := range c.node.Inputs() {
			if c.wants(i) {
				c.giveSum(i, c.dy(0))
			}
		}
		return nil
	}},
	"Mean": {vjp: func(c *call) error {
		dy := c.scale(c.dy(0), 1/float64(c.node.NumInputs()))
		for i := range c.node.Inputs() {
			if c.wants(i) {
				c.giveSum(i, dy)
			}
		}
		return nil
	}},
	"Max": {vjp: extremum},
	"Min": {vjp: extremum},
	// y = cond ? a : b
	"Where": {vjp: func(c *call) error {
		zero := c.scalar(0)
		if c.wants(1) {
			c.giveSum(1, c.where(c.in(0), c.dy(0), zero))
		}
		if c.wants(2) {
			c.giveSum(2, c.where(c.in(0), zero, c.dy(0)))
		}
		return nil
	}},
	// y = x > 0 ? x : slope x
	"PRelu": {vjp: func(c *call) error {
		x, dy := c.in(0), c.dy(0)
		p := c.positive(x)
		below := c.sub(c.scalar(1), p)
		if c.wants(0) {
			c.giveSum(0, c.mul(dy, c.add(p, c.mul(below, c.in(1)))))
		}
		if c.wants(1) {
			c.giveSum(1, c.mul(dy, c.mul(below, x)))
		}
		return nil
	}},
}

// extremum gives the gradient of Max and Min to the operands that are the
// extremum, in equal parts where several are (as PyTorch does for two).
func extremum(c *call) error {
	masks := make([]*ir.Value, c.node.NumInputs())
	var total *ir.Value
	for i := range masks {
		masks[i] = c.compare("Equal", c.in(i), c.out(0))
		if total == nil {
			total = masks[i]
		} else {
			total = c.add(total, masks[i])
		}
	}
	share := c.div(c.dy(0), total)
	for i := range masks {
		if c.wants(i) {
			c.giveSum(i, c.mul(share, masks[i]))
		}
	}
	return nil
}

// powRule computes b a^(b-1) with factor 0 for b = 0, where a^(b-1) may be
// infinite. A constant exponent is a number in it, and 2 needs no power.
func powRule(c *call) error {
	x, e, y, dy := c.in(0), c.in(1), c.out(0), c.dy(0)
	if n, ok := number(e); ok && !c.wants(1) {
		switch {
		case !c.wants(0):
		case n == 0:
			c.give(0, c.zeros(c.dims(x)))
		case n == 2:
			c.giveSum(0, c.mul(dy, c.scale(x, n)))
		default:
			c.giveSum(0, c.mul(dy, c.scale(c.binary("Pow", x, c.scalar(n-1)), n)))
		}
		return nil
	}
	if c.info.Of(e).DType != ir.Float32 {
		e = c.cast(e)
	}
	if c.wants(0) {
		zero := c.emit("", "Equal", ir.Bool, c.dims(e), []*ir.Value{e, c.scalar(0)})
		slope := c.where(zero, c.scalar(0), c.mul(e, c.binary("Pow", x, c.plus(e, -1))))
		c.giveSum(0, c.mul(dy, slope))
	}
	if c.wants(1) {
		// log of x where x > 0, else 0
		p := c.compare("Greater", x, c.scalar(0))
		log := c.mul(p, c.unary("Log", c.binary("Max", x, c.scalar(1e-37))))
		c.giveSum(1, c.mul(c.mul(dy, y), log))
	}
	return nil
}

// number returns the element of a constant that has one.
func number(v *ir.Value) (float64, bool) {
	t := v.Const()
	if t == nil || t.Len() != 1 {
		return 0, false
	}
	if t.DType().IsFloat() {
		f, err := t.Floats()
		return float64(append(f, 0)[0]), err == nil
	}
	n, err := t.Ints()
	return float64(append(n, 0)[0]), err == nil
}
