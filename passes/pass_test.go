package passes_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/compiler/onnxpb"
	"github.com/bottlenet/bnc/passes"
	"github.com/bottlenet/bnc/passes/internal/passtest"
)

// TestRunFindsWhatPassesBreak runs passes that leave files no runtime takes, or
// change the interface without saying so.
func TestRunFindsWhatPassesBreak(t *testing.T) {
	const graph = `g (float[2] x, float[2] w = {1, 2}, bool k) => (float[2] y, float[2] z) { a = Neg (x) z = Mul (a, w)
		y = If (k) <then_branch = p () => (float[2] t) { t = Abs (a) }, else_branch = q () => (float[2] u) { u = Relu (a) }> }`
	body := func(g *ir.Graph) *ir.Graph { return g.Value("y").Producer().Bodies()[0] }
	for _, c := range []struct {
		name, want string
		edit       func(g *ir.Graph)
	}{
		{"a name of the outer graph in a body", `Abs node of "a": output "a"`, func(g *ir.Graph) {
			inner := body(g)
			v, err := inner.NewValue("a", nil)
			if err != nil {
				t.Fatal(err)
			}
			n := inner.Value("t").Producer()
			n.SetInput(0, g.Value("x"))
			if err := inner.Value("t").Replace(v); err != nil {
				t.Fatal(err)
			}
			n.SetOutput(0, v)
			inner.SetOutputs(v)
			inner.RemoveValues(inner.Value("t"))
		}},
		{"inputs that the operator does not take", "expected 1 inputs, found 2", func(g *ir.Graph) {
			g.Value("a").Producer().SetInput(1, g.Value("x"))
		}},
		{"inputs that an operator in a body does not take", "expected 1 inputs, found 0", func(g *ir.Graph) {
			body(g).Value("t").Producer().TrimInputs(0)
		}},
		{"a node that is renamed behind the graph's back", "SetName", func(g *ir.Graph) {
			g.Op1("b", "Neg", []*ir.Value{g.Value("x")}, nil).Producer().Name = "other"
		}},
		{"an output is gone", `output "z"`, func(g *ir.Graph) { g.SetOutputs(g.Value("y")) }},
		{"outputs change places", `output "y"`, func(g *ir.Graph) { g.SetOutputs(g.Value("z"), g.Value("y")) }},
		{"a new output", `the model got output "a"`, func(g *ir.Graph) { g.AddOutput(g.Value("a"), nil) }},
		{"an output of another type", `output "z"`, func(g *ir.Graph) {
			g.SetType(g.Value("z"), ir.TensorType(ir.Float16, ir.Fixed(2)))
		}},
		{"an input of another shape", `input "x"`, func(g *ir.Graph) {
			g.SetType(g.Value("x"), ir.TensorType(ir.Float32, ir.Fixed(3)))
		}},
		{"an input with a default becomes a constant", `input with a default "w"`, func(g *ir.Graph) { g.UnlistInput(g.Value("w")) }},
		{"a default is gone", `became input "w"`, func(g *ir.Graph) { g.CutInput(g.Value("w")) }},
		{"a value of another element type", `value "a" was float32[2] and became float16[2]`, func(g *ir.Graph) {
			a := g.Value("a").Producer()
			half := g.Op1("half", "Cast", []*ir.Value{g.Value("x")}, nil, ir.IntAttr("to", int64(ir.Float16)))
			a.SetInput(0, half)
			g.Value("z").Producer().SetInput(0, g.Value("x"))
			body(g).Value("t").Producer().SetInput(0, g.Value("x"))
			g.Value("y").Producer().Bodies()[1].Nodes()[0].SetInput(0, g.Value("x"))
			if err := g.Sort(); err != nil {
				t.Fatal(err)
			}
		}},
		{"a value of another size", `value "a" was float32[2] and became float32[4]`, func(g *ir.Graph) {
			twice := g.Op1("twice", "Concat", []*ir.Value{g.Value("x"), g.Value("x")}, nil, ir.IntAttr("axis", 0))
			g.Value("a").Producer().SetInput(0, twice)
			g.Value("z").Producer().SetInput(0, g.Value("x"))
			if err := g.Sort(); err != nil {
				t.Fatal(err)
			}
		}},
		{"operands that do not fit", "Mul node", func(g *ir.Graph) {
			g.Value("z").Producer().SetInput(1, g.Const("three", ir.Float32s([]float32{1, 2, 3}, 3)))
		}},
		{"a new input", `became input "n"`, func(g *ir.Graph) {
			g.AddInput(g.Temp("n", ir.TensorType(ir.Float32, nil)), &onnxpb.ValueInfoProto{Type: ir.TensorType(ir.Float32, nil)})
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := passtest.Parse(t, passtest.Header+graph)
			pass := passes.Pass{Name: "careless", Run: func(m *ir.Model) (int, error) { c.edit(m.Graph); return 1, nil }}
			_, err := passes.Run(m, []passes.Pass{pass}, nil)
			var bug *passes.BugError
			if !errors.As(err, &bug) || !strings.HasPrefix(err.Error(), "BUG: pass careless") || !strings.Contains(err.Error(), c.want) {
				t.Errorf("the pass manager said %v, expected %q", err, c.want)
			}
		})
	}
}

// TestRunRefusesBrokenModels: what is wrong with a file is no fault of a pass.
func TestRunRefusesBrokenModels(t *testing.T) {
	m := passtest.Parse(t, passtest.Header+`g (float[2] x) => (float[2] y) { y = Relu (x, x) }`)
	never := passes.Pass{Name: "never", Run: func(*ir.Model) (int, error) { t.Error("a pass ran"); return 0, nil }}
	_, err := passes.Run(m, []passes.Pass{never}, nil)
	var unsuitable *passes.UnsuitableError
	if !errors.As(err, &unsuitable) || !strings.Contains(err.Error(), "expected 1 inputs, found 2") {
		t.Errorf("found %v", err)
	}
}

// TestProperties: a requirement that nothing provides is refused before any pass runs,
// and what passes declare is checked behind them.
func TestProperties(t *testing.T) {
	const graph = `g (float[2] x) => (float[2] y) { y = Relu (x) }`
	named := func(m *ir.Model) error {
		if name := m.Graph.Name; name != "named" {
			return fmt.Errorf("it is called %q", name)
		}
		return nil
	}
	property := &passes.Property{Name: "the graph is named", Check: named}
	rename := func(to string) func(*ir.Model) (int, error) {
		return func(m *ir.Model) (int, error) { m.Graph.Name = to; return 1, nil }
	}
	ensures := passes.Pass{Name: "ensures", Ensures: []*passes.Property{property}, Run: rename("named")}
	claims := passes.Pass{Name: "claims", Ensures: []*passes.Property{property}, Run: rename("other")}
	requires := passes.Pass{Name: "requires", Requires: []passes.Requirement{{Property: property, Reason: "it says so"}}, Run: rename("named")}
	breaks := passes.Pass{Name: "breaks", Breaks: []*passes.Property{property}, Run: rename("other")}
	silent := passes.Pass{Name: "silent", Run: rename("other")}
	for _, c := range []struct {
		name, want string
		given      bool
		recipe     []passes.Pass
	}{
		{"ensured", "", false, []passes.Pass{ensures, requires}},
		{"given", "", true, []passes.Pass{requires}},
		{"neither", "pass requires requires that the graph is named (it says so)", false, []passes.Pass{requires, ensures}},
		{"broken in between", "pass requires requires", false, []passes.Pass{ensures, breaks, requires}},
		{"broken and ensured again", "", false, []passes.Pass{ensures, breaks, ensures, requires}},
		{"declared and not so", `pass claims left a broken model: it declares that the graph is named: it is called "other"`, false, []passes.Pass{claims}},
		{"broken and not declared", `pass silent left a broken model`, false, []passes.Pass{ensures, silent}},
	} {
		m := passtest.Parse(t, passtest.Header+graph)
		if c.given {
			m.Graph.Name = "named"
		}
		reports, err := passes.Run(m, c.recipe, nil)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.HasPrefix(err.Error(), "BUG: ") || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v, expected %q", c.name, err, c.want)
		}
		if strings.Contains(c.want, "requires that") && len(reports) > 0 {
			t.Errorf("%s: %d passes ran", c.name, len(reports))
		}
	}
}
