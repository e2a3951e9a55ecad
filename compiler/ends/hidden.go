package ends

import (
	"slices"

	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/compiler/shape"
)

// visit is a value that is looked at, behind which a layer with weights was seen or not.
type visit struct {
	v      *ir.Value
	inside bool
}

// contents returns the values that depend on what is in m's inputs, not on their shapes
// alone.
func contents(m *ir.Model) map[*ir.Value]bool {
	depends := map[*ir.Value]bool{}
	for _, v := range m.Graph.Feeds() {
		depends[v] = true
	}
	for _, n := range m.Graph.Nodes() {
		if shape.Of(n).Depends == shape.OnShape || !slices.ContainsFunc(n.Reads(), func(v *ir.Value) bool { return depends[v] }) {
			continue
		}
		for _, v := range n.Outputs() {
			if v != nil {
				depends[v] = true
			}
		}
	}
	return depends
}

// hides returns the node behind which gradients of v end, nil for none. Inside the network,
// behind a layer with weights, rounding belongs to it, as that of a network that is trained
// for integers. A codec, whose gradient is that of the identity, ends the search.
func (t *teller) hides(v *ir.Value, inside bool) *ir.Node {
	at := visit{v, inside}
	if found, known := t.hiding[at]; known {
		return found
	}
	n := v.Producer()
	if n == nil || !t.contents[v] || n.Domain == shape.CodecDomain {
		return nil
	}
	t.hiding[at] = nil
	if t.chooses(n) || !inside && t.steps(n) {
		t.hiding[at] = n
		return n
	}
	inside = inside || isLayer(n)
	for i, x := range n.Inputs() {
		if x == nil || shape.Of(n).Role(i) == shape.Setting {
			continue
		}
		if found := t.hides(x, inside); found != nil {
			t.hiding[at] = found
			return found
		}
	}
	return nil
}

// chooses reports whether what n's outputs are made of depends on what the images hold.
func (t *teller) chooses(n *ir.Node) bool {
	row := shape.Of(n)
	if row.Gives == shape.GivesChoices {
		return true
	}
	if row.Class != shape.Move {
		return false
	}
	for i, x := range n.Inputs() {
		if x != nil && row.Role(i) == shape.Setting && t.contents[x] {
			return true
		}
	}
	return false
}

// steps reports whether n's outputs stay as they are where its inputs change a little.
func (t *teller) steps(n *ir.Node) bool {
	switch shape.Of(n).Gives {
	case shape.GivesSteps:
		return true
	case shape.GivesAsTyped:
		from, to := t.info.Of(n.Input(0)).DType, t.info.Of(n.Output(0)).DType
		return from.IsFloat() && to != ir.Undefined && !to.IsFloat()
	}
	return false
}

// isLayer reports whether n has weights.
func isLayer(n *ir.Node) bool {
	for i, x := range n.Inputs() {
		if x != nil && shape.Of(n).Role(i) == shape.Kernel && x.Const() != nil {
			return true
		}
	}
	return false
}

// behind returns what stands for v, which is hidden: the tensors that what hides it reads.
func (t *teller) behind(v *ir.Value) (taught []Tensor) {
	seen := map[visit]bool{}
	var walk func(v *ir.Value, inside bool)
	walk = func(v *ir.Value, inside bool) {
		n := v.Producer()
		if seen[visit{v, inside}] || n == nil || !t.contents[v] {
			return
		}
		seen[visit{v, inside}] = true
		if t.hides(v, inside) == nil {
			for _, e := range t.of(v) {
				for _, x := range e.Taught {
					x.Order = nil
					taught = append(taught, x)
				}
			}
			return
		}
		inside = inside || isLayer(n)
		for _, x := range n.Inputs() {
			if x != nil {
				walk(x, inside)
			}
		}
	}
	walk(v, false)
	return least(taught)
}

// least leaves out tensors that are there twice and those that follow from the others.
func least(taught []Tensor) []Tensor {
	slices.SortStableFunc(taught, func(a, b Tensor) int { // what has a kind first
		return flag(a.Kind == Values) - flag(b.Kind == Values)
	})
	values := map[*ir.Value]bool{}
	taught = slices.DeleteFunc(taught, func(x Tensor) bool {
		twice := values[x.Value]
		values[x.Value] = true
		return twice
	})
	return slices.DeleteFunc(taught, func(x Tensor) bool {
		delete(values, x.Value)
		if Follows(x.Value, values) {
			return true
		}
		values[x.Value] = true
		return false
	})
}

func flag(is bool) int {
	if is {
		return 1
	}
	return 0
}
