package ir

import (
	"fmt"
	"maps"
	"slices"
)

// Verify checks the invariants of the package, that a file of the model would be
// read as the same graph, that every domain in use is imported, and that calls of
// functions fit them. It returns the first violation. Time is linear in the
// model's graph. How many inputs an operator takes, compiler/shape knows.
func (m *Model) Verify() error {
	if m.Graph.formal != m.formal() {
		return fmt.Errorf("the IR version is %d, which was not set with SetIRVersion", m.IRVersion())
	}
	if err := verifyGraph(m.Graph); err != nil {
		return err
	}
	for _, f := range m.Functions {
		if err := verifyGraph(f.Body); err != nil {
			return fmt.Errorf("function %q: %w", f.Proto.GetName(), err)
		}
	}
	functions := make(map[FunctionID]*Function, len(m.Functions))
	for _, f := range m.Functions {
		functions[f.ID()] = f
	}
	domains := map[string]bool{}
	for _, o := range m.Proto.OpsetImport {
		domains[NormalDomain(o.GetDomain())] = true
	}
	var first error
	check := func(n *Node) {
		switch f := functions[n.Callee()]; {
		case first != nil:
		case f == nil && !domains[n.Domain]:
			first = fmt.Errorf("%s: domain %q is in no opset_import", n.Label(), n.Domain)
		case f != nil && len(n.inputs) > len(f.Body.inputs):
			first = fmt.Errorf("%s: expected at most %d inputs, as the function has, found %d", n.Label(), len(f.Body.inputs), len(n.inputs))
		case f != nil && len(n.outputs) > len(f.Body.outputs):
			first = fmt.Errorf("%s: expected at most %d outputs, as the function has, found %d", n.Label(), len(f.Body.outputs), len(n.outputs))
		}
	}
	m.Graph.Walk(check)
	return first
}

// verifier holds what was seen of a graph and of those nested in it.
type verifier struct {
	defined map[*Value]bool
	reads   map[*Value]int // by nodes
	returns map[*Value]int // listings as output
	names   map[string]int
}

// verifyGraph checks g, which is no body, and the graphs nested in it.
func verifyGraph(g *Graph) error {
	v := &verifier{map[*Value]bool{}, map[*Value]int{}, map[*Value]int{}, map[string]int{}}
	if g.owner != nil {
		return fmt.Errorf("graph %q: it is a body of %s", g.Name, g.owner.Label())
	}
	if err := v.graph(g); err != nil {
		return err
	}
	if !maps.Equal(v.names, g.names.count) {
		return fmt.Errorf("graph %q: the names of its values are not those that are noted as taken", g.Name)
	}
	return nil
}

// graph checks g. What enclosing graphs define before it is already noted.
func (v *verifier) graph(g *Graph) error {
	if err := v.sources(g); err != nil {
		return err
	}
	named := map[string]int{}
	for _, n := range g.nodes {
		if err := v.node(g, n); err != nil {
			return err
		}
		if n.Name != "" {
			named[n.Name]++
		}
	}
	if g.nodeNames != nil && !maps.Equal(named, g.nodeNames.count) {
		return fmt.Errorf("graph %q: the names of its nodes are not those that are noted as taken: set them with SetName", g.Name)
	}
	for _, p := range g.outputs {
		if !v.defined[p.Value] || g.Lookup(p.Value.name) != p.Value {
			return fmt.Errorf("graph %q: output %q is not defined", g.Name, p.Value.name)
		}
		v.returns[p.Value]++
	}
	return v.values(g)
}

// sources checks inputs and initializers.
func (v *verifier) sources(g *Graph) error {
	var given []*Value
	inputs := make(map[*Value]bool, len(g.inputs))
	for _, p := range g.inputs {
		given = append(given, p.Value)
		inputs[p.Value] = true
	}
	inits := append(slices.Clone(g.inits), g.sparse...)
	for _, w := range inits {
		if (w.init == nil) == (w.sparse == nil) {
			return fmt.Errorf("graph %q: initializer %q has no constant, or two", g.Name, w.name)
		}
		if !inputs[w] {
			given = append(given, w)
		}
	}
	for _, w := range given {
		if w.producer != nil {
			return fmt.Errorf("graph %q: %q is an input or initializer and the output of %s", g.Name, w.name, w.producer.Label())
		}
		if v.defined[w] {
			return fmt.Errorf("graph %q: %q is listed twice", g.Name, w.name)
		}
		if err := v.define(g, w); err != nil {
			return err
		}
	}
	constants := 0
	for _, w := range g.values {
		if w.init != nil || w.sparse != nil {
			constants++
		}
	}
	if constants != len(inits) {
		return fmt.Errorf("graph %q: %d values have a constant, %d are listed as initializers", g.Name, constants, len(inits))
	}
	return nil
}

// define notes a value of g.
func (v *verifier) define(g *Graph, w *Value) error {
	if w.graph != g || g.values[w.name] != w {
		return fmt.Errorf("graph %q: value %q is not registered", g.Name, w.name)
	}
	v.defined[w] = true
	return nil
}

// node checks n, with its bodies and its outputs.
func (v *verifier) node(g *Graph, n *Node) error {
	if n.graph != g {
		return fmt.Errorf("graph %q: %s belongs to another graph", g.Name, n.Label())
	}
	for _, w := range n.inputs {
		if w == nil {
			continue
		}
		if !v.defined[w] {
			return fmt.Errorf("%s: input %q is not defined before it", n.Label(), w.name)
		}
		if w.graph != g && g.Lookup(w.name) != w {
			return fmt.Errorf("%s: input %q cannot be read there by its name", n.Label(), w.name)
		}
		v.reads[w]++
	}
	for _, body := range n.Bodies() {
		if body.owner != n {
			return fmt.Errorf("%s: body %q has another owner", n.Label(), body.Name)
		}
		if body.names != g.names {
			return fmt.Errorf("%s: body %q has names of its own", n.Label(), body.Name)
		}
		if err := v.graph(body); err != nil {
			return fmt.Errorf("%s: %w", n.Label(), err)
		}
	}
	for i, w := range n.outputs {
		if w == nil {
			continue
		}
		if w.producer != n || w.index != i {
			return fmt.Errorf("%s: output %q has another producer", n.Label(), w.name)
		}
		// What a node computes must have a name of its own among all that can be
		// read there (ONNX IR, single static assignment); inputs and initializers
		// of a body may hide others.
		if outer := g.parent().Lookup(w.name); outer != nil && v.defined[outer] {
			return fmt.Errorf("%s: output %q has the name of a value of an enclosing graph", n.Label(), w.name)
		}
		if err := v.define(g, w); err != nil {
			return err
		}
	}
	return nil
}

// values checks g's values when all that may read them was seen.
func (v *verifier) values(g *Graph) error {
	for name, w := range g.values {
		v.names[name]++
		if !v.defined[w] {
			return fmt.Errorf("graph %q: value %q is neither input, initializer nor output of a node", g.Name, name)
		}
		if len(w.uses) != v.reads[w] {
			return fmt.Errorf("graph %q: value %q lists %d uses, nodes read it %d times", g.Name, name, len(w.uses), v.reads[w])
		}
		if g.outputCount[w] != v.returns[w] {
			return fmt.Errorf("graph %q: value %q counts %d listings as output, there are %d", g.Name, name, g.outputCount[w], v.returns[w])
		}
		seen := make(map[Use]bool, len(w.uses))
		for _, u := range w.uses {
			if u.Index >= len(u.Node.inputs) || u.Node.inputs[u.Index] != w || u.Node.graph == nil || seen[u] {
				return fmt.Errorf("graph %q: value %q lists a use by %s that is none", g.Name, name, u.Node.Label())
			}
			seen[u] = true
		}
	}
	return nil
}
