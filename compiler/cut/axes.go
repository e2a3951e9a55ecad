package cut

import (
	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/compiler/shape"
)

// axisOrder names the axes of a rank-4 activation in order, as in "NCHW".
type axisOrder string

const channelFirst axisOrder = "NCHW"

// imageOrders are those of the first input and output of operators that work on the
// channels, rows and columns of an image.
var imageOrders = map[shape.Axes]axisOrder{shape.AxesNCHW: channelFirst, shape.AxesNHWC: "NHWC"}

// axisOrders finds the axis order of activations from the operators they pass
// through: image operators fix it, Transpose permutes it, and others keep it,
// forwards and backwards, or tell nothing. Values whose order nothing tells, or that
// are used in two ways, are absent.
func axisOrders(m *ir.Model, rank4 func(*ir.Value) bool) map[*ir.Value]axisOrder {
	found := map[*ir.Value]axisOrder{}
	conflict := map[*ir.Value]bool{}
	var todo []*ir.Value
	set := func(v *ir.Value, l axisOrder) {
		switch old, ok := found[v]; {
		case v == nil || l == "" || !rank4(v) || v.Graph() != m.Graph:
		case !ok:
			found[v] = l
			todo = append(todo, v)
		case old != l:
			conflict[v] = true
		}
	}
	for _, n := range m.Graph.Nodes() {
		if l, ok := imageOrders[shape.Of(n).Axes]; ok {
			set(n.Input(0), l)
			set(n.Output(0), l)
		}
	}
	for len(todo) > 0 {
		v := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if n := v.Producer(); n != nil {
			spread(n, v, found[v], set)
		}
		for _, u := range v.Uses() {
			spread(u.Node, v, found[v], set)
		}
	}
	for v := range conflict {
		delete(found, v)
	}
	return found
}

// spread carries the axis order of v, an input or output of n, to the other side.
func spread(n *ir.Node, v *ir.Value, l axisOrder, set func(*ir.Value, axisOrder)) {
	switch shape.Of(n).Axes {
	case shape.AxesPermuted:
		permute(n, v, l, set)
	case shape.AxesKept:
		if len(n.Bodies()) > 0 { // of an operator without a row
			return
		}
		for _, w := range append(n.Outputs(), n.Inputs()...) {
			if w != nil && w != v && w.Init() == nil && w.Const() == nil {
				set(w, l)
			}
		}
	}
}

// permute is spread for a Transpose.
func permute(n *ir.Node, v *ir.Value, l axisOrder, set func(*ir.Value, axisOrder)) {
	perm := n.Ints("perm")
	if len(perm) == 0 {
		perm = []int64{3, 2, 1, 0}
	}
	if len(perm) != 4 {
		return
	}
	in, out := make([]byte, 4), make([]byte, 4)
	for i, p := range perm {
		if p < 0 || p > 3 {
			return
		}
		in[p], out[i] = l[i], l[p]
	}
	if v == n.Input(0) {
		set(n.Output(0), axisOrder(out))
	} else {
		set(n.Input(0), axisOrder(in))
	}
}
