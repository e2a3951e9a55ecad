package opt

import (
	"slices"

	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/compiler/shape"
	"github.com/bottlenet/bnc/passes"
)

// Identities removes nodes that pass their input on: Identity, Dropout as
// inference runs it, and Concat, Sum, Max, Min or Mean of a single input. A node
// whose output is an output of the model, or a tensor named in keep, stays.
func Identities(keep ...string) passes.Pass {
	return passes.Pass{
		Name:   "identities",
		Breaks: []*passes.Property{NoDeadCode},
		Run: func(m *ir.Model) (int, error) {
			var dead []*ir.Node
			for _, n := range m.Graph.Nodes() {
				if out := n.Output(0); passesOn(n) && out != nil && !out.IsOutput() && !slices.Contains(keep, out.Name()) && n.Input(0) != nil {
					if err := out.Replace(n.Input(0)); err != nil {
						return len(dead), err
					}
					dead = append(dead, n)
				}
			}
			m.Graph.Remove(dead...)
			return len(dead), nil
		},
	}
}

// passesOn reports whether output 0 of n always equals input 0 and no other
// output is read.
func passesOn(n *ir.Node) bool {
	for i, v := range n.Outputs() {
		if i > 0 && v != nil && v.Used() {
			return false
		}
	}
	op := shape.Of(n)
	if op.Class == shape.Copy {
		return n.Input(2) == nil // a Dropout's training_mode, which came with opset 12
	}
	joins := op.In.Max < 0 && (op.Elementwise() || op.Class == shape.Move) // Sum, Max, Concat, ...
	return joins && n.NumInputs() == 1
}
