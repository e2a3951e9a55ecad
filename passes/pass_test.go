package passes_test

import (
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
			inner.Value("t").ReplaceUses(v)
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
		{"a new input", `became input "n"`, func(g *ir.Graph) {
			g.AddInput(g.Temp("n", ir.TensorType(ir.Float32, nil)), &onnxpb.ValueInfoProto{Type: ir.TensorType(ir.Float32, nil)})
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := passtest.Parse(t, passtest.Header+graph)
			pass := passes.Pass{Name: "careless", Run: func(m *ir.Model) (int, error) { c.edit(m.Graph); return 1, nil }}
			said := ""
			func() {
				defer func() { said = fmt.Sprint(recover()) }()
				passes.Run(m, []passes.Pass{pass}, nil)
			}()
			if !strings.HasPrefix(said, "BUG: pass careless") || !strings.Contains(said, c.want) {
				t.Errorf("the pass manager said %q, expected %q", said, c.want)
			}
		})
	}
}
