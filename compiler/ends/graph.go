package ends

import (
	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/compiler/shape"
)

// Transparent reports whether n's operator leaves the order of an image's scores as it
// is.
func Transparent(n *ir.Node) bool {
	switch shape.Of(n).Class {
	case shape.Copy, shape.View, shape.Conversion:
		return n.Domain == ""
	}
	return false
}

// Origin looks through the operators that leave v's numbers as they are.
func Origin(v *ir.Value) *ir.Value {
	for {
		n := v.Producer()
		if n == nil || v.Index() != 0 || !Transparent(n) || n.Input(0) == nil {
			return v
		}
		v = n.Input(0)
	}
}

// Ancestors returns the values that v is computed from, and v.
func Ancestors(v *ir.Value) map[*ir.Value]bool {
	seen := map[*ir.Value]bool{v: true}
	for todo := []*ir.Value{v}; len(todo) > 0; {
		v, todo = todo[0], todo[1:]
		if v.Producer() == nil {
			continue
		}
		for _, x := range v.Producer().Reads() {
			if !seen[x] {
				seen[x] = true
				todo = append(todo, x)
			}
		}
	}
	return seen
}

// Follows reports whether v is computed of values and constants alone.
func Follows(v *ir.Value, values map[*ir.Value]bool) bool {
	seen := map[*ir.Value]bool{}
	for todo := []*ir.Value{v}; len(todo) > 0; {
		v, todo = todo[0], todo[1:]
		switch {
		case seen[v] || values[v] || v.Init() != nil:
		case v.Producer() == nil:
			return false
		default:
			todo = append(todo, v.Producer().Reads()...)
		}
		seen[v] = true
	}
	return true
}
