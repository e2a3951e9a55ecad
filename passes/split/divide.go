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

// MobileSide keeps what computes the crossing values, which become the first
// outputs, and the model's outputs that are named in early.
func MobileSide(crossing, early []string) passes.Pass {
	return passes.Pass{
		Name:      "mobile-side",
		Doc:       "keep what is before the cut",
		Interface: true,
		Run: func(m *ir.Model) (int, error) {
			var vs []*ir.Value
			for _, name := range crossing {
				vs = append(vs, m.Graph.Value(name))
			}
			keepOutputs(m.Graph, vs, early)
			return keepNeeded(m)
		},
	}
}

// CloudSide keeps what computes the model's outputs that are named in late, the
// crossing values being its first inputs. No other input of the model may be
// needed for that.
func CloudSide(crossing, late []string) passes.Pass {
	return passes.Pass{
		Name:      "cloud-side",
		Doc:       "keep what is behind the cut",
		Interface: true,
		Run: func(m *ir.Model) (int, error) {
			feeds := m.Graph.Feeds()
			var vs []*ir.Value
			for _, name := range crossing {
				v := m.Graph.Value(name)
				m.Graph.CutInput(v)
				vs = append(vs, v)
			}
			m.Graph.SetInputs(vs...)
			keepOutputs(m.Graph, nil, late)
			n, err := keepNeeded(m)
			for _, v := range feeds {
				if v.Graph() != nil && v.Used() {
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
