// Package opt has the passes that leave what a model computes as it is: dead code,
// constants, equal subexpressions, identities, batch normalisation.
package opt

import (
	"fmt"
	"slices"

	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/compiler/onnxpb"
	"github.com/bottlenet/bnc/passes"
	"google.golang.org/protobuf/proto"
)

// DeadCode removes what no output needs: nodes, initializers, functions that no
// node calls (calls inside of bodies and of other functions count), and
// annotations of values that are gone. Inputs of the model stay, those with a
// default too: they are its interface.
var DeadCode = passes.Pass{
	Name:    "dead-code",
	Ensures: []*passes.Property{NoDeadCode},
	Run: func(m *ir.Model) (int, error) {
		nodes := deadNodes(m.Graph)
		m.Graph.Remove(nodes...)
		constants := deadConstants(m.Graph)
		m.Graph.RemoveValues(constants...)
		functions := deadFunctions(m)
		m.Functions = slices.DeleteFunc(m.Functions, func(f *ir.Function) bool { return slices.Contains(functions, f) })
		dropAnnotations(m.Graph)
		return len(nodes) + len(constants) + len(functions), nil
	},
}

// NoDeadCode is ensured by [DeadCode].
var NoDeadCode = &passes.Property{
	Name: "every node, constant and function is needed",
	Check: func(m *ir.Model) error {
		if dead := deadNodes(m.Graph); len(dead) > 0 {
			return fmt.Errorf("%s is not", dead[0].Label())
		}
		if dead := deadConstants(m.Graph); len(dead) > 0 {
			return fmt.Errorf("constant %q is not", dead[0].Name())
		}
		if dead := deadFunctions(m); len(dead) > 0 {
			return fmt.Errorf("function %s.%s is not", dead[0].ID().Domain, dead[0].ID().Name)
		}
		return nil
	},
}

// deadNodes returns the nodes of g that no output needs.
func deadNodes(g *ir.Graph) (dead []*ir.Node) {
	live := map[*ir.Node]bool{}
	var todo []*ir.Node
	need := func(v *ir.Value) {
		if p := v.Producer(); p != nil && !live[p] {
			live[p] = true
			todo = append(todo, p)
		}
	}
	for _, p := range g.Outputs() {
		need(p.Value)
	}
	for len(todo) > 0 {
		n := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		for _, v := range n.Reads() {
			need(v)
		}
	}
	for _, n := range g.Nodes() {
		if !live[n] {
			dead = append(dead, n)
		}
	}
	return dead
}

// deadConstants returns the initializers of g that nothing reads.
func deadConstants(g *ir.Graph) (dead []*ir.Value) {
	// Scale and zero point of an annotation may be read by nothing else.
	parameters := map[string]bool{}
	for _, a := range g.Proto.QuantizationAnnotation {
		for _, q := range a.QuantParameterTensorNames {
			if v := g.Value(a.GetTensorName()); v != nil && (v.Used() || v.IsInput()) {
				parameters[q.GetValue()] = true
			}
		}
	}
	for _, v := range append(g.Inits(), g.SparseInits()...) {
		if !v.Used() && !v.Overridable() && !parameters[v.Name()] {
			dead = append(dead, v)
		}
	}
	return dead
}

// deadFunctions returns the functions that nothing calls.
func deadFunctions(m *ir.Model) (dead []*ir.Function) {
	called := calledFunctions(m)
	for _, f := range m.Functions {
		if !called[f.ID()] {
			dead = append(dead, f)
		}
	}
	return dead
}

// dropAnnotations removes value_info and annotations of values that are gone.
func dropAnnotations(g *ir.Graph) {
	g.Proto = proto.Clone(g.Proto).(*onnxpb.GraphProto)
	g.DropStaleInfos()
	g.Proto.QuantizationAnnotation = slices.DeleteFunc(g.Proto.QuantizationAnnotation,
		func(a *onnxpb.TensorAnnotation) bool {
			gone := g.Value(a.GetTensorName()) == nil
			for _, q := range a.QuantParameterTensorNames {
				gone = gone || g.Value(q.GetValue()) == nil
			}
			return gone
		})
}

// calledFunctions follows calls from the graph through function bodies.
func calledFunctions(m *ir.Model) map[ir.FunctionID]bool {
	called := map[ir.FunctionID]bool{}
	var visit func(n *ir.Node)
	visit = func(n *ir.Node) {
		f := m.Function(n.Callee())
		if f == nil || called[f.ID()] {
			return
		}
		called[f.ID()] = true
		f.Body.Walk(visit)
	}
	m.Graph.Walk(visit)
	return called
}
