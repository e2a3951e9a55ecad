package cut

import (
	"errors"
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
	// Crossing lists the tensors that a division there would have to carry over; Besides,
	// where several were named, those that it would have to carry over besides.
	Crossing      []string
	Besides       []string
	Before, After *Cut // the nearest cuts in topological order, nil at the ends
	Similar       []string
}

func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "no cut at %q: %s", e.Name, e.Reason)
	if len(e.Crossing) > 0 {
		fmt.Fprintf(&b, "; these tensors would cross: %s", few(e.Crossing))
	}
	if len(e.Besides) > 0 {
		fmt.Fprintf(&b, "; besides, these would have to cross: %s", few(e.Besides))
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

// few joins names, the first of many.
func few(names []string) string {
	const most = 8
	if len(names) > most {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
	}
	return strings.Join(names, ", ")
}

// String names a cut by its aliases, ID and tensor.
func (c *Cut) String() string {
	if len(c.Tensors) > 1 && c.ID == c.Tensor() {
		return fmt.Sprintf("%q", c.ID)
	}
	if len(c.Tensors) > 1 {
		return fmt.Sprintf("%s (tensors %q)", c.ID, c.Tensor())
	}
	return fmt.Sprintf("%s (tensor %q)", strings.Join(append(slices.Clone(c.Aliases), c.ID), " = "), c.Tensor())
}

// Name returns the shortest stable name: an alias where there is one, else the ID.
func (c *Cut) Name() string {
	if len(c.Aliases) > 0 {
		return c.Aliases[0]
	}
	return c.ID
}

// Resolve returns the cut that name means: an alias, an ID, the name of a tensor, or that
// of a node with one output; of several tensors, the ID of one of [Analysis.Frontiers], or
// such names and those of inputs, joined with commas or +. The error is an [*Error].
func (a *Analysis) Resolve(name string) (*Cut, error) {
	for i := range a.Cuts {
		if c := &a.Cuts[i]; c.ID == name || slices.Contains(c.Aliases, name) {
			return c, nil
		}
	}
	v := a.named(name)
	if v == nil {
		if c, is, err := a.frontierNamed(name); is {
			return c, err
		}
	}
	for _, separator := range []string{",", "+"} {
		if v == nil && strings.Contains(name, separator) {
			return a.resolveAll(name, strings.Split(name, separator))
		}
	}
	for i := range a.Cuts {
		if a.Cuts[i].Has(v) {
			return &a.Cuts[i], nil
		}
	}
	if v != nil {
		if c, err := a.Of(v); err == nil { // with late inputs as large as others
			return c, nil
		}
	}
	return nil, a.explain(name, v)
}

// named returns the tensor that name means, nil for none.
func (a *Analysis) named(name string) *ir.Value {
	if v := a.Model.Graph.Value(name); v != nil {
		return v
	}
	for _, n := range a.Model.Graph.Nodes() {
		if n.Name == name && n.NumOutputs() == 1 {
			return n.Output(0)
		}
	}
	return nil
}

// resolveAll is Resolve for several names.
func (a *Analysis) resolveAll(name string, names []string) (*Cut, error) {
	var all []*ir.Value
	for _, one := range names {
		one = strings.TrimSpace(one)
		v := a.named(one)
		for _, c := range a.Cuts {
			if v == nil && (c.ID == one || slices.Contains(c.Aliases, one)) {
				v = c.Tensors[0].Value
			}
		}
		if v == nil {
			e := a.explain(one, nil)
			e.Name = name
			e.Reason = fmt.Sprintf("%q: %s", one, e.Reason)
			return nil, e
		}
		if !slices.Contains(all, v) {
			all = append(all, v)
		}
	}
	if len(all) == 1 {
		return a.Resolve(all[0].Name())
	}
	c, err := a.Of(all...)
	if e := (*Error)(nil); errors.As(err, &e) {
		e.Name = name
		last := -1
		for _, v := range all {
			last = max(last, a.place(v))
		}
		a.near(e, last, slices.Concat(a.Cuts, a.Frontiers(FrontierTensors)))
	}
	return c, err
}

func (a *Analysis) explain(name string, v *ir.Value) *Error {
	e := &Error{Name: name}
	if v == nil {
		e.Reason = fmt.Sprintf("the model has no tensor or cut of that name (it has %d cuts: see bnc inspect)", len(a.Cuts))
		e.Similar = a.similar(name)
		return e
	}
	e.Reason, e.Crossing = a.Why(v), a.Crossing(v)
	a.near(e, a.place(v), a.Cuts)
	return e
}

// near adds the nearest of cuts to what is at a position.
func (a *Analysis) near(e *Error, pos int, cuts []Cut) {
	after := len(a.order)
	before := -1
	for i := range cuts {
		c := &cuts[i]
		switch at := a.position(c); {
		case at <= pos && at >= before:
			e.Before, before = c, at
		case at > pos && at < after:
			e.After, after = c, at
		}
	}
}

// position is that of the last node that computes one of the cut's tensors.
func (a *Analysis) position(c *Cut) int {
	last := -1
	for _, t := range c.Tensors {
		last = max(last, a.place(t.Value))
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
	nodes := a.Model.Graph.Nodes()
	first := a.order[v.Producer()] + 1
	behind := make([]bool, len(nodes))
	around := func(r read) bool { return r.from < 0 || !behind[r.from] || r.value == v }
	for i := first; i < len(nodes); i++ {
		behind[i] = slices.ContainsFunc(a.reads[i], func(r read) bool { return r.value == v || !around(r) })
	}
	var out []string
	seen := map[*ir.Value]bool{}
	var needs func(r read)
	needs = func(r read) {
		if !around(r) || seen[r.value] {
			return
		}
		seen[r.value] = true
		switch a.flow.kinds[r.value] {
		case activation:
			out = append(out, r.value.Name())
		case shapeOnly: // its own sources would have to cross
			if _, static := a.Info.Of(r.value).Ints(); !static {
				for _, s := range a.reads[r.from] {
					needs(s)
				}
			}
		}
	}
	needs(read{v, first - 1})
	for i := first; i < len(nodes); i++ {
		for _, r := range a.reads[i] {
			if behind[i] && around(r) {
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
