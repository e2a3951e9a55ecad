package split

import (
	"fmt"
	"slices"

	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/passes"
	"github.com/bottlenet/bnc/passes/opt"
)

// keepOutputs makes the crossing values the first outputs, followed by those of
// the model that are named, in the model's order.
func keepOutputs(g *ir.Graph, crossing []*ir.Value, names []string) {
	outs := slices.Clone(crossing)
	for _, p := range g.Outputs() {
		if slices.Contains(names, p.Value.Name()) {
			outs = append(outs, p.Value)
		}
	}
	g.SetOutputs(outs...)
}

// Tensors finds tensors of a model.
type Tensors func(*ir.Model) ([]*ir.Value, error)

// Named finds the tensors of these names.
func Named(names ...string) Tensors {
	return func(m *ir.Model) ([]*ir.Value, error) {
		var vs []*ir.Value
		for _, name := range names {
			v := m.Graph.Value(name)
			if v == nil {
				return nil, passes.Unsuitable(fmt.Sprintf("tensor %q", name), "the model has none of that name")
			}
			vs = append(vs, v)
		}
		return vs, nil
	}
}

// MobileSide keeps what computes the crossing tensors, which become the first
// outputs, and those outputs of the model that are named.
func MobileSide(crossing Tensors, outputs []string) passes.Pass {
	return passes.Pass{
		Name:      "mobile-side",
		Interface: true,
		Ensures:   []*passes.Property{opt.NoDeadCode},
		Run: func(m *ir.Model) (int, error) {
			vs, err := crossing(m)
			if err != nil {
				return 0, err
			}
			keepOutputs(m.Graph, vs, outputs)
			return keepNeeded(m)
		},
	}
}

// CloudSide keeps what computes those outputs of the model that are named, the
// crossing tensors being its first inputs, followed by the late inputs of the model. No
// other input of the model may be needed for that.
func CloudSide(crossing Tensors, late, outputs []string) passes.Pass {
	return passes.Pass{
		Name:      "cloud-side",
		Interface: true,
		Ensures:   []*passes.Property{opt.NoDeadCode},
		Run: func(m *ir.Model) (int, error) {
			vs, err := crossing(m)
			if err != nil {
				return 0, err
			}
			feeds := m.Graph.Feeds()
			for _, v := range vs {
				m.Graph.CutInput(v)
			}
			for _, name := range late {
				vs = append(vs, m.Graph.Value(name))
			}
			m.Graph.SetInputs(vs...)
			keepOutputs(m.Graph, nil, outputs)
			n, err := keepNeeded(m)
			for _, v := range feeds {
				if v.Graph() != nil && v.Used() && !slices.Contains(vs, v) {
					return n, fmt.Errorf("input %q of the model is needed behind the cut", v.Name())
				}
			}
			return n, err
		},
	}
}

// keepNeeded removes dead code and the inputs that only it read.
func keepNeeded(m *ir.Model) (int, error) {
	n, err := opt.DeadCode.Run(m)
	if err != nil {
		return n, err
	}
	var unused []*ir.Value
	for _, p := range m.Graph.Inputs() {
		if v := p.Value; !v.Used() && (v.Init() == nil || v.Overridable()) {
			unused = append(unused, v)
		}
	}
	m.Graph.RemoveValues(unused...)
	return n + len(unused), nil
}
