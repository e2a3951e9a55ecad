package passes

import (
	"slices"

	"github.com/bottlenet/bnc/compiler/ir"
)

// nonNegativeOps never give a negative number.
var nonNegativeOps = []string{
	"Relu", "Sigmoid", "HardSigmoid", "Softmax", "Softplus", "Exp", "Abs", "Sqrt", "ReduceL1", "ReduceL2",
	"ReduceSumSquare", "GlobalLpPool", "LpPool", "ThresholdedRelu",
}

// keepSignOps give no negative number where none of the inputs they compute
// with can be negative; the list says which inputs those are, all where it is
// empty.
var keepSignOps = map[string][]int{
	"MaxPool": {0}, "AveragePool": {0}, "GlobalAveragePool": {0}, "GlobalMaxPool": {0}, "Identity": {0}, "Dropout": {0},
	"Transpose": {0}, "Reshape": {0}, "Flatten": {0}, "Squeeze": {0}, "Unsqueeze": {0}, "Slice": {0}, "Gather": {0},
	"Split": {0}, "DepthToSpace": {0}, "SpaceToDepth": {0}, "Expand": {0}, "Tile": {0}, "Cast": {0},
	"Concat": {}, "Add": {}, "Mul": {}, "Div": {}, "Sum": {}, "Mean": {}, "Max": {}, "Min": {},
}

// canBeNegative reports whether float value v may hold a negative number, as far
// as the operators before it tell.
func canBeNegative(v *ir.Value) bool {
	known := map[*ir.Value]bool{}
	var visit func(v *ir.Value) bool
	visit = func(v *ir.Value) bool {
		if old, ok := known[v]; ok {
			return old
		}
		known[v] = true
		neg := negative(v, visit)
		known[v] = neg
		return neg
	}
	return visit(v)
}

func negative(v *ir.Value, visit func(*ir.Value) bool) bool {
	if t := v.Const(); t != nil {
		f, err := t.Floats()
		return err != nil || slices.ContainsFunc(f, func(x float32) bool { return !(x >= 0) })
	}
	n := v.Producer()
	if n == nil || n.Domain != "" || v.Index() != 0 && n.Op != "Split" {
		return true
	}
	if slices.Contains(nonNegativeOps, n.Op) {
		return false
	}
	if n.Op == "Clip" {
		return !(clipMin(n) >= 0)
	}
	inputs, ok := keepSignOps[n.Op]
	if !ok {
		return true
	}
	for i, x := range n.Inputs() {
		if x != nil && (len(inputs) == 0 || slices.Contains(inputs, i)) && visit(x) {
			return true
		}
	}
	return false
}

// clipMin returns the lower bound of a Clip: an attribute up to opset 10, an
// input since; -1 where it is not known.
func clipMin(n *ir.Node) float32 {
	lo := n.Float("min", -1)
	if v := n.Input(1); v != nil && v.Const() != nil {
		if f, err := v.Const().Floats(); err == nil && len(f) == 1 {
			lo = f[0]
		}
	}
	return lo
}
