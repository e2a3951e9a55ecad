package grad

import (
	"fmt"
	"slices"

	"github.com/bottlenet/bnc/compiler/ends"
	"github.com/bottlenet/bnc/compiler/ir"
)

// visiblyNone tells why an output cannot be scores of classes, whose range is open: it
// is a vector of length 1, as embeddings are, or numbers within bounds that are given
// another scale, as coordinates are. "" where nothing says so.
func visiblyNone(v *ir.Value) string {
	scaled := false
	for {
		n := v.Producer()
		if n == nil || n.Domain != "" || v.Index() != 0 {
			return ""
		}
		switch {
		case n.Op == "Tanh" || scaled && (n.Op == "Sigmoid" || n.Op == "HardSigmoid"):
			return fmt.Sprintf("it is %s, whose range is bounded, as of coordinates", n.Label())
		case ends.Normalised(n):
			return fmt.Sprintf("its vectors are divided by their lengths by %s, as embeddings are", n.Label())
		case ends.Transparent(n):
			v = n.Input(0)
		case slices.Contains([]string{"Mul", "Div", "Add", "Sub"}, n.Op) && n.Input(1).Const() != nil:
			v, scaled = n.Input(0), true
		case slices.Contains([]string{"Mul", "Add", "Sub"}, n.Op) && n.Input(0).Const() != nil:
			v, scaled = n.Input(1), true
		default:
			return ""
		}
		if v == nil {
			return ""
		}
	}
}
