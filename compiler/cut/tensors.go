package cut

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/compiler/shape"
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

// LateNames are the names of the late inputs.
func (c *Cut) LateNames() []string {
	var names []string
	for _, v := range c.Late {
		names = append(names, v.Name())
	}
	return names
}

// Tensor is what the tensors are called together: their names, joined with +.
func (c *Cut) Tensor() string { return strings.Join(c.Names(), "+") }

// NoBottleneck says why the cut takes no bottleneck, "" where each of its tensors takes one.
func (c *Cut) NoBottleneck() string {
	for _, t := range c.Tensors {
		switch {
		case t.NoBottleneck == "":
		case len(c.Tensors) > 1:
			return fmt.Sprintf("%q: %s", t.Value.Name(), t.NoBottleneck)
		default:
			return t.NoBottleneck
		}
	}
	return ""
}

// Of returns the cut of one or more tensors, which together have to separate the inputs of
// the model from the outputs that depend on them, but for inputs that nothing before them
// reads. One may be computed from another, or be an input itself; of those that are the same
// numbers in other layouts one crosses, which takes a bottleneck if any does. The error is
// an [*Error].
func (a *Analysis) Of(values ...*ir.Value) (*Cut, error) {
	values = a.once(values)
	c := &Cut{behind: map[*ir.Node]bool{}}
	for _, v := range values {
		c.Tensors = append(c.Tensors, a.tensor(v))
	}
	c.ID = c.Tensor()
	refuse := func(format string, args ...any) (*Cut, error) {
		return nil, &Error{Name: c.ID, Reason: fmt.Sprintf(format, args...), Besides: a.besides(c)}
	}
	computed := false
	for _, v := range values {
		if why := a.unfit(v); why != "" {
			return refuse("%q does not cross: %s", v.Name(), why)
		}
		computed = computed || v.Producer() != nil
	}
	if !computed {
		return refuse("nothing would be computed before the inputs of the model")
	}
	random, dependent := false, a.dependent(values)
	if len(dependent) == 0 {
		return refuse("no output of the model depends on them")
	}
	equal, needed := a.equal(c), map[*ir.Value]bool{}
	for todo := dependent; len(todo) > 0; {
		v := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		n := v.Producer()
		switch {
		case c.Has(v):
			needed[v] = true
			continue
		case a.flow.kinds[v] != activation, n != nil && c.behind[n], slices.Contains(c.Late, v):
			continue
		case equal[v] != nil:
			needed[equal[v]] = true
			if inverted := (Inverted{v, equal[v]}); !slices.Contains(c.Inverted, inverted) {
				c.Inverted = append(c.Inverted, inverted)
			}
			continue
		case n == nil:
			c.Late = append(c.Late, v)
			continue
		}
		c.behind[n] = true
		todo = append(todo, a.flow.reads[n]...)
		random = random || !slices.ContainsFunc(a.flow.reads[n], a.IsActivation)
	}
	if len(c.Late) > 0 || random {
		before := a.before(c)
		for _, v := range c.Late {
			if before.values[v] {
				return refuse("they do not separate input %q of the model from all outputs that depend on them", v.Name())
			}
		}
		for n := range before.nodes {
			if c.behind[n] && !slices.ContainsFunc(a.flow.reads[n], a.IsActivation) {
				return refuse("%s draws random numbers that both sides need", n.Label())
			}
		}
		feeds := a.Model.Graph.Feeds()
		slices.SortFunc(c.Late, func(x, y *ir.Value) int { return slices.Index(feeds, x) - slices.Index(feeds, y) })
	}
	for _, v := range values {
		if !needed[v] && !a.tellsShape(c, v) {
			return refuse("behind the others nothing reads %q: leave it out", v.Name())
		}
	}
	slices.SortFunc(c.Inverted, func(x, y Inverted) int { return a.place(x.Value) - a.place(y.Value) })
	if lost := a.lostShape(c); lost != nil {
		return refuse("behind them the shape of %q is read, which their own shapes do not tell (fix it with --input NAME=DIMS)", lost.Name())
	}
	return c, nil
}

// once returns values without those that are another of them in another layout.
func (a *Analysis) once(values []*ir.Value) (left []*ir.Value) {
	at := map[*ir.Value]int{} // in left, by what is laid out
	for _, v := range values {
		root := v
		for root.Producer() != nil {
			from := a.LaidOut(root.Producer())
			if from == nil {
				break
			}
			root = from
		}
		i, is := at[root]
		switch {
		case !is:
			at[root] = len(left)
			left = append(left, v)
		case a.tensor(left[i]).NoBottleneck != "" && a.tensor(v).NoBottleneck == "":
			left[i] = v
		}
	}
	return left
}

// tellsShape reports whether a shape that is read behind cut c is told by its tensor v alone.
func (a *Analysis) tellsShape(c *Cut, v *ir.Value) bool {
	without := *c
	without.Tensors = slices.DeleteFunc(slices.Clone(c.Tensors), func(t Tensor) bool { return t.Value == v })
	return len(without.Tensors) > 0 && a.lostShape(&without) != nil
}

// unfit says why v cannot be one of the tensors of a cut, "" where it can.
func (a *Analysis) unfit(v *ir.Value) string {
	t := a.Info.Of(v)
	switch {
	case a.flow.kinds[v] == constant:
		return "it is a constant"
	case a.flow.kinds[v] == shapeOnly:
		return "it carries a shape, no activations"
	case a.outputs[v]:
		return "it is an output of the model"
	case a.vertex[v] == 0:
		return "no output of the model depends on it"
	case !a.reaching[v]:
		return "the outputs depend on its shape alone, nothing reads its activations"
	case t.Kind > shape.Tensor:
		return fmt.Sprintf("it is no tensor: %v", t)
	case t.DType == ir.Undefined && v.Producer() != nil:
		return a.untyped(v)
	}
	return ""
}

// BothSides returns the nodes, in order, that both sides of cut c compute: those behind it
// that its own tensors or the outputs before it depend on too.
func (a *Analysis) BothSides(c *Cut) (both []*ir.Node) {
	if c.behind == nil {
		return nil
	}
	before := a.before(c)
	for n := range c.behind {
		if before.nodes[n] {
			both = append(both, n)
		}
	}
	slices.SortFunc(both, func(x, y *ir.Node) int { return a.order[x] - a.order[y] })
	return both
}

// Join says that n, made since, belongs behind the cut.
func (c *Cut) Join(n *ir.Node) { c.behind[n] = true }

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

// besides returns the names of what a division at c would have to carry over besides its
// tensors: what its side before computes or reads and its side behind reads.
func (a *Analysis) besides(c *Cut) (names []string) {
	has := map[*ir.Value]bool{}
	for _, t := range c.Tensors {
		has[t.Value] = true
	}
	before := map[*ir.Value]bool{}
	for todo := slices.Collect(maps.Keys(has)); len(todo) > 0; {
		v := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if before[v] {
			continue
		}
		before[v] = true
		if n := v.Producer(); n != nil {
			todo = append(todo, a.flow.reads[n]...)
		}
	}
	var values []*ir.Value
	for v := range has {
		values = append(values, v)
	}
	seen, equal := map[*ir.Value]bool{}, a.equal(c)
	var found []*ir.Value
	for todo := a.dependent(values); len(todo) > 0; {
		v := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if seen[v] || has[v] || equal[v] != nil || a.flow.kinds[v] != activation {
			continue
		}
		seen[v] = true
		if before[v] {
			found = append(found, v)
		} else if n := v.Producer(); n != nil {
			todo = append(todo, a.flow.reads[n]...)
		}
	}
	slices.SortFunc(found, func(x, y *ir.Value) int { return a.place(x) - a.place(y) })
	for _, v := range found {
		names = append(names, v.Name())
	}
	return names
}

// place is the position of what computes v, -1 for inputs.
func (a *Analysis) place(v *ir.Value) int {
	if v.Producer() == nil {
		return -1
	}
	return a.order[v.Producer()]
}
