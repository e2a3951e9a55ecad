package convert

import (
	"math"
	"slices"

	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/compiler/shape"
)

// batchFixes correct nodes that state the old batch size; they report whether
// there was need.
var batchFixes = map[string]func(b *batcher, n *ir.Node) (bool, error){
	"Reshape": fixReshape,
	"Expand":  fixExpand,
	"Resize":  fixResize,
	"Concat":  fixConcat,
}

// fixReshape puts a 0 (copy), or else a -1, where the new shape states the old
// batch size or a multiple of it.
func fixReshape(b *batcher, n *ir.Node) (bool, error) {
	x, y, target := n.Input(0), n.Output(0), n.Input(1)
	from, _, ok := b.axis(x)
	was, knownX := b.old.Dims(x)
	is, knownY := b.old.Dims(y)
	if !ok || !knownX || !knownY || target == nil {
		return false, nil
	}
	to := b.batchAxis(was[:from], is)
	if to < 0 {
		return false, b.refuse(n, "%v becomes %v, which tears images apart", b.old.Of(x), b.old.Of(y))
	}
	if axis, _, ok := b.axis(y); ok && axis == to {
		return false, nil
	}
	copies := to == from && was[from].Equal(is[to])
	stated, known := b.old.Of(target).Ints()
	switch {
	case known:
		stated = slices.Clone(stated)
	case copies && to == 0:
		rest := b.Slice("rest", target, 0, 1, math.MaxInt64)
		n.SetInput(1, b.Op("shape", "Concat", []*ir.Value{b.Ints("copy", 0), rest}, ir.IntAttr("axis", 0)))
		return true, nil
	default:
		return false, b.refuse(n, "its new shape is computed")
	}
	if n.Int("allowzero", 0) != 0 {
		if slices.Contains(stated, 0) {
			return false, b.refuse(n, "its new shape %v has a size of 0", stated)
		}
		n.DelAttr("allowzero")
	}
	if copies {
		stated[to] = 0
	} else {
		for i, s := range stated {
			if s == -1 && i != to {
				if stated[i], ok = is[i].Int(); !ok {
					return false, b.refuse(n, "its new shape %v would need a second -1", stated)
				}
			}
		}
		stated[to] = -1
	}
	n.SetInput(1, b.Ints("shape", stated...))
	return true, nil
}

// batchAxis returns the first of dims before which there are as many elements as
// before and which is a multiple of the old batch size, -1 where none is.
func (b *batcher) batchAxis(before, dims []shape.Dim) int {
	want, have := shape.Product(before), shape.Const(1)
	for i, d := range dims {
		size, known := d.Int()
		if have.Equal(want) && (b.size == 1 || known && size%b.size == 0) {
			return i
		}
		have = have.Mul(d)
	}
	return -1
}

// fixExpand replaces the old batch size by 1, which keeps what is there.
func fixExpand(b *batcher, n *ir.Node) (bool, error) {
	axis, _, ok := b.axis(n.Input(0))
	rank, _ := b.old.Of(n.Input(0)).Rank()
	stated, known := b.old.Of(n.Input(1)).Ints()
	i := axis + len(stated) - rank
	if !ok || !known || i < 0 || b.size == 1 || stated[i] != b.size {
		return false, nil
	}
	stated = slices.Clone(stated)
	stated[i] = 1
	n.SetInput(1, b.Ints("shape", stated...))
	return true, nil
}

// fixResize takes the first of the sizes from the input itself.
func fixResize(b *batcher, n *ir.Node) (bool, error) {
	x, sizes := n.Input(0), n.Input(3)
	axis, _, ok := b.axis(x)
	if sizes == nil || n.Attr("axes") != nil || !ok || axis != 0 {
		return false, nil
	}
	if t := b.info.Of(sizes); len(t.Content) > 0 && b.mentions(t.Content[0]) {
		return false, nil
	}
	first := b.Slice("size", b.Unary("input", "Shape", x), 0, 0, 1)
	var rest *ir.Value
	if stated, known := b.old.Of(sizes).Ints(); known {
		rest = b.Ints("rest", stated[1:]...)
	} else {
		rest = b.Slice("rest", sizes, 0, 1, math.MaxInt64)
	}
	n.SetInput(3, b.Op("sizes", "Concat", []*ir.Value{first, rest}, ir.IntAttr("axis", 0)))
	return true, nil
}

// fixConcat repeats constants that are joined to each image, as zeros are to its
// channels, for every image.
func fixConcat(b *batcher, n *ir.Node) (bool, error) {
	at := slices.IndexFunc(n.Inputs(), func(v *ir.Value) bool { return b.batched[v] })
	x := n.Input(at)
	axis, rows, ok := b.axis(x)
	if rank, _ := b.info.Of(x).Rank(); !ok || !rows.Is(1) || b.size != 1 || int(n.Int("axis", 1)+int64(rank))%rank == axis {
		return false, nil
	}
	did := false
	for i, v := range n.Inputs() {
		dims, known := b.info.Dims(v)
		if b.batched[v] || !known || !dims[axis].Is(1) {
			continue
		}
		count := b.Slice("images", b.Unary("joined", "Shape", x), 0, int64(axis), int64(axis)+1)
		ones := slices.Repeat([]int64{1}, len(dims)-axis-1)
		parts := []*ir.Value{count, b.Ints("ones", ones...)}
		if axis > 0 {
			parts = slices.Insert(parts, 0, b.Ints("ones", slices.Repeat([]int64{1}, axis)...))
		}
		n.SetInput(i, b.Binary("repeated", "Expand", v, b.Op("shape", "Concat", parts, ir.IntAttr("axis", 0))))
		did = true
	}
	return did, nil
}
