package bottleneck

import (
	"slices"

	"github.com/bottlenet/bnc/compiler/ir"
)

// nonNegativeOps never give a negative number.
var nonNegativeOps = []string{
	"Relu", "Sigmoid", "HardSigmoid", "Softmax", "Softplus", "Exp", "Abs", "Sqrt", "ReduceL1", "ReduceL2",
	"ReduceSumSquare", "GlobalLpPool", "LpPool",
}

// keepSignOps give no negative number where none of the inputs they compute
// with can be negative; the list says which inputs those are, all where it is
// empty.
var keepSignOps = map[string][]int{
	"MaxPool": {0}, "AveragePool": {0}, "GlobalAveragePool": {0}, "GlobalMaxPool": {0}, "Identity": {0}, "Dropout": {0},
	"Transpose": {0}, "Reshape": {0}, "Flatten": {0}, "Squeeze": {0}, "Unsqueeze": {0}, "Slice": {0}, "Gather": {0},
	"Split": {0}, "DepthToSpace": {0}, "SpaceToDepth": {0}, "Expand": {0}, "Tile": {0},
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
	if t := v.Const(); t != nil && !v.IsInput() { // no caller may override it
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
	switch n.Op {
	case "Clip":
		return !(clipBound(n, 1, "min", -1) >= 0 && clipBound(n, 2, "max", 1) >= 0)
	case "ThresholdedRelu":
		return n.Float("alpha", 1) < 0
	case "Cast": // narrow integers wrap
		return !ir.DType(n.Int("to", 0)).IsFloat() || visit(n.Input(0))
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

// clipBound returns a bound of a Clip: an attribute up to opset 10, an input
// since; def where there is none, -1 where it is not known.
func clipBound(n *ir.Node, input int, name string, def float32) float32 {
	v := n.Input(input)
	if v == nil {
		return n.Float(name, def)
	}
	if t := v.Const(); t != nil && !v.IsInput() {
		if f, err := t.Floats(); err == nil && len(f) == 1 {
			return f[0]
		}
	}
	return -1
}
