package shape

import "slices"

// strides returns the row-major strides of a shape.
func strides(dims []int64) []int64 {
	out := make([]int64, len(dims))
	n := int64(1)
	for i := len(dims) - 1; i >= 0; i-- {
		out[i] = n
		n *= dims[i]
	}
	return out
}

// positions returns, for each element of a tensor of shape out in row-major
// order, at(index of the element). The caller has checked that out has at most
// maxContent elements.
func positions(out []int64, at func(index []int64) int) []int {
	n := int64(1)
	for _, d := range out {
		n *= d
	}
	list := make([]int, n)
	index := make([]int64, len(out))
	for i := range list {
		list[i] = at(index)
		for axis := len(out) - 1; axis >= 0; axis-- {
			if index[axis]++; index[axis] < out[axis] {
				break
			}
			index[axis] = 0
		}
	}
	return list
}

// small reports whether shape t has at most maxContent elements, all of its
// dims being numbers, and returns them.
func (t Type) small() ([]int64, bool) {
	dims, ok := t.Shape()
	n, fits := t.Elements().Int()
	negative := slices.ContainsFunc(dims, func(d int64) bool { return d < 0 })
	return dims, ok && fits && n <= maxContent && !negative
}

// broadcastPositions returns where the elements of a tensor of shape in lie once
// it is broadcast to shape out.
func broadcastPositions(in, out []int64) []int {
	step := strides(in)
	skip := len(out) - len(in)
	return positions(out, func(index []int64) int {
		p := int64(0)
		for i := range in {
			if in[i] != 1 {
				p += index[skip+i] * step[i]
			}
		}
		return int(p)
	})
}

// moved returns out with those contents of in that at names for each index.
func moved(in, out Type, at func(index []int64) int) Type {
	d := in.data()
	dims, ok := out.small()
	if !d.known() || !ok {
		return out
	}
	return out.with(d.pick(positions(dims, at)))
}
