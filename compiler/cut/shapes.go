package cut

import (
	"slices"

	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/compiler/shape"
)

// lostShape returns an activation from before cut c whose shape is read behind
// it and that the shapes of its tensors do not tell, nil where there is none.
func (a *Analysis) lostShape(c *Cut) *ir.Value {
	seen := map[*ir.Value]*ir.Value{}
	for _, u := range a.ShapeUses(c) {
		if lost := a.lost(c, u.Value, seen); lost != nil {
			return lost
		}
	}
	return nil
}

// lost returns what value w, shape-only, needs from before cut c and cannot get.
func (a *Analysis) lost(c *Cut, w *ir.Value, seen map[*ir.Value]*ir.Value) *ir.Value {
	if old, ok := seen[w]; ok {
		return old
	}
	seen[w] = nil
	if a.flow.kinds[w] == constant || a.Computable(c, a.Info.Of(w)) {
		return nil
	}
	for _, r := range a.flow.reads[w.Producer()] {
		var found *ir.Value
		switch {
		case a.flow.kinds[r] != activation:
			found = a.lost(c, r, seen)
		case !a.computedBehind(c, r):
			found = r
		}
		if found != nil {
			seen[w] = found
			return found
		}
	}
	return nil
}

// Computable reports whether the contents of a shape-only value of type t are known
// given cut c: numbers, or expressions over dimensions of its tensors.
func (a *Analysis) Computable(c *Cut, t shape.Type) bool {
	if t.Content == nil {
		return false
	}
	var dims []shape.Dim
	for _, t := range c.Tensors {
		dims = append(dims, t.Type.Dims...)
	}
	return !slices.ContainsFunc(t.Content, func(d shape.Dim) bool { return !expressible(d, dims) })
}

// expressible reports whether d can be computed from dims.
func expressible(d shape.Dim, dims []shape.Dim) bool {
	if !d.Known() {
		return false
	}
	if slices.ContainsFunc(dims, d.Equal) {
		return true
	}
	for _, term := range d.Terms() {
		for _, atom := range term.Atoms {
			if slices.ContainsFunc(dims, atom.Dim().Equal) {
				continue
			}
			if atom.Op == shape.Symbol || slices.ContainsFunc(atom.Args, func(x shape.Dim) bool { return !expressible(x, dims) }) {
				return false
			}
		}
	}
	return true
}

// ShapeUse is a read of a shape-only value by a node that carries activations,
// or, where Node is nil, as an output of the model.
type ShapeUse struct {
	Value *ir.Value
	Node  *ir.Node
}

// ShapeUses returns the shape-only values that nodes behind cut c read and then
// those that are outputs there.
func (a *Analysis) ShapeUses(c *Cut) []ShapeUse {
	var out []ShapeUse
	for _, u := range a.shapes {
		if u.Node != nil && a.Behind(c, u.Node) || u.Node == nil && a.BelongsBehind(c, u.Value) {
			out = append(out, u)
		}
	}
	return out
}

// IsActivation reports whether v depends on what is in the model's inputs, or on
// chance.
func (a *Analysis) IsActivation(v *ir.Value) bool { return a.flow.kinds[v] == activation }

// IsShape reports whether v depends on the model's inputs through their shapes
// alone.
func (a *Analysis) IsShape(v *ir.Value) bool { return a.flow.kinds[v] == shapeOnly }

// CrossesShape reports whether the shape-only value w depends on activations
// that are not computed behind cut c; self says whether its tensors themselves
// count among them.
func (a *Analysis) CrossesShape(c *Cut, w *ir.Value, self bool) bool {
	return slices.ContainsFunc(a.shapeSources(w), func(r *ir.Value) bool {
		return c.Has(r) && self || !a.computedBehind(c, r)
	})
}

// shapeSources returns the activations whose shapes go into the shape-only
// value w.
func (a *Analysis) shapeSources(w *ir.Value) []*ir.Value {
	var out []*ir.Value
	seen := map[*ir.Value]bool{w: true}
	for todo := []*ir.Value{w}; len(todo) > 0; {
		v := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if a.flow.kinds[v] != shapeOnly {
			continue
		}
		for _, r := range a.flow.reads[v.Producer()] {
			if !seen[r] {
				seen[r] = true
				todo = append(todo, r)
				if a.flow.kinds[r] == activation {
					out = append(out, r)
				}
			}
		}
	}
	return out
}

// BelongsBehind reports whether the model's output w belongs behind cut c: it depends on
// it or on the shape of something that does.
func (a *Analysis) BelongsBehind(c *Cut, w *ir.Value) bool {
	if a.flow.kinds[w] == shapeOnly {
		return slices.ContainsFunc(a.shapeSources(w), func(r *ir.Value) bool { return !c.Has(r) && a.computedBehind(c, r) })
	}
	return w.Producer() != nil && a.Behind(c, w.Producer())
}
