package ir

import (
	"strings"
	"testing"
)

// TestReplaceComparesTypes: a value of another element type does not take the place of
// one, wherever that is read; one that declares nothing does.
func TestReplaceComparesTypes(t *testing.T) {
	for _, c := range []struct {
		name, want string
		with       func(g *Graph) *Value
	}{
		{"the same type", "", func(g *Graph) *Value { return g.Const("w", Float32s([]float32{1, 2}, 2)) }},
		{"no declared type", "", func(g *Graph) *Value { return g.Op1("w", "Neg", []*Value{g.Value("x")}, nil) }},
		{"another type", `float32 "x" cannot be replaced by int64 "w"`, func(g *Graph) *Value { return g.Const("w", Int64s(1, 2)) }},
	} {
		for how, replace := range map[string]func(v, w *Value) error{
			"everywhere":   (*Value).Replace,
			"in a node":    func(v, w *Value) error { return v.ReplaceIn(v.Graph().Value("y").Producer(), w) },
			"in some uses": func(v, w *Value) error { return v.ReplaceUses(v.Uses()[:1], w) },
		} {
			m := NewModel(8, 17)
			g := m.Graph
			x := g.Temp("x", TensorType(Float32, Fixed(2)))
			g.AddInput(x, nil)
			y := g.Op1("y", "Relu", []*Value{x}, nil)
			g.AddOutput(y, nil)
			w := c.with(g)
			err := replace(x, w)
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("%s, %s: %v, expected %q", c.name, how, err, c.want)
			}
			if reads := y.Producer().Input(0); (reads == w) != (c.want == "") {
				t.Errorf("%s, %s: the node reads %q", c.name, how, reads.Name())
			}
		}
	}
}
