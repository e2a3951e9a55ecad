package cut

import (
	"iter"
	"slices"

	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/compiler/shape"
)

// OutputsBefore returns the outputs of the model that a split at c leaves on the mobile
// side.
func (a *Analysis) OutputsBefore(c *Cut) []*ir.Value {
	var out []*ir.Value
	for _, p := range a.Model.Graph.Outputs() {
		if !a.BelongsBehind(c, p.Value) {
			out = append(out, p.Value)
		}
	}
	return out
}

// Before returns the multiply-adds, at batch 1, and the number of parameters of
// what a plain split at c leaves on the mobile side. The multiply-adds are nil
// where a size or an operator leaves them open.
func (a *Analysis) Before(c *Cut) (macs *int64, params int64) {
	m := a.before(c)
	if !m.open {
		macs = new(m.macs)
	}
	return macs, m.params
}

// MACs adds up the multiply-adds of nodes at batch 1, nil where a size or an
// operator leaves them open, or how often a body that has some runs.
func (a *Analysis) MACs(nodes iter.Seq[*ir.Node]) *int64 {
	sum := int64(0)
	for n := range nodes {
		macs, known := a.Info.MACs(n)
		for _, body := range n.Bodies() {
			body.Walk(func(inner *ir.Node) {
				some, sure := a.Info.MACs(inner)
				known = known && sure && some == 0
			})
		}
		if !known {
			return nil
		}
		sum += macs
	}
	return &sum
}

// mobile is what a plain split leaves on the mobile side.
type mobile struct {
	cut          *Cut
	outputs      []*ir.Value
	nodes        map[*ir.Node]bool
	values       map[*ir.Value]bool // theirs, and what they read
	macs, params int64
	open         bool // some multiply-adds are not known
}

// before returns what a plain split at c leaves on the mobile side, valid until the next
// call: where all of what that returned last is before c too, as for cuts in their order
// along a network, it adds to that.
func (a *Analysis) before(c *Cut) *mobile {
	outputs := a.OutputsBefore(c)
	m := a.mobile
	if m == nil || !a.follows(c, outputs, m) {
		m = &mobile{nodes: map[*ir.Node]bool{}, values: map[*ir.Value]bool{}}
	}
	a.mobile = m
	m.cut, m.outputs = c, outputs
	todo := slices.Clone(outputs)
	for _, t := range c.Tensors {
		todo = append(todo, t.Value)
	}
	for len(todo) > 0 {
		v := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if m.values[v] {
			continue
		}
		m.values[v] = true
		m.params += ParameterCount(v)
		n := v.Producer()
		if n == nil || m.nodes[n] {
			continue
		}
		m.nodes[n] = true
		if macs := a.MACs(slices.Values([]*ir.Node{n})); macs == nil {
			m.open = true
		} else {
			m.macs += *macs
		}
		todo = append(todo, a.flow.reads[n]...)
	}
	return m
}

// follows reports whether all of m is before c, whose outputs before it are given.
func (a *Analysis) follows(c *Cut, outputs []*ir.Value, m *mobile) bool {
	if len(c.Tensors) != 1 || len(m.cut.Tensors) != 1 {
		return false
	}
	n := c.Tensors[0].Value.Producer()
	return n != nil && a.Behind(m.cut, n) && !slices.ContainsFunc(m.outputs, func(v *ir.Value) bool { return !slices.Contains(outputs, v) })
}

// Bytes returns the size of what crosses at c at batch 1, its tensors and late inputs, nil
// where a shape or type leaves that open.
func (a *Analysis) Bytes(c *Cut) *int64 {
	var types []shape.Type
	for _, t := range c.Tensors {
		types = append(types, t.Type)
	}
	for _, v := range c.Late {
		types = append(types, a.Info.Of(v))
	}
	sum := int64(0)
	for _, t := range types {
		n := a.BytesOf(t)
		if n == nil {
			return nil
		}
		sum += *n
	}
	return &sum
}

// BytesOf returns the size of a tensor of type t at batch 1, nil where it is open.
func (a *Analysis) BytesOf(t shape.Type) *int64 {
	bits := t.DType.Bits()
	if !t.Ranked || bits == 0 {
		return nil
	}
	n := int64(1)
	for _, d := range t.Dims {
		size, ok := a.Info.AtBatch1(d)
		if !ok {
			return nil
		}
		n *= size
	}
	b := t.DType.Bytes(n)
	return &b
}

// ModelParameters returns the number of parameters of a model's graph; see [ParameterCount].
func ModelParameters(m *ir.Model) int64 {
	sum := int64(0)
	for _, v := range m.Graph.Inits() {
		sum += ParameterCount(v)
	}
	for _, n := range m.Graph.Nodes() {
		if n.Op == "Constant" && n.Output(0) != nil {
			sum += ParameterCount(n.Output(0))
		}
	}
	return sum
}

// ParameterCount returns the number of v's elements where it is what frameworks count
// as a parameter, else 0: an initializer, or the tensor of a Constant node, which is
// neither a running statistic, as the mean and var of a BatchNormalization, nor of
// the types that shapes, indices and flags have. The scalars of Constant nodes are
// settings of operators, as a Clip's bounds are.
func ParameterCount(v *ir.Value) int64 {
	t := v.Init()
	if t == nil {
		if t = v.Const(); t == nil || len(t.Dims()) == 0 {
			return 0
		}
	}
	if slices.Contains([]ir.DType{ir.Int64, ir.Bool, ir.String}, t.DType()) {
		return 0
	}
	for _, u := range v.Uses() {
		if shape.Of(u.Node).Role(u.Index) != shape.Statistic {
			return t.Len()
		}
	}
	if len(v.Uses()) > 0 {
		return 0
	}
	return t.Len()
}
