package ends

import (
	"slices"

	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/compiler/shape"
)

// SharesAxis returns the axis along which n, a Softmax or LogSoftmax of a tensor of type x,
// gives shares of a whole; -1 where these are several axes, or where it is not known.
func SharesAxis(n *ir.Node, x shape.Type, opset int64) int {
	rank, known := x.Rank()
	if !known || rank == 0 {
		return -1
	}
	if opset >= 13 {
		return (int(n.Int("axis", -1)) + rank) % rank
	}
	axis := (int(n.Int("axis", 1)) + rank) % rank // with all axes behind it
	for _, d := range x.Dims[axis+1:] {
		if !d.Is(1) {
			return -1
		}
	}
	return axis
}

// along returns the axis of vectors whose lengths node by gives, -1 for none or several.
func (t *teller) along(by *ir.Node, vectors *ir.Value) int {
	axes := by.Ints("axes")
	if axes == nil && by.Input(1) != nil && by.Input(1).Const() != nil {
		axes, _ = by.Input(1).Const().Ints() // other types are refused by shape inference
	}
	rank, known := t.info.Of(vectors).Rank()
	if len(axes) != 1 || !known || rank == 0 || len(t.info.Of(by.Input(0)).Dims) != rank {
		return -1
	}
	return (int(axes[0]) + rank) % rank
}

// forward returns the axis of n's output that axis of its first input becomes, -1 for none.
func (t *teller) forward(n *ir.Node, axis int) int {
	from, to := t.info.Of(n.Input(0)), t.info.Of(n.Output(0))
	switch {
	case !from.Ranked || !to.Ranked || axis >= len(from.Dims):
		return -1
	case shape.Of(n).Axes == shape.AxesPermuted:
		perm := n.Ints("perm")
		if perm == nil {
			return len(from.Dims) - 1 - axis
		}
		return slices.Index(perm, int64(axis))
	case shape.Of(n).Class != shape.View:
		return axis
	}
	before := product(from.Dims[:axis])
	for i, d := range to.Dims {
		if d.Equal(from.Dims[axis]) && product(to.Dims[:i]).Equal(before) {
			return i
		}
	}
	return -1
}

func product(dims []shape.Dim) shape.Dim {
	p := shape.Const(1)
	for _, d := range dims {
		p = p.Mul(d)
	}
	return p
}

// channels returns the axis of v along which numbers differ in meaning: that of the
// channels of the layer that gave them, the last one of vectors; -1 where it has none.
func (t *teller) channels(v *ir.Value) int {
	if axis := t.layerChannels(v); axis >= 0 {
		return axis
	}
	switch d := t.info.Of(v).Dims; len(d) {
	case 2, 4:
		return 1
	case 3: // boxes [N,A,4] or [N,4,A]
		rows, ok1 := d[1].Int()
		columns, ok2 := d[2].Int()
		if ok1 && (!ok2 || rows < columns) {
			return 1
		}
		return 2
	}
	return -1
}

// layerChannels is channels where the layer is found.
func (t *teller) layerChannels(v *ir.Value) int {
	n := v.Producer()
	if n == nil || v.Index() != 0 {
		return -1
	}
	rank := len(t.info.Of(v).Dims)
	row := shape.Of(n)
	switch {
	case rank == 0:
		return -1
	case row.Axes == shape.AxesNCHW && rank == 4:
		return 1
	case row.Axes == shape.AxesNHWC && rank == 4, isLayer(n) && rank == 3:
		return rank - 1
	case isLayer(n):
		return -1
	case Transparent(n) || row.Axes == shape.AxesPermuted:
		if axis := t.layerChannels(n.Input(0)); axis >= 0 {
			return t.forward(n, axis)
		}
		return -1
	case row.Elementwise() || row.Axes == shape.AxesKept:
		for i, x := range n.Inputs() {
			if x != nil && row.Role(i) != shape.Setting && t.contents[x] && len(t.info.Of(x).Dims) == rank {
				if axis := t.layerChannels(x); axis >= 0 {
					return axis
				}
			}
		}
	}
	return -1
}
