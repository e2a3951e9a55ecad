package cut

import (
	"fmt"
	"slices"
	"strings"

	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/internal/similar"
)

// Error says that a name is no cut of the model, and what is near.
type Error struct {
	Name   string
	Reason string
	// Crossing lists the tensors that a division there would have to carry over.
	Crossing      []string
	Before, After *Cut // the nearest cuts in topological order, nil at the ends
	Similar       []string
}

func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "no cut at %q: %s", e.Name, e.Reason)
	if len(e.Crossing) > 0 {
		fmt.Fprintf(&b, "; these tensors would cross: %s", strings.Join(e.Crossing, ", "))
	}
	if e.Before != nil {
		fmt.Fprintf(&b, "; nearest cut before: %s", e.Before)
	}
	if e.After != nil {
		fmt.Fprintf(&b, "; nearest cut after: %s", e.After)
	}
	if len(e.Similar) > 0 {
		fmt.Fprintf(&b, "; similar names: %s", strings.Join(e.Similar, ", "))
	}
	return b.String()
}

// String names a cut by its aliases, ID and tensor.
func (c *Cut) String() string {
	return fmt.Sprintf("%s (tensor %q)", strings.Join(append(slices.Clone(c.Aliases), c.ID), " = "), c.Tensor())
}

// Name returns the shortest stable name: an alias where there is one, else the ID.
func (c *Cut) Name() string {
	if len(c.Aliases) > 0 {
		return c.Aliases[0]
	}
	return c.ID
}

// Resolve returns the cut that name means: an alias, an ID, the name of a
// tensor, or that of a node with one output. The error is an [*Error].
func (a *Analysis) Resolve(name string) (*Cut, error) {
	for i := range a.Cuts {
		if c := &a.Cuts[i]; c.ID == name || slices.Contains(c.Aliases, name) {
			return c, nil
		}
	}
	v := a.Model.Graph.Value(name)
	if v == nil {
		for _, n := range a.Model.Graph.Nodes() {
			if n.Name == name && n.NumOutputs() == 1 {
				v = n.Output(0)
			}
		}
	}
	for i := range a.Cuts {
		if a.Cuts[i].Has(v) {
			return &a.Cuts[i], nil
		}
	}
	return nil, a.explain(name, v)
}

func (a *Analysis) explain(name string, v *ir.Value) *Error {
	e := &Error{Name: name}
	if v == nil {
		e.Reason = fmt.Sprintf("the model has no tensor or cut of that name (it has %d cuts: see bnc inspect)", len(a.Cuts))
		e.Similar = a.similar(name)
		return e
	}
	e.Reason, e.Crossing = a.Why(v), a.Crossing(v)
	pos := -1
	if v.Producer() != nil {
		pos = a.order[v.Producer()]
	}
	for i := range a.Cuts {
		c := &a.Cuts[i]
		switch at := a.position(c); {
		case at <= pos:
			e.Before = c
		case e.After == nil:
			e.After = c
		}
	}
	return e
}

// position is that of the last node that computes one of the cut's tensors.
func (a *Analysis) position(c *Cut) int {
	last := -1
	for _, t := range c.Tensors {
		last = max(last, a.order[t.Value.Producer()])
	}
	return last
}

// Crossing returns the names of the tensors that a division at v would have to
// carry over where v alone does not do: those that nodes behind v read and that are
// not computed behind v, v itself and what goes around it.
func (a *Analysis) Crossing(v *ir.Value) []string {
	if !a.reaching[v] || a.vertex[v] == 0 || v.Producer() == nil || a.outputs[v] {
		return nil
	}
	behind := map[*ir.Node]bool{}
	after := a.Model.Graph.Nodes()[a.order[v.Producer()]+1:]
	for _, n := range after {
		for _, r := range a.flow.reads[n] {
			if r == v || r.Producer() != nil && behind[r.Producer()] {
				behind[n] = true
			}
		}
	}
	var out []string
	seen := map[*ir.Value]bool{}
	var needs func(r *ir.Value)
	needs = func(r *ir.Value) {
		if seen[r] || r.Producer() != nil && behind[r.Producer()] && r != v {
			return
		}
		seen[r] = true
		switch a.flow.kinds[r] {
		case activation:
			out = append(out, r.Name())
		case shapeOnly: // its own sources would have to cross
			if _, static := a.Info.Of(r).Ints(); !static {
				for _, s := range a.flow.reads[r.Producer()] {
					needs(s)
				}
			}
		}
	}
	needs(v)
	for _, n := range after {
		if behind[n] {
			for _, r := range a.flow.reads[n] {
				needs(r)
			}
		}
	}
	if len(out) < 2 {
		return nil
	}
	return out
}

// similar returns the few names of cuts that are spelled most like name.
func (a *Analysis) similar(name string) []string {
	var names []string
	for _, c := range a.Cuts {
		names = append(append(append(names, c.ID), c.Names()...), c.Aliases...)
	}
	return similar.Names(name, names)
}
