package ir

import (
	"fmt"
	"slices"

	"github.com/bottlenet/bnc/compiler/onnxpb"
)

// Graph is a list of nodes in topological order with the values between them:
// the model's graph, a body of an If, Loop or Scan, or that of a function.
type Graph struct {
	Name string
	// Proto holds what the compiler does not look at: doc string, metadata,
	// quantization annotations, unknown fields.
	Proto *onnxpb.GraphProto

	owner *Node // the node that has this graph as a body
	// formal tells that the file's IR version, 3, demands that initializers are
	// listed as inputs: no caller can override them then.
	formal      bool
	nodes       []*Node
	inputs      []Port
	outputs     []Port
	infos       []Port // value_info, in file order
	inits       []*Value
	sparse      []*Value
	outputCount map[*Value]int // listings as output, of nested graphs too
	values      map[string]*Value
	names       *names // of the values of the whole model, or of the whole function
	nodeNames   *names // nil until a node is named by SetName
}

// NewGraph returns an empty graph.
func NewGraph(name string) *Graph {
	return &Graph{
		Name: name, Proto: &onnxpb.GraphProto{}, values: map[string]*Value{}, outputCount: map[*Value]int{}, names: newNames(),
	}
}

// Nodes returns the nodes in topological order.
func (g *Graph) Nodes() []*Node { return slices.Clone(g.nodes) }

// Inputs returns the listed inputs, initializers that are listed included.
func (g *Graph) Inputs() []Port { return slices.Clone(g.inputs) }

// Outputs returns the listed outputs.
func (g *Graph) Outputs() []Port { return slices.Clone(g.outputs) }

// Infos returns the value_info list. The Value of an entry for a name that the
// graph does not have is nil.
func (g *Graph) Infos() []Port { return slices.Clone(g.infos) }

// DropStaleInfos removes value_info entries for names that the graph does not
// have.
func (g *Graph) DropStaleInfos() {
	g.infos = slices.DeleteFunc(g.infos, func(p Port) bool { return p.Value == nil })
}

// Inits returns the dense initializers in file order.
func (g *Graph) Inits() []*Value { return slices.Clone(g.inits) }

// SparseInits returns the sparse initializers in file order.
func (g *Graph) SparseInits() []*Value { return slices.Clone(g.sparse) }

// Owner returns the node whose body g is, nil for the model's graph and for a
// function's.
func (g *Graph) Owner() *Node { return g.owner }

// Feeds returns the inputs that a caller has to give: those that are no
// initializers.
func (g *Graph) Feeds() []*Value {
	var out []*Value
	for _, p := range g.inputs {
		if p.Value.init == nil && p.Value.sparse == nil {
			out = append(out, p.Value)
		}
	}
	return out
}

// Value returns the value of that name in g itself, nil if there is none.
func (g *Graph) Value(name string) *Value { return g.values[name] }

// Lookup returns the value that a node of g reads under that name: g's own or
// the nearest enclosing graph's.
func (g *Graph) Lookup(name string) *Value {
	for ; g != nil; g = g.parent() {
		if v := g.values[name]; v != nil {
			return v
		}
	}
	return nil
}

func (g *Graph) parent() *Graph {
	if g.owner == nil {
		return nil
	}
	return g.owner.graph
}

// within reports whether g is a body of n or nested in one.
func (g *Graph) within(n *Node) bool {
	for ; g != nil && g.owner != nil; g = g.owner.graph {
		if g.owner == n {
			return true
		}
	}
	return false
}

// Walk calls f for every node of g and of the graphs nested in it, each node
// before those of its bodies.
func (g *Graph) Walk(f func(*Node)) {
	for _, n := range slices.Clone(g.nodes) {
		f(n)
		for _, body := range n.Bodies() {
			body.Walk(f)
		}
	}
}

func (g *Graph) walkReads(f func(*Value)) {
	g.Walk(func(n *Node) {
		for _, v := range n.inputs {
			if v != nil {
				f(v)
			}
		}
		for _, body := range n.Bodies() {
			for _, p := range body.outputs {
				f(p.Value)
			}
		}
	})
	for _, p := range g.outputs {
		f(p.Value)
	}
}

// NewValue adds a value that nothing produces yet: pass it to NewNode as an
// output, or make it an input or initializer. The name must be free in g.
func (g *Graph) NewValue(name string, t *onnxpb.TypeProto) (*Value, error) {
	if name == "" {
		return nil, fmt.Errorf("graph %q: a value needs a name", g.Name)
	}
	if g.values[name] != nil {
		return nil, fmt.Errorf("graph %q: value %q is defined twice", g.Name, name)
	}
	v := &Value{name: name, graph: g, typ: t}
	g.register(v)
	return v, nil
}

// Temp adds a value under a name that no graph of the model uses yet: hint
// itself, or hint with the first free number.
func (g *Graph) Temp(hint string, t *onnxpb.TypeProto) *Value {
	v, err := g.NewValue(g.FreeName(hint), t)
	if err != nil {
		panic("BUG: " + err.Error())
	}
	return v
}

// FreeName returns hint, or hint with the first number that makes it a name that
// no graph of the model uses yet.
func (g *Graph) FreeName(hint string) string { return g.names.free(hint) }

func (g *Graph) register(v *Value) {
	g.values[v.name] = v
	g.names.add(v.name)
}

func (g *Graph) unregister(v *Value) {
	delete(g.values, v.name)
	g.names.drop(v.name)
}

// Const adds an initializer under a free name made from hint.
func (g *Graph) Const(hint string, t *Tensor) *Value {
	v := g.Temp(hint, nil)
	g.SetInit(v, t)
	return v
}

// SetInit makes v an initializer with constant t, or replaces its constant.
func (g *Graph) SetInit(v *Value, t *Tensor) {
	if v.producer != nil || v.graph != g {
		panic(fmt.Sprintf("BUG: %q cannot be an initializer of graph %q", v.name, g.Name))
	}
	if v.init == nil {
		g.inits = append(g.inits, v)
	}
	v.init = t
}

// SetSparseInit makes v a sparse initializer.
func (g *Graph) SetSparseInit(v *Value, s *Sparse) {
	if v.producer != nil || v.graph != g {
		panic(fmt.Sprintf("BUG: %q cannot be an initializer of graph %q", v.name, g.Name))
	}
	v.sparse = s
	g.sparse = append(g.sparse, v)
}

// AddInput appends v to g's inputs. Info may be nil: then the value's type is
// what is declared.
func (g *Graph) AddInput(v *Value, info *onnxpb.ValueInfoProto) {
	g.inputs = append(g.inputs, declare(v, info))
}

// AddInfo appends v to g's value_info; nil stands for a name that g does not have.
func (g *Graph) AddInfo(v *Value, info *onnxpb.ValueInfoProto) {
	if v == nil {
		g.infos = append(g.infos, Port{nil, info})
		return
	}
	g.infos = append(g.infos, declare(v, info))
}

func declare(v *Value, info *onnxpb.ValueInfoProto) Port {
	if info == nil {
		info = &onnxpb.ValueInfoProto{Type: v.typ}
	}
	if v.typ == nil {
		v.typ = info.Type
	}
	return Port{v, info}
}

// AddOutput appends v, which may be captured, to g's outputs.
func (g *Graph) AddOutput(v *Value, info *onnxpb.ValueInfoProto) {
	g.outputs = append(g.outputs, declare(v, info))
	v.graph.outputCount[v]++
}

// SetOutputs replaces g's outputs, keeping the declarations of those that stay.
func (g *Graph) SetOutputs(vs ...*Value) {
	old := g.outputs
	g.clearOutputs()
	for _, v := range vs {
		var info *onnxpb.ValueInfoProto
		if i := slices.IndexFunc(old, func(p Port) bool { return p.Value == v }); i >= 0 {
			info = old[i].Info
		} else if i := slices.IndexFunc(g.infos, func(p Port) bool { return p.Value == v }); i >= 0 {
			info = g.infos[i].Info
		}
		g.AddOutput(v, info)
	}
}

func (g *Graph) clearOutputs() {
	for _, p := range g.outputs {
		if p.Value.graph != nil {
			p.Value.graph.outputCount[p.Value]--
		}
	}
	g.outputs = nil
}

// SetInputs puts g's inputs into the order of vs, all of them inputs already;
// those that are not among vs come after them.
func (g *Graph) SetInputs(vs ...*Value) {
	place := func(p Port) int {
		if i := slices.Index(vs, p.Value); i >= 0 {
			return i
		}
		return len(vs)
	}
	slices.SortStableFunc(g.inputs, func(a, b Port) int { return place(a) - place(b) })
}

// UnlistInput takes v off g's inputs; if it is an initializer it stays one.
func (g *Graph) UnlistInput(v *Value) {
	g.inputs = slices.DeleteFunc(g.inputs, func(p Port) bool { return p.Value == v })
}

// SetType declares v's type, replacing what the file said about it everywhere.
func (g *Graph) SetType(v *Value, t *onnxpb.TypeProto) {
	v.typ = t
	for _, ports := range [][]Port{g.inputs, g.outputs, g.infos} {
		for i, p := range ports {
			if p.Value == v {
				ports[i].Info = &onnxpb.ValueInfoProto{Type: t, DocString: p.Info.DocString, MetadataProps: p.Info.MetadataProps}
			}
		}
	}
}

// NewNode appends a node. Its outputs must be values of g that nothing
// produces. Call Sort when it is used by nodes before it.
func (g *Graph) NewNode(domain, op string, inputs, outputs []*Value, attrs ...*Attr) *Node {
	n := &Node{Domain: domain, Op: op, Proto: &onnxpb.NodeProto{}, graph: g}
	n.inputs = make([]*Value, len(inputs))
	for i, v := range inputs {
		n.SetInput(i, v)
	}
	for i, v := range outputs {
		n.outputs = append(n.outputs, v)
		if v == nil {
			continue
		}
		if v.producer != nil || v.init != nil || v.sparse != nil || v.graph != g {
			panic(fmt.Sprintf("BUG: %q cannot be an output of %s", v.name, n.Label()))
		}
		v.producer, v.index = n, i
	}
	for _, a := range attrs {
		n.SetAttr(a)
	}
	g.nodes = append(g.nodes, n)
	return n
}

// Op1 appends a node of the default domain with one output under a free name
// made from hint, and returns that output.
func (g *Graph) Op1(hint, op string, inputs []*Value, t *onnxpb.TypeProto, attrs ...*Attr) *Value {
	out := g.Temp(hint, t)
	n := g.NewNode("", op, inputs, []*Value{out}, attrs...)
	n.SetName(out.name)
	return out
}

// NewBody returns an empty graph nested in n, to be filled and then set as an
// attribute of n.
func (n *Node) NewBody(name string) *Graph {
	g := NewGraph(name)
	g.owner, g.names = n, n.graph.names
	return g
}

// adopt makes g a body of n; release undoes what g reads from outside.
func (g *Graph) adopt(n *Node) {
	if g.owner != nil && g.owner != n {
		panic(fmt.Sprintf("BUG: graph %q is a body of two nodes", g.Name))
	}
	if g.names != n.graph.names {
		n.graph.names.join(g)
	}
	g.owner = n
}

func (g *Graph) release() {
	g.clearOutputs()
	for _, n := range g.nodes {
		for i := range n.inputs {
			n.SetInput(i, nil)
		}
		for _, body := range n.Bodies() {
			body.release()
		}
	}
	g.leave()
	g.owner = nil
}

// Sort puts the nodes into topological order, otherwise keeping their order:
// a node moves back only as far as the producers of what it reads demand. A
// cycle is an error.
func (g *Graph) Sort() error {
	const visiting, done = 1, 2
	state := make(map[*Node]int, len(g.nodes))
	sorted := make([]*Node, 0, len(g.nodes))
	type frame struct {
		n     *Node
		reads []*Value
	}
	for _, start := range g.nodes {
		if state[start] != 0 {
			continue
		}
		state[start] = visiting
		stack := []frame{{start, start.Reads()}}
		for len(stack) > 0 {
			top := &stack[len(stack)-1]
			if len(top.reads) == 0 {
				state[top.n] = done
				sorted = append(sorted, top.n)
				stack = stack[:len(stack)-1]
				continue
			}
			v := top.reads[0]
			top.reads = top.reads[1:]
			p := v.producer
			if p == nil || p.graph != g {
				continue
			}
			switch state[p] {
			case visiting:
				return fmt.Errorf("graph %q: %s is part of a cycle through %q", g.Name, p.Label(), v.name)
			case 0:
				state[p] = visiting
				stack = append(stack, frame{p, p.Reads()})
			}
		}
	}
	g.nodes = sorted
	return nil
}
