package shape

import "slices"

// concat joins its inputs along axis.
func concat(c *call) ([]Type, error) { return c.concat(upTo(len(c.in))) }

func (c *call) concat(inputs []int) ([]Type, error) {
	out := Unranked(c.arg(inputs[0]).DType)
	first := -1 // input of known rank
	for _, i := range inputs {
		if c.arg(i).Ranked && first < 0 {
			first = i
		}
	}
	if first < 0 {
		return one(out)
	}
	out.Ranked, out.Dims = true, slices.Clone(c.arg(first).Dims)
	axis, err := c.axis("axis", c.int("axis", 1), len(out.Dims), false)
	if err != nil {
		return nil, err
	}
	sum := Const(0)
	parts := make([]data, len(inputs))
	for k, i := range inputs {
		t := c.arg(i)
		if !t.Ranked {
			sum = Dim{}
			continue
		}
		if len(t.Dims) != len(out.Dims) {
			return nil, c.badInput(i, "rank %d, as the other inputs have", len(out.Dims))
		}
		for j, d := range t.Dims {
			if j == axis {
				continue
			}
			a, aConst := d.Int()
			b, bConst := out.Dims[j].Int()
			if aConst && bConst && a != b {
				return nil, c.badInput(i, "size %d in dimension %d, as the other inputs have", b, j)
			}
			if aConst { // a number is better than a symbol
				out.Dims[j] = d
			}
		}
		sum = sum.Add(t.Dims[axis])
		parts[k] = t.data()
		if reals, ok := c.realsOf(i); ok && len(t.Dims) == 1 {
			parts[k].reals = reals
		}
	}
	out.Dims[axis] = sum
	if len(out.Dims) == 1 {
		out = out.with(join(parts))
	}
	return one(out)
}

// split cuts input 0 along axis into parts of the given sizes (an input from
// operator set 13 on), or into equal ones, of which from operator set 18 on the
// last may be smaller.
func split(c *call) ([]Type, error) {
	x := c.arg(0)
	count := int64(c.node.NumOutputs())
	count = c.int("num_outputs", count)
	outs := make([]Type, c.node.NumOutputs())
	for i := range outs {
		outs[i] = Unranked(x.DType)
	}
	if !x.Ranked {
		return outs, nil
	}
	axis, err := c.axis("axis", c.int("axis", 0), len(x.Dims), false)
	if err != nil {
		return nil, err
	}
	sizes, err := c.splitSizes(x.Dims[axis], count)
	if err != nil {
		return nil, err
	}
	from := Const(0)
	for i := range outs {
		dims := slices.Clone(x.Dims)
		dims[axis] = Dim{}
		if i < len(sizes) {
			dims[axis] = sizes[i]
		}
		outs[i] = TensorOf(x.DType, dims...)
		if start, ok := from.Int(); ok && len(dims) == 1 {
			outs[i] = moved(x, outs[i], func(index []int64) int { return int(start + index[0]) })
		}
		from = from.Add(dims[axis])
	}
	return outs, nil
}

// splitSizes returns the sizes of the parts, unknown ones where they are given
// by a value that is not known.
func (c *call) splitSizes(total Dim, count int64) ([]Dim, error) {
	list, given, known := c.listed("split", 1)
	if !known {
		return slices.Clone(c.arg(1).Content), nil
	}
	if !given {
		if count <= 0 || count > int64(c.node.NumOutputs()) {
			return nil, c.failf("expected num_outputs to be the number of outputs, found %d", count)
		}
		size, isConst := total.Int()
		if c.version < 18 && isConst && size%count != 0 {
			return nil, c.badInput(0, "a size that can be divided by %d along the split axis", count)
		}
		part := total.FloorDiv(Const(count))
		if c.version >= 18 {
			part = total.CeilDiv(Const(count))
		}
		sizes := slices.Repeat([]Dim{part}, int(count))
		sizes[count-1] = total.Sub(part.Mul(Const(count - 1)))
		return sizes, nil
	}
	sum := Const(0)
	for _, n := range list {
		sum = sum.Add(Const(n))
	}
	if n, ok := total.Int(); ok && !sum.Is(n) {
		return nil, c.badInput(0, "%v in the split dimension, the sum of the parts %v", sum, list)
	}
	if len(list) != c.node.NumOutputs() {
		return nil, c.failf("expected one size for each of the %d outputs, found %v", c.node.NumOutputs(), list)
	}
	return constDims(list), nil
}

// expand broadcasts input 0 with the shape in input 1, both ways.
func expand(c *call) ([]Type, error) {
	x := c.arg(0)
	target, known := c.shapeArg("shape", 1)
	if !x.Ranked || !known {
		return one(Unranked(x.DType))
	}
	long, short := x.Dims, target
	if len(long) < len(short) {
		long, short = short, long
	}
	dims := slices.Clone(long)
	skip := len(long) - len(short)
	for i, d := range short {
		size, ok := broadcastDim(dims[skip+i], d)
		if !ok {
			return nil, c.badInput(0, "a shape that broadcasts with %s", dimsString(target, true))
		}
		dims[skip+i] = size
	}
	out := TensorOf(x.DType, dims...)
	in, okIn := x.small()
	shape, okOut := out.small()
	if okIn && okOut && x.data().known() {
		out = out.with(x.data().pick(broadcastPositions(in, shape)))
	}
	return one(out)
}

// tile repeats input 0 as often as input 1 says for each axis.
func tile(c *call) ([]Type, error) {
	x := c.arg(0)
	if !x.Ranked {
		return one(Unranked(x.DType))
	}
	repeats := c.arg(1).Content
	if repeats != nil && len(repeats) != len(x.Dims) {
		return nil, c.badInput(1, "%d repeats, one for each dimension of %s", len(x.Dims), x)
	}
	dims := make([]Dim, len(x.Dims))
	for i := range repeats {
		dims[i] = x.Dims[i].Mul(repeats[i])
	}
	in, _ := x.small()
	step := strides(in)
	return one(moved(x, TensorOf(x.DType, dims...), func(index []int64) int {
		p := int64(0)
		for i := range in {
			p += index[i] % in[i] * step[i]
		}
		return int(p)
	}))
}
