package shape

import (
	"math"
	"slices"

	"github.com/bottlenet/bnc/compiler/ir"
)

// shapeRule is Shape: the dims, from start to end (operator set 15), as int64.
func shapeRule(c *call) ([]Type, error) {
	t := c.arg(0)
	rank, ok := t.Rank()
	if !ok {
		return one(TensorOf(ir.Int64, Dim{}))
	}
	clamp := func(n int64) int {
		if n < 0 {
			n += int64(rank)
		}
		return int(min(max(n, 0), int64(rank)))
	}
	start, end := clamp(c.int("start", 0)), clamp(c.int("end", int64(rank)))
	dims := t.Dims[start:max(start, end)]
	return one(TensorOf(ir.Int64, Const(int64(len(dims)))).with(data{ints: slices.Clip(append([]Dim{}, dims...))}))
}

// sizeRule is Size: the number of elements as an int64 scalar.
func sizeRule(c *call) ([]Type, error) {
	return one(TensorOf(ir.Int64).with(data{ints: []Dim{c.arg(0).Elements()}}))
}

// reshape gives input 0 the shape that input 1 (before operator set 5 the
// attribute) states: 0 keeps a size unless allowzero is set, -1 is inferred.
func reshape(c *call) ([]Type, error) {
	x := c.arg(0)
	target, known := c.shapeArg("shape", 1)
	if !known {
		return one(Unranked(x.DType))
	}
	dims := slices.Clone(target)
	infer := -1
	for i, d := range target {
		switch {
		case d.Is(0) && c.int("allowzero", 0) == 0:
			if x.Ranked && i >= len(x.Dims) {
				return nil, c.failf("expected a 0 in the new shape only where the input has a dimension, found %s for %s",
					dimsString(target, true), x)
			}
			dims[i] = Dim{}
			if x.Ranked {
				dims[i] = x.Dims[i]
			}
		case d.Is(-1):
			if infer >= 0 {
				return nil, c.failf("expected at most one -1 in the new shape, found %s", dimsString(target, true))
			}
			infer = i
			dims[i] = Dim{}
		}
	}
	// A single size that is not known is the one that is left over, like -1.
	if i := slices.IndexFunc(dims, unknownDim); infer < 0 && i >= 0 && !slices.ContainsFunc(dims[i+1:], unknownDim) {
		infer = i
	}
	if x.Ranked {
		have, want := cancel(x.Dims, dims, infer)
		total, isConst := have.Int()
		part, partConst := want.Int()
		possible := !isConst || !partConst || total == part
		if infer >= 0 {
			dims[infer] = have.FloorDiv(want)
			possible = !isConst || !partConst || part == 0 || total%part == 0
			if part == 0 && partConst {
				dims[infer] = Dim{}
			}
		}
		if !possible {
			return nil, c.badInput(0, "as many elements as the new shape %s has", dimsString(target, true))
		}
	}
	return one(TensorOf(x.DType, dims...).with(x.data()))
}

// shapeArg returns a shape given as input i or, in old operator sets, as an
// attribute. Single sizes may be unknown; known is false where the rank is.
func (c *call) shapeArg(name string, i int) (dims []Dim, known bool) {
	if list, ok := c.ints(name); ok && !c.has(i) {
		return constDims(list), true
	}
	t := c.arg(i)
	if t.Content != nil {
		return t.Content, true
	}
	if len(t.Dims) != 1 {
		return nil, false
	}
	rank, ok := t.Dims[0].Int()
	if !ok || rank > maxContent {
		return nil, false
	}
	return make([]Dim, rank), true
}

// cancel returns the products of both lists without the sizes they share;
// position skip of to is left out. Without the shared sizes the products stay
// small polynomials.
func cancel(from, to []Dim, skip int) (have, want Dim) {
	left := slices.Clone(from)
	want = Const(1)
	for i, d := range to {
		if i == skip {
			continue
		}
		if j := slices.IndexFunc(left, d.Equal); j >= 0 && !d.Is(0) {
			left = slices.Delete(left, j, j+1)
			continue
		}
		want = want.Mul(d)
	}
	return Product(left), want
}

// flatten makes a matrix of the dims before and after axis.
func flatten(c *call) ([]Type, error) {
	x := c.arg(0)
	if !x.Ranked {
		return one(TensorOf(x.DType, Dim{}, Dim{}))
	}
	axis, err := c.axis("axis", c.int("axis", 1), len(x.Dims), true)
	if err != nil {
		return nil, err
	}
	return one(TensorOf(x.DType, Product(x.Dims[:axis]), Product(x.Dims[axis:])).with(x.data()))
}

// squeeze drops the given axes, all of size 1 where none are given. They are an
// input from operator set 13 on.
func squeeze(c *call) ([]Type, error) {
	x := c.arg(0)
	list, given, known := c.listed("axes", 1)
	if !x.Ranked || !known {
		return one(Unranked(x.DType))
	}
	var dims []Dim
	if !given {
		for _, d := range x.Dims {
			if _, ok := d.Int(); !ok {
				return one(Unranked(x.DType))
			}
			if !d.Is(1) {
				dims = append(dims, d)
			}
		}
		return one(TensorOf(x.DType, dims...).with(x.data()))
	}
	axes, err := c.axes("axes", list, len(x.Dims))
	if err != nil {
		return nil, err
	}
	for i, d := range x.Dims {
		if !slices.Contains(axes, i) {
			dims = append(dims, d)
		} else if n, ok := d.Int(); ok && n != 1 {
			return nil, c.badInput(0, "size 1 in dimension %d", i)
		}
	}
	return one(TensorOf(x.DType, dims...).with(x.data()))
}

// unsqueeze inserts axes of size 1 at the given places of the output. They are
// an input from operator set 13 on.
func unsqueeze(c *call) ([]Type, error) {
	x := c.arg(0)
	list, _, known := c.listed("axes", 1)
	if !x.Ranked || !known {
		return one(Unranked(x.DType))
	}
	axes, err := c.axes("axes", list, len(x.Dims)+len(list))
	if err != nil {
		return nil, err
	}
	dims := make([]Dim, 0, len(x.Dims)+len(axes))
	rest := x.Dims
	for i := range cap(dims) {
		if slices.Contains(axes, i) {
			dims = append(dims, Const(1))
		} else {
			dims, rest = append(dims, rest[0]), rest[1:]
		}
	}
	return one(TensorOf(x.DType, dims...).with(x.data()))
}

// transpose permutes the axes, reversing them where no perm is given.
func transpose(c *call) ([]Type, error) {
	x := c.arg(0)
	perm, given := c.ints("perm")
	if !x.Ranked {
		return one(Unranked(x.DType))
	}
	if !given {
		for i := range x.Dims {
			perm = append(perm, int64(len(x.Dims)-1-i))
		}
	}
	axes, err := c.axes("perm", perm, len(x.Dims))
	if err != nil {
		return nil, err
	}
	if len(axes) != len(x.Dims) {
		return nil, c.badInput(0, "rank %d, as perm %v has", len(perm), perm)
	}
	dims := make([]Dim, len(axes))
	for i, a := range axes {
		dims[i] = x.Dims[a]
	}
	out := TensorOf(x.DType, dims...)
	in, _ := x.small()
	step := strides(in)
	return one(moved(x, out, func(index []int64) int {
		p := int64(0)
		for i, a := range axes {
			p += index[i] * step[a]
		}
		return int(p)
	}))
}

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
