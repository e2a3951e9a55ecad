package shape

import (
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
