package cut

import (
	"slices"

	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/compiler/shape"
)

// Inverted is a tensor from before a cut that is the same numbers as one that crosses, in
// another layout: what is behind the cut lays out that one again.
type Inverted struct {
	Value *ir.Value
	From  *ir.Value // crosses; nothing but [Analysis.LaidOut] is between Value and it
}

// LaidOut returns the activation of which n makes the same numbers in another layout, such
// that this can be undone; nil where n does anything else. An output of the model is the
// same as nothing: it stays on its side.
func (a *Analysis) LaidOut(n *ir.Node) *ir.Value {
	row := shape.Of(n)
	if !row.Layout() || n.NumOutputs() != 1 || n.Input(0) == nil {
		return nil
	}
	for i, v := range a.flow.reads[n] {
		if a.flow.kinds[v] == activation && (i > 0 || v != n.Input(0)) {
			return nil
		}
	}
	t := a.Info.Of(n.Input(0))
	if a.outputs[n.Input(0)] || slices.ContainsFunc(n.Outputs(), func(v *ir.Value) bool { return a.outputs[v] }) {
		return nil
	}
	if t.Kind != shape.Tensor || !t.Ranked || a.flow.kinds[n.Input(0)] != activation {
		return nil
	}
	open := 0
	for _, d := range t.Dims {
		if size, known := d.Int(); !known || size < 1 {
			open++
		}
	}
	if open > 1 && row.Class == shape.View { // no Reshape to constants leads back
		return nil
	}
	return n.Input(0)
}

// equal returns what c's side behind can lay out again of its tensors, by value.
func (a *Analysis) equal(c *Cut) map[*ir.Value]*ir.Value {
	from := map[*ir.Value]*ir.Value{}
	for _, t := range c.Tensors {
		for v := t.Value; v.Producer() != nil; {
			if v = a.LaidOut(v.Producer()); v == nil || c.Has(v) || from[v] != nil {
				break
			}
			from[v] = t.Value
		}
	}
	return from
}
