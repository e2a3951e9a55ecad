package shape

import (
	"math"
	"slices"

	"github.com/bottlenet/bnc/compiler/ir"
)

// slice cuts ranges out of axes; starts, ends, axes and steps are attributes
// before operator set 10 and inputs from it on.
func slice(c *call) ([]Type, error) {
	x := c.arg(0)
	if !x.Ranked {
		return one(Unranked(x.DType))
	}
	starts, ends := c.sliceArg("starts", 1), c.sliceArg("ends", 2)
	dims := slices.Clone(x.Dims)
	list, given, known := c.listed("axes", 3)
	if !known { // any axis may be cut
		return one(TensorOf(x.DType, make([]Dim, len(dims))...))
	}
	if !given {
		n := max(len(starts), len(ends))
		if starts == nil && ends == nil {
			n = len(dims)
		}
		for i := range n {
			list = append(list, int64(i))
		}
	}
	axes, err := c.axes("axes", list, len(dims))
	if err != nil {
		return nil, err
	}
	steps := slices.Repeat([]Dim{Const(1)}, len(axes))
	if c.has(4) {
		steps = c.arg(4).Content
	}
	from, by := make([]int64, len(dims)), slices.Repeat([]int64{1}, len(dims))
	exact := true
	for i, axis := range axes {
		if i >= len(starts) || i >= len(ends) || i >= len(steps) {
			dims[axis], exact = Dim{}, false
			continue
		}
		step, ok := steps[i].Int()
		if ok && step == 0 {
			return nil, c.failf("expected steps other than 0, found 0 for axis %d", axis)
		}
		if !ok || step == math.MinInt64 {
			dims[axis], exact = Dim{}, false
			continue
		}
		var first Dim
		dims[axis], first = sliceAxis(dims[axis], starts[i], ends[i], step)
		from[axis], ok = first.Int()
		by[axis] = step
		exact = exact && ok
	}
	out := TensorOf(x.DType, dims...)
	in, ok := x.small()
	if !ok || !exact {
		return one(out)
	}
	stride := strides(in)
	return one(moved(x, out, func(index []int64) int {
		p := int64(0)
		for i := range index {
			p += (from[i] + index[i]*by[i]) * stride[i]
		}
		return int(p)
	}))
}

func (c *call) sliceArg(name string, i int) []Dim {
	if list, ok := c.ints(name); ok && !c.has(i) {
		return constDims(list)
	}
	return c.arg(i).Content
}

// sliceAxis returns the size of an axis cut from start to end, and where the
// first element lies. Bounds beyond the axis are moved to its ends; negative
// ones count from its end.
func sliceAxis(size, start, end Dim, step int64) (length, first Dim) {
	if !start.known || !end.known {
		return Dim{}, Dim{}
	}
	// Exporters write "to the end" as one of these.
	far := func(d Dim) int {
		n, ok := d.Int()
		switch {
		case ok && n >= math.MaxInt32:
			return 1
		case ok && n <= math.MinInt32:
			return -1
		}
		return 0
	}
	if step < 0 && far(end) == 1 { // nothing by ONNX, all before it by ONNX Runtime
		return Dim{}, Dim{}
	}
	low, high := Const(0), size
	if step < 0 {
		low, high = Const(-1), size.Sub(Const(1))
	}
	bound := func(d, low, high Dim) Dim {
		switch far(d) {
		case 1:
			return high
		case -1:
			return low
		}
		if n, ok := d.Int(); ok && n < 0 {
			d = d.Add(size)
		}
		return d.Max(low).Min(high)
	}
	if step < 0 {
		first = bound(start, Const(0), high)
		length = first.Sub(bound(end, low, high)).CeilDiv(Const(-step)).Max(Const(0))
		return length, first
	}
	first = bound(start, low, high)
	length = bound(end, low, high).Sub(first).CeilDiv(Const(step)).Max(Const(0))
	return length, first
}

// gather replaces axis of input 0 by the shape of input 1.
func gather(c *call) ([]Type, error) {
	x, at := c.arg(0), c.arg(1)
	if !x.Ranked || !at.Ranked {
		return one(Unranked(x.DType))
	}
	axis, err := c.axis("axis", c.int("axis", 0), len(x.Dims), false)
	if err != nil {
		return nil, err
	}
	dims := slices.Concat(x.Dims[:axis], at.Dims, x.Dims[axis+1:])
	out := TensorOf(x.DType, dims...)
	in, ok := x.small()
	chosen, known := at.Ints()
	if !ok || !known {
		return one(out)
	}
	for i, n := range chosen {
		if n < 0 {
			chosen[i] += in[axis]
		}
		if chosen[i] < 0 || chosen[i] >= in[axis] {
			return nil, c.badInput(1, "indices in %d..%d, the size of axis %d", -in[axis], in[axis]-1, axis)
		}
	}
	places, _ := at.Shape()
	inStep, atStep := strides(in), strides(places)
	return one(moved(x, out, func(index []int64) int {
		k, p := int64(0), int64(0)
		for i, s := range atStep {
			k += index[axis+i] * s
		}
		for i := range in {
			switch {
			case i < axis:
				p += index[i] * inStep[i]
			case i == axis:
				p += chosen[k] * inStep[i]
			default:
				p += index[i-1+len(places)] * inStep[i]
			}
		}
		return int(p)
	}))
}

// gatherElements has the shape of the indices and the element type of the data.
func gatherElements(c *call) ([]Type, error) {
	x, at := c.arg(0), c.arg(1)
	if x.Ranked && at.Ranked && len(x.Dims) != len(at.Dims) {
		return nil, c.badInput(1, "rank %d, as the data have", len(x.Dims))
	}
	return one(Type{Kind: Tensor, DType: x.DType, Ranked: at.Ranked, Dims: at.Dims})
}

// gatherND: the last axis of the indices is a position in the data behind the
// batch dimensions.
func gatherND(c *call) ([]Type, error) {
	x, at := c.arg(0), c.arg(1)
	batch := c.int("batch_dims", 0)
	if !x.Ranked || !at.Ranked || len(at.Dims) == 0 {
		return one(Unranked(x.DType))
	}
	last := len(at.Dims) - 1
	depth, ok := at.Dims[last].Int()
	if !ok {
		return one(Unranked(x.DType))
	}
	if batch < 0 || depth < 0 || depth > int64(len(x.Dims)) || batch+depth > int64(len(x.Dims)) {
		return nil, c.badInput(1, "at most %d indices a position", int64(len(x.Dims))-batch)
	}
	return one(TensorOf(x.DType, slices.Concat(at.Dims[:last], x.Dims[batch+depth:])...))
}

// scatterND overwrites parts of input 0; shape arithmetic uses it to replace
// single sizes.
func scatterND(c *call) ([]Type, error) {
	x := c.arg(0)
	out := Type{Kind: Tensor, DType: x.DType, Ranked: x.Ranked, Dims: x.Dims}
	at, ok := c.arg(1).Ints()
	updates := c.arg(2).Content
	if !ok || updates == nil || x.Content == nil || len(x.Dims) != 1 || len(at) != len(updates) ||
		c.str("reduction", "none") != "none" {
		return one(out)
	}
	return c.overwrite(out, x.Content, at, updates)
}

// scatterElements does the same along an axis.
func scatterElements(c *call) ([]Type, error) {
	x := c.arg(0)
	if at := c.arg(1); x.Ranked && at.Ranked && len(at.Dims) != len(x.Dims) {
		return nil, c.badInput(1, "rank %d, as the data have", len(x.Dims))
	}
	return scatterND(c)
}

func (c *call) overwrite(out Type, old []Dim, at []int64, updates []Dim) ([]Type, error) {
	ints := slices.Clone(old)
	for i, n := range at {
		if n < 0 {
			n += int64(len(ints))
		}
		if n < 0 || n >= int64(len(ints)) {
			return nil, c.badInput(1, "indices in %d..%d", -len(ints), len(ints)-1)
		}
		ints[n] = updates[i]
	}
	return one(out.with(data{ints: ints}))
}

// pad adds to both ends of each axis, or with negative numbers takes away; pads
// and axes are attributes before operator set 11 and inputs from it on.
func pad(c *call) ([]Type, error) {
	x := c.arg(0)
	if !x.Ranked {
		return one(Unranked(x.DType))
	}
	pads := c.sliceArg("pads", 1)
	if pads == nil {
		pads = c.sliceArg("paddings", 1) // operator set 1
	}
	dims := slices.Clone(x.Dims)
	list, given, known := c.listed("axes", 3)
	if pads == nil || !known {
		return one(TensorOf(x.DType, make([]Dim, len(dims))...))
	}
	axes := upTo(len(dims))
	if given {
		var err error
		if axes, err = c.axes("axes", list, len(dims)); err != nil {
			return nil, err
		}
	}
	if len(pads) != 2*len(axes) {
		return nil, c.failf("expected %d pads, two for each of %d axes, found %d", 2*len(axes), len(axes), len(pads))
	}
	for i, axis := range axes {
		dims[axis] = dims[axis].Add(pads[i]).Add(pads[len(axes)+i])
	}
	return one(TensorOf(x.DType, dims...))
}

// nonZero has a column for each element that is not zero.
func nonZero(c *call) ([]Type, error) {
	rank := Dim{}
	if n, ok := c.arg(0).Rank(); ok {
		rank = Const(int64(max(n, 1)))
	}
	return one(TensorOf(ir.Int64, rank, c.nonZeros()))
}

// nonZeros counts them where the contents are known, or are what a
// ConstantOfShape fills a tensor with: exporters without Range number the
// elements of an axis so.
func (c *call) nonZeros() Dim {
	x := c.arg(0)
	if p := c.node.Input(0).Producer(); p != nil && p.Op == "ConstantOfShape" && p.Domain == "" {
		_, fill := fillOf(p.Tensor("value"))
		if len(fill.ints) == 1 && fill.ints[0].Differs(Const(0)) {
			return x.Elements()
		}
		if len(fill.reals) == 1 && fill.reals[0].known && fill.reals[0].f != 0 {
			return x.Elements()
		}
	}
	values, ok := x.Ints()
	if !ok {
		return Dim{}
	}
	count := int64(0)
	for _, v := range values {
		if v != 0 {
			count++
		}
	}
	return Const(count)
}

// compress keeps the chosen entries along axis, or of all elements.
func compress(c *call) ([]Type, error) {
	x := c.arg(0)
	if c.attr("axis") == nil {
		return one(TensorOf(x.DType, Dim{}))
	}
	if !x.Ranked {
		return one(Unranked(x.DType))
	}
	axis, err := c.axis("axis", c.int("axis", 0), len(x.Dims), false)
	if err != nil {
		return nil, err
	}
	dims := slices.Clone(x.Dims)
	dims[axis] = Dim{}
	return one(TensorOf(x.DType, dims...))
}

// unique has as many entries as the data have different ones.
func unique(c *call) ([]Type, error) {
	x := c.arg(0)
	list := func() Type { return TensorOf(ir.Int64, Dim{}) }
	first := TensorOf(x.DType, Dim{})
	if c.attr("axis") != nil {
		outs, err := compress(c)
		if err != nil {
			return nil, err
		}
		first = outs[0]
	}
	return []Type{first, list(), list(), list()}, nil
}

// topK keeps the k largest entries of an axis; k is an input from operator set
// 10 on.
func topK(c *call) ([]Type, error) {
	x := c.arg(0)
	if !x.Ranked {
		return []Type{Unranked(x.DType), Unranked(ir.Int64)}, nil
	}
	axis, err := c.axis("axis", c.int("axis", -1), len(x.Dims), false)
	if err != nil {
		return nil, err
	}
	k := Dim{}
	if a := c.attr("k"); a != nil {
		k = Const(a.Proto.GetI())
	} else if content := c.arg(1).Content; len(content) == 1 {
		k = content[0]
	}
	dims := slices.Clone(x.Dims)
	if x.Dims[axis].Less(k) {
		return nil, c.badInput(0, "size %v or more in dimension %d, for that many largest entries", k, axis)
	}
	dims[axis] = k
	return []Type{TensorOf(x.DType, dims...), TensorOf(ir.Int64, dims...)}, nil
}

// oneHot inserts an axis of size depth, which is input 1.
func oneHot(c *call) ([]Type, error) {
	at, dtype := c.arg(0), c.arg(2).DType
	if !at.Ranked {
		return one(Unranked(dtype))
	}
	axis, err := c.axis("axis", c.int("axis", -1), len(at.Dims)+1, false)
	if err != nil {
		return nil, err
	}
	depth := Dim{}
	if content := c.arg(1).Content; len(content) == 1 {
		depth = content[0]
	} else if reals, ok := c.realsOf(1); ok && len(reals) == 1 {
		depth = reals[0].trunc()
	}
	return one(TensorOf(dtype, slices.Insert(slices.Clone(at.Dims), axis, depth)...))
}
