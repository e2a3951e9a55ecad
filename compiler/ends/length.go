package ends

import (
	"slices"

	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/compiler/shape"
)

// Normalised reports whether n divides vectors by their Euclidean lengths, in one of the
// spellings that exporters have: x / |x|, x * (1 / |x|), or an operator for it.
func Normalised(n *ir.Node) bool {
	by, _ := length(n)
	return by != nil || shape.Of(n).Gives == shape.GivesUnits && n.Int("p", 2) == 2
}

// length returns the node that makes the lengths of vectors by which n divides them, nil
// where it does not.
func length(n *ir.Node) (by *ir.Node, vectors *ir.Value) {
	if n.Domain != "" || n.NumInputs() != 2 {
		return nil, nil
	}
	a, b := n.Input(0), n.Input(1)
	if n.Op == "Div" || n.Op == "Mul" {
		if by = lengthOf(b, a); by != nil {
			return by, a
		}
	}
	if n.Op == "Mul" {
		if by = lengthOf(a, b); by != nil {
			return by, b
		}
	}
	return nil, nil
}

// throughLengths are the operators that exporters put between the sum of the squares and
// the division: roots, what keeps the divisor from 0, and beside what is transparent what
// gives it x's shape.
var throughLengths = []string{"Sqrt", "Pow", "Reciprocal", "Clip", "Max", "Add", "Expand"}

// lengthOf returns the node that adds up squares, where v is computed from the Euclidean
// length of vectors that are computed as x is.
func lengthOf(v, x *ir.Value) *ir.Node {
	root := false
	for v != nil && v.Producer() != nil && v.Producer().Domain == "" {
		n := v.Producer()
		root = root || n.Op == "Sqrt" || n.Op == "Pow"
		switch {
		case shape.Of(n).Gives == shape.GivesLengths:
			return when(Origin(n.Input(0)) == Origin(x), n)
		case n.Op == "ReduceSumSquare":
			return when(root && Origin(n.Input(0)) == Origin(x), n)
		case n.Op == "ReduceSum":
			return when(root && Ancestors(n.Input(0))[Origin(x)], n)
		case !Transparent(n) && !slices.Contains(throughLengths, n.Op):
			return nil
		}
		v = n.Input(0)
		if v.Const() != nil && n.NumInputs() > 1 { // Max and Add take them in any order
			v = n.Input(1)
		}
	}
	return nil
}

// when is n under a condition, else nil.
func when(so bool, n *ir.Node) *ir.Node {
	if so {
		return n
	}
	return nil
}
