package shape

import (
	"slices"

	"github.com/bottlenet/bnc/compiler/ir"
)

// reduce is the rule of the Reduce operators: the axes, an attribute before
// operator set 13 or 18 and then an input, become 1 or are dropped. None mean
// all, or with noop_with_empty_axes none. Contents are folded with f.
func reduce(f scalar) rule {
	return func(c *call) ([]Type, error) { return c.reduce(f, 1) }
}

func (c *call) reduce(f scalar, axesInput int) ([]Type, error) {
	x := c.arg(0)
	keep := c.int("keepdims", 1) != 0
	list, _, known := c.listed("axes", axesInput)
	if !x.Ranked || !known && !keep {
		return one(Unranked(x.DType))
	}
	if x.Elements().Is(0) { // ONNX Runtime and ONNX disagree on what is left
		return one(Unranked(x.DType))
	}
	if !known { // any size may become 1
		return one(TensorOf(x.DType, make([]Dim, len(x.Dims))...))
	}
	if len(list) == 0 && c.int("noop_with_empty_axes", 0) != 0 {
		return one(Type{Kind: Tensor, DType: x.DType, Ranked: true, Dims: x.Dims})
	}
	axes, err := c.axes("axes", list, len(x.Dims))
	if err != nil {
		return nil, err
	}
	all := len(axes) == 0 || len(axes) == len(x.Dims)
	var dims []Dim
	for i, d := range x.Dims {
		switch {
		case !all && !slices.Contains(axes, i):
			dims = append(dims, d)
		case keep:
			dims = append(dims, Const(1))
		}
	}
	out := TensorOf(x.DType, dims...)
	switch reals, _ := c.realsOf(0); {
	case all && len(x.Content) > 0 && f.ints != nil:
		// ONNX Runtime does not wrap these.
		out = out.with(data{ints: []Dim{fits(x.DType)(inDouble(f.ints(convert(x.Content, inDouble))))}})
	case all && len(reals) > 0 && f.picks:
		out = out.with(data{reals: []real{f.reals(reals)}})
	}
	return one(out)
}

// argReduce is the rule of ArgMax and ArgMin: positions along one axis.
func argReduce(c *call) ([]Type, error) {
	x := c.arg(0)
	if !x.Ranked {
		return one(Unranked(ir.Int64))
	}
	axis, err := c.axis("axis", c.int("axis", 0), len(x.Dims), false)
	if err != nil {
		return nil, err
	}
	dims := slices.Clone(x.Dims)
	if dims[axis] = Const(1); c.int("keepdims", 1) == 0 {
		dims = slices.Delete(dims, axis, axis+1)
	}
	return one(TensorOf(ir.Int64, dims...))
}

// cumulate is CumSum and the like: the shape stays. Contents of vectors are
// followed for plain sums.
func cumulate(c *call) ([]Type, error) {
	x := c.arg(0)
	out := Type{Kind: Tensor, DType: x.DType, Ranked: x.Ranked, Dims: x.Dims}
	plain := c.node.Op == "CumSum" && c.int("exclusive", 0) == 0 && c.int("reverse", 0) == 0
	if len(x.Dims) != 1 || x.Content == nil || !plain {
		return one(out)
	}
	sums := make([]Dim, len(x.Content))
	sum := Const(0)
	for i, d := range x.Content {
		sum = sum.Add(d)
		sums[i] = sum
	}
	return one(out.with(data{ints: sums}))
}
