package cut

import (
	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/compiler/shape"
)

// kind says what a value carries.
type kind int

const (
	// constant values depend on no input: both sides of a cut can have a copy.
	constant kind = iota
	// shapeOnly values depend on inputs through Shape and Size nodes alone.
	shapeOnly
	// activation values depend on what is in the inputs, or on chance.
	activation
)

// flow is the graph seen as a flow of activations.
type flow struct {
	kinds map[*ir.Value]kind
	nodes map[*ir.Node]kind // of its outputs
	reads map[*ir.Node][]*ir.Value
}

// newFlow classifies every value of the model's graph. Nodes must be in
// topological order. A body is part of the node that has it.
func newFlow(m *ir.Model) *flow {
	f := &flow{kinds: map[*ir.Value]kind{}, nodes: map[*ir.Node]kind{}, reads: map[*ir.Node][]*ir.Value{}}
	for _, v := range m.Graph.Feeds() {
		f.kinds[v] = activation
	}
	random := randomness{m, map[ir.FunctionID]bool{}}
	for _, n := range m.Graph.Nodes() {
		f.reads[n] = n.Reads()
		k := constant
		for _, v := range f.reads[n] {
			k = max(k, f.kinds[v])
		}
		switch {
		case shape.Of(n).Depends == shape.OnShape:
			k = min(k, shapeOnly)
		case random.of(n):
			k = activation
		}
		f.nodes[n] = k
		for _, v := range n.Outputs() {
			if v != nil {
				f.kinds[v] = k
			}
		}
	}
	return f
}

// randomness tells which nodes draw random numbers. It looks into each function
// once: calls of calls may multiply without end.
type randomness struct {
	model     *ir.Model
	functions map[ir.FunctionID]bool
}

// of reports whether two copies of n may give different results: n, or a node
// in its bodies or in a function it calls, draws random numbers.
func (r randomness) of(n *ir.Node) bool {
	found := r.itself(n)
	for _, body := range n.Bodies() {
		body.Walk(func(inner *ir.Node) { found = found || r.itself(inner) })
	}
	return found
}

// itself is of without n's bodies.
func (r randomness) itself(n *ir.Node) bool {
	switch shape.Of(n).Depends {
	case shape.OnChance:
		return true
	case shape.OnChanceInTraining:
		if n.Input(2) != nil && !isFalse(n.Input(2)) {
			return true
		}
	}
	id := n.Callee()
	if known, ok := r.functions[id]; ok {
		return known
	}
	r.functions[id] = false // also what a recursive call, which ONNX forbids, counts as
	if f := r.model.Function(id); f != nil {
		found := false
		f.Body.Walk(func(inner *ir.Node) { found = found || r.itself(inner) })
		r.functions[id] = found
	}
	return r.functions[id]
}

// isFalse reports whether v is the constant false.
func isFalse(v *ir.Value) bool {
	t := v.Const()
	if t == nil {
		return false
	}
	b, err := t.Ints()
	return err == nil && len(b) == 1 && b[0] == 0
}
