package cut

import (
	"slices"

	"github.com/bottlenet/bnc/compiler/ir"
)

// layout names the axes of a rank-4 activation in order, as in "NCHW".
type layout string

const channelFirst layout = "NCHW"

// imageOps define the layout of their first input and output: they are
// convolutions, pools and normalisations over the axes of an image.
var imageOps = map[string]map[string]layout{
	"": {
		"Conv": channelFirst, "ConvTranspose": channelFirst, "ConvInteger": channelFirst, "QLinearConv": channelFirst,
		"DeformConv": channelFirst, "BatchNormalization": channelFirst, "InstanceNormalization": channelFirst,
		"GroupNormalization": channelFirst, "LRN": channelFirst, "MaxPool": channelFirst, "AveragePool": channelFirst,
		"LpPool": channelFirst, "GlobalMaxPool": channelFirst, "GlobalAveragePool": channelFirst,
		"GlobalLpPool": channelFirst, "DepthToSpace": channelFirst, "SpaceToDepth": channelFirst,
	},
	"com.microsoft": {
		"FusedConv": channelFirst, "NhwcConv": "NHWC", "NhwcMaxPool": "NHWC", "NhwcFusedConv": "NHWC",
	},
}

// reshaping ops give the axes of a rank-4 output no known relation to those of
// a rank-4 input.
var reshapingOps = []string{
	"Reshape", "Flatten", "MatMul", "Gemm", "Einsum", "Expand", "Tile", "Gather", "GatherND", "Squeeze", "Unsqueeze",
	"Shape", "Size", "ConstantOfShape", "Scan", "Loop", "If", "LSTM", "GRU", "RNN",
}

// layouts finds the axis order of activations from the operators they pass
// through: image operators fix it, Transpose permutes it, and other operators
// keep it, forwards and backwards. Values whose layout nothing tells, or that
// are used in two ways, are absent.
func layouts(m *ir.Model, rank4 func(*ir.Value) bool) map[*ir.Value]layout {
	found := map[*ir.Value]layout{}
	conflict := map[*ir.Value]bool{}
	var todo []*ir.Value
	set := func(v *ir.Value, l layout) {
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
		if l, ok := imageOps[n.Domain][n.Op]; ok {
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

// spread carries the layout of v, an input or output of n, to the other side.
func spread(n *ir.Node, v *ir.Value, l layout, set func(*ir.Value, layout)) {
	if _, fixed := imageOps[n.Domain][n.Op]; fixed || len(n.Bodies()) > 0 || slices.Contains(reshapingOps, n.Op) {
		return
	}
	if n.Op == "Transpose" && n.Domain == "" {
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
			set(n.Output(0), layout(out))
		} else {
			set(n.Input(0), layout(in))
		}
		return
	}
	for _, w := range append(n.Outputs(), n.Inputs()...) {
		if w != nil && w != v && w.Init() == nil && w.Const() == nil {
			set(w, l)
		}
	}
}
