package opt

import (
	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/compiler/shape"
	"github.com/bottlenet/bnc/passes"
)

// DropUnusedDomains takes operator sets that no node needs off the imports:
// what a runtime does not have it would refuse.
var DropUnusedDomains = passes.Pass{
	Name: "unused-domains",
	Doc:  "drop imports of operator sets that nothing uses",
	Run: func(m *ir.Model) (int, error) {
		if m.UsesDomain(shape.CodecDomain) {
			return 0, nil
		}
		return m.DropOpset(shape.CodecDomain), nil
	},
}
