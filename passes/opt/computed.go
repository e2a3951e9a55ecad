package opt

import (
	"slices"

	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/compiler/shape"
	"github.com/bottlenet/bnc/passes"
)

// Computed returns a model of what m computes of constants alone, as far as that is
// float32 and nodes that depend on m's inputs read it: exporters transpose weights,
// normalise them by their length and put axes to them in the graph. The model's outputs
// have the names of m's values. Its one input, float32 [1], is read by no node: it is
// there because runtimes want one. The model is nil where nothing is computed. What is
// made of numbers of 8 bits or less is left out: those are weights that were quantised,
// or masks.
func Computed(m *ir.Model) (*ir.Model, error) {
	info, err := shape.Infer(m, shape.Options{})
	if err != nil {
		return nil, err
	}
	computed := map[*ir.Value]bool{}
	var names []string
	for _, n := range m.Graph.Nodes() {
		if constantNode(n, computed, info) {
			for _, v := range n.Outputs() {
				computed[v] = true
			}
			continue
		}
		for _, v := range n.Inputs() {
			if v != nil && computed[v] && v.Producer() != nil && info.Of(v).DType == ir.Float32 && !v.IsOutput() && !slices.Contains(names, v.Name()) {
				names = append(names, v.Name())
			}
		}
	}
	if names == nil {
		return nil, nil
	}
	part := m.Clone()
	var outputs []*ir.Value
	for _, name := range names {
		v := part.Graph.Value(name)
		part.Graph.SetType(v, info.Of(m.Graph.Value(name)).Proto())
		outputs = append(outputs, v)
	}
	part.Graph.SetOutputs(outputs...)
	if _, err := passes.Run(part, []passes.Pass{DeadCode, DropUnusedDomains}, nil); err != nil {
		return nil, err
	}
	part.Graph.RemoveValues(part.Graph.Feeds()...)
	part.Graph.AddInput(part.Graph.Temp("bnc.nothing", ir.TensorType(ir.Float32, ir.Fixed(1))), nil)
	return part, nil
}

// constantNode reports whether n computes the same in every run: of constants, and of what
// is in computed.
func constantNode(n *ir.Node, computed map[*ir.Value]bool, info *shape.Info) bool {
	row := shape.Lookup(n.Domain, n.Op)
	if row == nil || n.Domain != "" || !row.Deterministic() || len(n.Bodies()) > 0 || n.NumInputs() == 0 {
		return false
	}
	return !slices.ContainsFunc(n.Inputs(), func(v *ir.Value) bool {
		return v != nil && (v.Const() == nil && !computed[v] || info.Of(v).DType.Bits() <= 8)
	})
}
