package bottleneck

import (
	"slices"

	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/compiler/shape"
)

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
	if n == nil {
		return true
	}
	op := shape.Of(n)
	if v.Index() != 0 && op.Class != shape.Move {
		return true
	}
	switch op.Sign {
	case shape.NonNegative:
		return false
	case shape.SignOfInputs:
		for i, x := range n.Inputs() {
			if r := op.Role(i); x != nil && (r == shape.Data || r == shape.Operand || r == shape.Number) && visit(x) {
				return true
			}
		}
		return false
	case shape.SignByNode:
		return negativeOps[n.Op](n, visit)
	}
	return true
}

// negativeOps tell of the operators whose rows leave it to them whether their first
// output may hold a negative number.
var negativeOps = map[string]func(n *ir.Node, visit func(*ir.Value) bool) bool{
	"Clip": func(n *ir.Node, _ func(*ir.Value) bool) bool {
		return !(clipBound(n, 1, "min", -1) >= 0 && clipBound(n, 2, "max", 1) >= 0)
	},
	"ThresholdedRelu": func(n *ir.Node, _ func(*ir.Value) bool) bool { return n.Float("alpha", 1) < 0 },
	"Cast": func(n *ir.Node, visit func(*ir.Value) bool) bool { // narrow integers wrap
		return !ir.DType(n.Int("to", 0)).IsFloat() || visit(n.Input(0))
	},
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
