// Package opt has the passes that leave what a model computes as it is: dead code,
// constants, equal subexpressions, identities, batch normalisation.
package opt

import (
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
	Name: "dead-code",
	Doc:  "remove nodes, constants and functions that no output needs",
	Run:  deadCode,
}

func deadCode(m *ir.Model) (int, error) {
	g := m.Graph
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
	var dead []*ir.Node
	for _, n := range g.Nodes() {
		if !live[n] {
			dead = append(dead, n)
		}
	}
	g.Remove(dead...)

	// Scale and zero point of an annotation may be read by nothing else.
	parameters := map[string]bool{}
	for _, a := range g.Proto.QuantizationAnnotation {
		for _, q := range a.QuantParameterTensorNames {
			if v := g.Value(a.GetTensorName()); v != nil && (v.Used() || v.IsInput()) {
				parameters[q.GetValue()] = true
			}
		}
	}
	var constants []*ir.Value
	for _, v := range append(g.Inits(), g.SparseInits()...) {
		if !v.Used() && !v.Overridable() && !parameters[v.Name()] {
			constants = append(constants, v)
		}
	}
	g.RemoveValues(constants...)

	functions := len(m.Functions)
	called := calledFunctions(m)
	m.Functions = slices.DeleteFunc(m.Functions, func(f *ir.Function) bool { return !called[f.ID()] })

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
	return len(dead) + len(constants) + functions - len(m.Functions), nil
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
