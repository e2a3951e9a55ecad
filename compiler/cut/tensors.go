package cut

import (
	"fmt"
	"slices"
	"strings"

	"github.com/bottlenet/bnc/compiler/ir"
)

// Has reports whether v is one of the cut's tensors.
func (c *Cut) Has(v *ir.Value) bool {
	return slices.ContainsFunc(c.Tensors, func(t Tensor) bool { return t.Value == v })
}

// Names are the names of the cut's tensors.
func (c *Cut) Names() []string {
	var names []string
	for _, t := range c.Tensors {
		names = append(names, t.Value.Name())
	}
	return names
}

// Tensor is what the tensors are called together: their names, joined with +.
func (c *Cut) Tensor() string { return strings.Join(c.Names(), "+") }

// NoBottleneck says why the cut takes no bottleneck, "" where it takes one.
func (c *Cut) NoBottleneck() string {
	if len(c.Tensors) > 1 {
		return "several tensors cross there"
	}
	for _, t := range c.Tensors {
		if t.NoBottleneck != "" {
			return t.NoBottleneck
		}
	}
	return ""
}

// Of returns the cut of several tensors, which together have to separate the inputs of
// the model from the outputs that depend on them. One may be computed from another. The
// error is an [*Error].
func (a *Analysis) Of(values ...*ir.Value) (*Cut, error) {
	c := &Cut{behind: map[*ir.Node]bool{}}
	for _, v := range values {
		c.Tensors = append(c.Tensors, Tensor{Value: v, Type: a.Info.Of(v)})
	}
	c.ID = c.Tensor()
	refuse := func(format string, args ...any) (*Cut, error) {
		return nil, &Error{Name: c.ID, Reason: fmt.Sprintf(format, args...)}
	}
	todo := a.dependent(values)
	if len(todo) == 0 {
		return refuse("no output of the model depends on them")
	}
	for len(todo) > 0 {
		v := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		n := v.Producer()
		switch {
		case a.flow.kinds[v] != activation, c.Has(v), n != nil && c.behind[n]:
			continue
		case n == nil:
			return refuse("input %q of the model is needed behind them", v.Name())
		}
		c.behind[n] = true
		todo = append(todo, a.flow.reads[n]...)
	}
	if lost := a.lostShape(c); lost != nil {
		return refuse("behind them the shape of %q is read, which their own shapes do not tell (fix it with --input NAME=DIMS)", lost.Name())
	}
	return c, nil
}

// dependent returns the outputs of the model that activations reach from values.
func (a *Analysis) dependent(values []*ir.Value) []*ir.Value {
	reached := map[*ir.Value]bool{}
	for _, v := range values {
		reached[v] = true
	}
	for _, n := range a.Model.Graph.Nodes() {
		if a.flow.nodes[n] == activation && slices.ContainsFunc(a.flow.reads[n], func(v *ir.Value) bool { return reached[v] }) {
			for _, v := range n.Outputs() {
				reached[v] = true
			}
		}
	}
	var outputs []*ir.Value
	for _, p := range a.Model.Graph.Outputs() {
		if reached[p.Value] && !slices.Contains(values, p.Value) {
			outputs = append(outputs, p.Value)
		}
	}
	return outputs
}
