package shape

import (
	"math"

	"github.com/bottlenet/bnc/compiler/ir"
)

// constantOfShape fills the shape in input 0 with attribute value.
func constantOfShape(c *call) ([]Type, error) {
	dtype, fill := fillOf(c.tensor("value"))
	dims, known := c.shapeArg("", 0)
	if !known {
		return one(Unranked(dtype))
	}
	out := TensorOf(dtype, dims...)
	shape, ok := out.small()
	if !ok {
		return one(out)
	}
	return one(out.with(fill.pick(positions(shape, func([]int64) int { return 0 }))))
}

// fillOf returns type and value of the tensor of one element that fills a shape,
// float32 zero where it is nil.
func fillOf(t *ir.Tensor) (ir.DType, data) {
	if t == nil {
		return ir.Float32, data{reals: []real{number(0)}}
	}
	if elem, err := constantType(t); err == nil && len(elem.Content) == 1 {
		return t.DType(), elem.data()
	}
	if reals, ok := constReals(t); ok && len(reals) == 1 {
		return t.DType(), data{reals: reals}
	}
	return t.DType(), data{}
}

// constant is the tensor in whichever attribute holds it.
func constant(c *call) ([]Type, error) {
	v := c.node.Output(0)
	if v == nil {
		return nil, nil
	}
	if t := literal(v); t != nil {
		out, err := constantType(t)
		if err != nil {
			return nil, c.failf("%w", err)
		}
		return one(out)
	}
	if a := c.attr("sparse_value"); a != nil && len(a.Sparse) == 1 {
		return one(TensorOf(a.Sparse[0].Values.DType(), constDims(a.Sparse[0].Proto.GetDims())...))
	}
	if a := c.attr("value_string"); a != nil {
		return one(TensorOf(ir.String))
	}
	if a := c.attr("value_strings"); a != nil {
		return one(TensorOf(ir.String, Const(int64(len(a.Proto.Strings)))))
	}
	return c.referredConstant()
}

// referredConstant is a Constant in a function whose value an attribute of the
// call gives.
func (c *call) referredConstant() ([]Type, error) {
	if t := c.tensor("value"); t != nil {
		out, err := constantType(t)
		if err != nil {
			return nil, c.failf("%w", err)
		}
		return one(out)
	}
	if a := c.attr("value_int"); a != nil {
		return one(TensorOf(ir.Int64).with(data{ints: []Dim{Const(a.Proto.GetI())}}))
	}
	if a := c.attr("value_ints"); a != nil {
		ints := constDims(a.Proto.Ints)
		return one(TensorOf(ir.Int64, Const(int64(len(ints)))).with(data{ints: ints}))
	}
	if a := c.attr("value_float"); a != nil {
		return one(TensorOf(ir.Float32).with(data{reals: []real{number(float64(a.Proto.GetF()))}}))
	}
	if a := c.attr("value_floats"); a != nil {
		return one(TensorOf(ir.Float32, Const(int64(len(a.Proto.Floats)))))
	}
	return nil, nil
}

// rangeRule is Range: start, limit, delta.
func rangeRule(c *call) ([]Type, error) {
	dtype := c.arg(0).DType
	start, limit, delta := c.arg(0).Content, c.arg(1).Content, c.arg(2).Content
	if len(start) == 1 && len(limit) == 1 && len(delta) == 1 {
		step, ok := delta[0].Int()
		if !ok || step == 0 || step == math.MinInt64 {
			return one(TensorOf(dtype, Dim{}))
		}
		distance := limit[0].Sub(start[0])
		if step < 0 {
			distance = distance.Mul(Const(-1))
			step = -step
		}
		count := Const(0).Max(distance.CeilDiv(Const(step)))
		out := TensorOf(dtype, count)
		if n, ok := count.Int(); ok && n <= maxContent {
			ints := make([]Dim, n)
			for i := range ints {
				ints[i] = start[0].Add(delta[0].Mul(Const(int64(i))))
			}
			out = out.with(data{ints: ints})
		}
		return one(out)
	}
	count := Dim{}
	from, ok0 := c.realsOf(0)
	to, ok1 := c.realsOf(1)
	step, ok2 := c.realsOf(2)
	if ok0 && ok1 && ok2 && len(from) == 1 && len(to) == 1 && len(step) == 1 {
		count = to[0].sub(from[0]).round(dtype).div(step[0]).ceil()
		if n, ok := count.Int(); ok && n < 0 {
			count = Const(0)
		}
	}
	return one(TensorOf(dtype, count))
}
