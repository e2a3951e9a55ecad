package passes

import (
	"fmt"
	"slices"

	"github.com/bottlenet/bnc/compiler/ir"
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
func MobileSide(crossing, early []string) Pass {
	return Pass{
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
func CloudSide(crossing, late []string) Pass {
	return Pass{
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
	n, err := deadCode(m)
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

// Initializers raises files of IR 3 to IR 4 and takes initializers off their
// list of inputs: IR 3 demands them there, where later versions read them as
// defaults that a caller may override, which keeps runtimes from optimising.
var Initializers = Pass{
	Name: "initializers",
	Doc:  "take the initializers of IR 3 files off the inputs",
	Run: func(m *ir.Model) (int, error) {
		if m.IRVersion() > 3 {
			return 0, nil
		}
		m.SetIRVersion(4)
		changed := 0
		for _, p := range m.Graph.Inputs() {
			if p.Value.Init() != nil || p.Value.SparseInit() != nil {
				m.Graph.UnlistInput(p.Value)
				changed++
			}
		}
		return changed, nil
	},
}
