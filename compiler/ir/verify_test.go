package ir

import (
	"strings"
	"testing"
)

// TestVerifyChecksBookkeeping damages what methods keep true, one thing at a time.
func TestVerifyChecksBookkeeping(t *testing.T) {
	for _, c := range []struct {
		name, want string
		damage     func(g *Graph, x, y *Value)
	}{
		{"nothing", "", func(g *Graph, x, y *Value) {}},
		{"an output that is counted twice", "counts 2 listings as output, there are 1", func(g *Graph, x, y *Value) { g.outputCount[y]++ }},
		{"an output that is not counted", "counts 0 listings as output, there are 1", func(g *Graph, x, y *Value) { delete(g.outputCount, y) }},
		{"a use that is listed twice", "lists 2 uses", func(g *Graph, x, y *Value) { x.uses = append(x.uses, x.uses[0]) }},
		{"a use that is not listed", "lists 0 uses", func(g *Graph, x, y *Value) { x.uses = nil }},
		{"a use by another node", "that is none", func(g *Graph, x, y *Value) { x.uses[0].Index = 1 }},
		{"an input that is listed twice", "listed twice", func(g *Graph, x, y *Value) { g.inputs = append(g.inputs, g.inputs[0]) }},
		{"an initializer without a constant", "has no constant", func(g *Graph, x, y *Value) { g.inits = append(g.inits, x) }},
		{"a constant that is no initializer", "1 values have a constant, 0", func(g *Graph, x, y *Value) { x.init = Int64s(1) }},
		{"an input that a node gives", "an input or initializer and the output", func(g *Graph, x, y *Value) { g.AddInput(y, nil) }},
		{"a name that is not noted", "noted as taken", func(g *Graph, x, y *Value) { g.names.drop("x") }},
		{"a name that is noted and gone", "noted as taken", func(g *Graph, x, y *Value) { g.names.add("z") }},
		{"the version of the file", "SetIRVersion", func(g *Graph, x, y *Value) { g.formal = true }},
	} {
		m := NewModel(8, 17)
		g := m.Graph
		x := g.Temp("x", TensorType(Float32, Fixed(2)))
		g.AddInput(x, nil)
		y := g.Op1("y", "Relu", []*Value{x}, nil)
		g.AddOutput(y, nil)
		c.damage(g, x, y)
		err := m.Verify()
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v, expected %q", c.name, err, c.want)
		}
	}
}
