package shape

import (
	"fmt"

	"github.com/bottlenet/bnc/compiler/ir"
)

// Options are what the caller knows beyond the file.
type Options struct {
	// Fix gives inputs of the model fixed shapes, by name. A symbol that an input
	// gets a number for has that number everywhere.
	Fix map[string][]int64
	// Computed ignores the shapes that the file declares of what nodes compute, which
	// may be wrong: only what follows from operators and inputs is known then.
	Computed bool
}

// Info is what inference found out about a model. It describes the model as it
// was: after an edit, infer again.
type Info struct {
	types map[*ir.Value]Type
	costs map[*ir.Node]Dim
	batch Dim
}

// Of returns v's type. Values in bodies of If, Loop and Scan have one as well,
// those in bodies of functions do not: theirs differs from call to call.
func (i *Info) Of(v *ir.Value) Type { return i.types[v] }

// Dims returns v's dimensions, and false where its rank is not known.
func (i *Info) Dims(v *ir.Value) ([]Dim, bool) {
	t := i.types[v]
	return t.Dims, t.Ranked
}

// ImageInputs returns m's inputs of rank 4, or all where none has rank 4.
func (i *Info) ImageInputs(m *ir.Model) []*ir.Value {
	var images []*ir.Value
	for _, v := range m.Graph.Feeds() {
		if rank, known := i.Of(v).Rank(); known && rank == 4 {
			images = append(images, v)
		}
	}
	if images == nil {
		return m.Graph.Feeds()
	}
	return images
}

// Infer finds the type of every value of m. It is an error where an operator
// cannot be applied to what it is given, or where the file declares an element
// type other than the one that is computed: ONNX Runtime refuses both. Declared
// dimensions that differ from the computed ones are ignored, as it does.
func Infer(m *ir.Model, opts Options) (*Info, error) {
	s := &inferrer{
		ops:       table,
		types:     map[*ir.Value]Type{},
		functions: make(map[ir.FunctionID]*ir.Function, len(m.Functions)),
		opset:     m.Opset,
		shared:    &shared{budget: maxRepeated, fresh: map[string]int{}, costs: map[*ir.Node]Dim{}, trust: true, computed: opts.Computed},
	}
	for _, f := range m.Functions {
		s.functions[f.ID()] = f
	}
	if err := s.fix(m.Graph, opts.Fix); err != nil {
		return nil, err
	}
	if err := s.graph(m.Graph); err != nil {
		return nil, err
	}
	return &Info{types: s.types, costs: s.costs, batch: s.batchOf(m.Graph)}, nil
}

// batchOf returns the leading dimension of the first input of rank 2 or more,
// unknown where there is none.
func (s *inferrer) batchOf(g *ir.Graph) Dim {
	for _, v := range g.Feeds() {
		if t := s.types[v]; len(t.Dims) > 1 {
			return t.Dims[0]
		}
	}
	return Dim{}
}

// maxRepeated bounds how many nodes of function and loop bodies are visited:
// nested functions could otherwise multiply without end. Beyond it nodes have
// the types the file declares.
const maxRepeated = 1 << 18

// maxDepth bounds the nesting of function calls; recursion is not allowed.
const maxDepth = 64

// inferrer infers one scope: the model's graph with the bodies in it, or one
// call of a function.
type inferrer struct {
	*shared
	ops       map[opID]*Op
	types     map[*ir.Value]Type
	outer     *inferrer           // of a function: the scope of the caller
	bound     map[string]*ir.Attr // of a function: what its attributes are
	functions map[ir.FunctionID]*ir.Function
	opset     func(domain string) int64
	depth     int // of function calls and loop bodies
	total     Dim // of a function: the cost of its nodes
}

// shared is the state of all scopes.
type shared struct {
	budget int
	fresh  map[string]int // how often a fresh symbol was asked for under a name
	fixed  map[string]int64
	inputs map[*ir.Value][]int64
	costs  map[*ir.Node]Dim
	trust  bool // declared dimensions still hold
	// computed tells that shapes declared of what nodes compute do not count
	computed bool
	serial   int // of the last fresh symbol
}

// graph infers g: its initializers, its inputs where they have no type yet,
// and its nodes. Of an initializer that a caller may override only the
// declaration counts, where there is one, and never the contents.
func (s *inferrer) graph(g *ir.Graph) error {
	for _, v := range g.Inits() {
		if v.Overridable() {
			s.types[v] = s.defaulted(v)
			continue
		}
		t, err := constantType(v.Init())
		if err != nil {
			return fmt.Errorf("initializer %q: %w", v.Name(), err)
		}
		s.types[v] = t
	}
	for _, v := range g.SparseInits() {
		t := TensorOf(v.SparseInit().Values.DType(), constDims(v.SparseInit().Proto.GetDims())...)
		s.types[v] = t
	}
	for _, p := range g.Inputs() {
		if _, done := s.types[p.Value]; !done {
			s.types[p.Value] = s.named(p.Value, s.declared(p.Value))
		}
	}
	for _, n := range g.Nodes() {
		if err := s.apply(n); err != nil {
			return err
		}
	}
	return nil
}

// typeOf returns the type of a value that a node reads, Unknown for nil.
func (s *inferrer) typeOf(v *ir.Value) Type {
	for scope := s; scope != nil && v != nil; scope = scope.outer {
		if t, ok := scope.types[v]; ok {
			return t
		}
	}
	return Type{}
}

// apply infers the outputs of n.
func (s *inferrer) apply(n *ir.Node) error {
	var outs []Type
	if s.depth == 0 || s.budget > 0 {
		if s.depth > 0 {
			s.budget--
		}
		var err error
		if outs, err = s.outputs(n); err != nil {
			return err
		}
	} else {
		s.charge(n, Dim{})
	}
	for i := range n.NumOutputs() {
		v := n.Output(i)
		if v == nil {
			continue
		}
		var t Type
		if i < len(outs) {
			t = outs[i]
		}
		t, err := s.settle(n, v, t)
		if err != nil {
			return err
		}
		s.types[v] = t
	}
	return nil
}

// outputs returns the types that n computes, nil for an unknown operator.
func (s *inferrer) outputs(n *ir.Node) ([]Type, error) {
	in := make([]Type, n.NumInputs())
	for i := range in {
		in[i] = s.typeOf(n.Input(i))
	}
	c := &call{inferrer: s, node: n, version: s.opset(n.Domain), in: in}
	if f := s.functions[n.Callee()]; f != nil {
		return s.callFunction(c, f)
	}
	op := s.ops[idOf(n.Domain, n.Op)]
	if op == nil {
		s.charge(n, Dim{})
		return nil, nil
	}
	if err := op.fits(n, c.version); err != nil {
		return nil, err
	}
	outs, err := op.infer(c)
	if err != nil {
		return nil, err
	}
	for i, t := range outs {
		outs[i].Content = wrapped(t.Content, t.DType)
	}
	s.charge(n, op.macs(c, outs))
	return outs, nil
}

// charge notes the cost of n, or adds it to that of the function n is in.
func (s *inferrer) charge(n *ir.Node, d Dim) {
	if s.outer == nil {
		s.costs[n] = d
		return
	}
	s.total = s.total.Add(d)
}

// callFunction infers a function's body for one call.
func (s *inferrer) callFunction(c *call, f *ir.Function) ([]Type, error) {
	if s.depth >= maxDepth {
		return nil, c.failf("expected functions nested at most %d deep, found more: a function must not call itself", maxDepth)
	}
	bound := map[string]*ir.Attr{}
	for _, p := range f.Proto.AttributeProto { // defaults
		bound[p.GetName()] = &ir.Attr{Proto: p}
	}
	for _, a := range c.node.Attrs() {
		if given := c.attr(a.Name()); given != nil { // nil where it refers to one that the caller's caller left out
			bound[a.Name()] = given
		}
	}
	scope := &inferrer{
		shared: s.shared, ops: s.ops, functions: s.functions, outer: s, depth: s.depth + 1, total: Const(0),
		types: map[*ir.Value]Type{},
		bound: bound,
		opset: functionOpset(f, s.opset),
	}
	for i, p := range f.Body.Inputs() {
		scope.types[p.Value] = c.arg(i)
	}
	if err := scope.graph(f.Body); err != nil {
		return nil, c.failf("%w", err)
	}
	s.charge(c.node, scope.total)
	var outs []Type
	for _, p := range f.Body.Outputs() {
		outs = append(outs, scope.typeOf(p.Value))
	}
	return outs, nil
}

// constantType returns the type of a constant, with contents where it is small.
func constantType(t *ir.Tensor) (Type, error) {
	out := TensorOf(t.DType(), constDims(t.Dims())...)
	if n := t.Len(); n < 0 || n > maxContent || !isIndex(t.DType()) {
		return out, nil
	}
	ints, err := t.Ints()
	if err != nil {
		return Type{}, err
	}
	return out.with(data{ints: wrapped(constDims(ints), t.DType())}), nil
}

// isIndex reports whether contents of d are followed as integers.
func isIndex(d ir.DType) bool {
	return d == ir.Int64 || d == ir.Int32 || d == ir.Bool || d == ir.Uint8 || d == ir.Int8
}

func constDims(n []int64) []Dim {
	out := make([]Dim, len(n))
	for i, v := range n {
		out[i] = Const(v)
	}
	return out
}
