package grad

import "github.com/bottlenet/bnc/compiler/ir"

// reduceRules are those of reductions over axes.
var reduceRules = map[string]rule{
	"ReduceSum":  {vjp: reduction(func(c *call, x, y, dy *ir.Value, n int64) *ir.Value { return dy })},
	"ReduceMean": {vjp: reduction(func(c *call, x, y, dy *ir.Value, n int64) *ir.Value { return c.scale(dy, 1/float64(n)) })},
	// in equal parts to all that are the extremum, as PyTorch's amax does
	"ReduceMax": {vjp: reduction(reduceExtremum)},
	"ReduceMin": {vjp: reduction(reduceExtremum)},
	// y = sum x^2
	"ReduceSumSquare": {vjp: reduction(func(c *call, x, y, dy *ir.Value, n int64) *ir.Value { return c.mul(c.scale(dy, 2), x) })},
	// y = sqrt(sum x^2): dx = dy x / y
	"ReduceL2": {vjp: reduction(func(c *call, x, y, dy *ir.Value, n int64) *ir.Value { return c.mul(c.div(dy, y), x) })},
	"ReduceL1": {vjp: reduction(func(c *call, x, y, dy *ir.Value, n int64) *ir.Value { return c.mul(dy, c.unary("Sign", x)) })},
	// y = log sum x: dx = dy / sum x = dy exp(-y)
	"ReduceLogSum": {vjp: reduction(func(c *call, x, y, dy *ir.Value, n int64) *ir.Value { return c.mul(dy, c.unary("Exp", c.neg(y))) })},
	// y = log sum exp(x): dx = dy exp(x - y)
	"ReduceLogSumExp": {vjp: reduction(func(c *call, x, y, dy *ir.Value, n int64) *ir.Value { return c.mul(dy, c.unary("Exp", c.sub(x, y))) })},
}

// reduction hands y and dy over with the reduced axes kept, so that they
// broadcast against x, and the number of elements behind each of y's.
func reduction(dx func(c *call, x, y, dy *ir.Value, n int64) *ir.Value) func(*call) error {
	return func(c *call) error {
		if !c.wants(0) {
			return nil
		}
		x := c.inDims(0)
		axes, err := c.axes()
		if err != nil {
			return err
		}
		kept := reduced(x, true, axes)
		y, dy := c.reshape(c.out(0), kept...), c.reshape(c.dy(0), kept...)
		c.give(0, c.expand(dx(c, c.in(0), y, dy, ir.Elements(x)/ir.Elements(kept)), x))
		return nil
	}
}

// axes returns the axes of a reduction, counted from the front: an attribute
// before opset 18 (13 for ReduceSum) and a constant input from then on; none
// given means all, unless noop_with_empty_axes.
func (c *call) axes() ([]int64, error) {
	rank := int64(len(c.inDims(0)))
	axes := c.node.Ints("axes")
	if c.in(1) != nil {
		var ok bool
		if axes, ok = c.ints1(1); !ok {
			return nil, c.errorf("its axes are not constant")
		}
	}
	if len(axes) == 0 && c.node.Int("noop_with_empty_axes", 0) == 0 {
		for i := range rank {
			axes = append(axes, i)
		}
	}
	out := make([]int64, len(axes))
	for i, a := range axes {
		out[i] = fromFront(a, rank)
	}
	return out, nil
}

// ints1 returns the elements of integer input i where they are known.
func (c *call) ints1(i int) ([]int64, bool) {
	return c.info.Of(c.in(i)).Ints()
}

func reduceExtremum(c *call, x, y, dy *ir.Value, n int64) *ir.Value {
	mask := c.compare("Equal", x, y)
	axes, _ := c.axes()
	if len(axes) == 0 { // nothing was reduced
		return dy
	}
	return c.mul(mask, c.div(dy, c.sum(mask, true, axes...)))
}
