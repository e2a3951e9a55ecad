package grad

import (
	"fmt"
	"slices"

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
		case n.Op == "LpNormalization" && n.Int("p", 2) == 2, normalised(n):
			return fmt.Sprintf("its vectors are divided by their lengths by %s, as embeddings are", n.Label())
		case transparent(n):
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

// normalised reports whether n is x / |x| or x * (1 / |x|).
func normalised(n *ir.Node) bool {
	switch n.Op {
	case "Div":
		return isLength(n.Input(1), n.Input(0))
	case "Mul":
		return isLength(n.Input(1), n.Input(0)) || isLength(n.Input(0), n.Input(1))
	}
	return false
}

// throughLengths are the operators that exporters put between the sum of the squares and
// the division: roots, what keeps the divisor from 0, and beside what is transparent what
// gives it x's shape.
var throughLengths = []string{"Sqrt", "Pow", "Reciprocal", "Clip", "Max", "Add", "Expand"}

// isLength reports whether v is computed from the Euclidean length of vectors that are
// computed as x is.
func isLength(v, x *ir.Value) bool {
	root := false
	for v != nil && v.Producer() != nil && v.Producer().Domain == "" {
		n := v.Producer()
		root = root || n.Op == "Sqrt" || n.Op == "Pow"
		switch {
		case n.Op == "ReduceL2":
			return origin(n.Input(0)) == origin(x)
		case n.Op == "ReduceSumSquare":
			return root && origin(n.Input(0)) == origin(x)
		case n.Op == "ReduceSum":
			return root && ancestors(n.Input(0))[origin(x)]
		case !transparent(n) && !slices.Contains(throughLengths, n.Op):
			return false
		}
		v = n.Input(0)
		if v.Const() != nil && n.NumInputs() > 1 { // Max and Add take them in any order
			v = n.Input(1)
		}
	}
	return false
}
