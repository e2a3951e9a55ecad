package opt

import (
	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/compiler/shape"
	"github.com/bottlenet/bnc/passes"
)

// DropUnusedDomains takes operator sets that no node needs off the imports:
// what a runtime does not have it would refuse.
var DropUnusedDomains = passes.Pass{
	Name:     "unused-domains",
	Requires: []passes.Requirement{{Property: NoDeadCode, Reason: "a node that nobody needs would keep its domain"}},
	Run: func(m *ir.Model) (int, error) {
		if m.UsesDomain(shape.CodecDomain) {
			return 0, nil
		}
		return m.DropOpset(shape.CodecDomain), nil
	},
}
