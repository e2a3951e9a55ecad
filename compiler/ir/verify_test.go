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
		{"an order that is none", `input "y" is not defined before it`, func(g *Graph, x, y *Value) {
			g.Op1("z", "Relu", []*Value{y}, nil)
			g.nodes[0], g.nodes[1] = g.nodes[1], g.nodes[0]
		}},
		{"an output that another node claims", "has another producer", func(g *Graph, x, y *Value) { y.producer = &Node{} }},
		{"a value that is not registered", "is not registered", func(g *Graph, x, y *Value) { delete(g.values, "y") }},
		{"a value that nothing gives", "neither input, initializer nor output", func(g *Graph, x, y *Value) { g.Temp("z", nil) }},
		{"a node of another graph", "belongs to another graph", func(g *Graph, x, y *Value) { g.nodes[0].graph = NewGraph("h") }},
		{"an output that is not there", `output "z" is not defined`, func(g *Graph, x, y *Value) { g.outputs[0].Value = &Value{name: "z"} }},
		{"two names of one node", "set them with SetName", func(g *Graph, x, y *Value) { g.nodes[0].Name = "other" }},
		{"a domain that is not imported", `domain "far" is in no opset_import`, func(g *Graph, x, y *Value) { g.nodes[0].Domain = "far" }},
		{"a body of another node", "has another owner", func(g *Graph, x, y *Value) { withBody(g, x).owner = g.nodes[0] }},
		{"a body with names of its own", "has names of its own", func(g *Graph, x, y *Value) { withBody(g, x).names = newNames() }},
		{"a name in a body that hides another", "name of a value of an enclosing graph", func(g *Graph, x, y *Value) {
			body := withBody(g, x)
			v := body.outputs[0].Value
			body.unregister(v)
			v.name = "y"
			body.register(v)
		}},
		{"a body that reads what comes later", `input "late" is not defined before it`, func(g *Graph, x, y *Value) {
			body := withBody(g, x)
			body.nodes[0].SetInput(0, g.Op1("late", "Relu", []*Value{x}, nil))
		}},
		{"an initializer that is listed and is none", "has no constant, or two", func(g *Graph, x, y *Value) {
			g.Const("c", Int64s(1)).sparse = &Sparse{}
		}},
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

// withBody adds a node with a body that reads x.
func withBody(g *Graph, x *Value) *Graph {
	n := g.NewNode("", "If", []*Value{x}, []*Value{g.Temp("out", nil)})
	body := n.NewBody("body")
	body.AddOutput(body.Op1("inner", "Relu", []*Value{x}, nil), nil)
	attr := IntAttr("then_branch", 0)
	attr.Proto.I, attr.Graphs = nil, []*Graph{body}
	n.SetAttr(attr)
	return body
}
