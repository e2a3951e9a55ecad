package convert

import (
	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/passes"
)

// Initializers raises files of IR 3 to IR 4 and takes initializers off their
// list of inputs: IR 3 demands them there, where later versions read them as
// defaults that a caller may override, which keeps runtimes from optimising.
var Initializers = passes.Pass{
	Name:    "initializers",
	Ensures: []*passes.Property{passes.NoFormalInputs},
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
