package ir_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/bottlenet/bnc/compiler/ir"
)

// TestNamesAreFoundInLinearTime counts what naming allocates: a search from 1 on
// allocates a name for every number it tries.
func TestNamesAreFoundInLinearTime(t *testing.T) {
	allocations := func(nodes int) float64 {
		return testing.AllocsPerRun(1, func() {
			g := ir.NewGraph("g")
			x := g.Temp("x", nil)
			g.AddInput(x, nil)
			for range nodes {
				x = g.Op1("hint", "Relu", []*ir.Value{x}, nil)
			}
		})
	}
	few, many := allocations(250), allocations(2000)
	if many > 2*8*few { // eight times the nodes; maps grow in steps, hence the 2
		t.Errorf("250 nodes take %g allocations, 2000 take %g", few, many)
	}
}

// naiveName looks through everything for the first free name.
func naiveName(g *ir.Graph, hint string) string {
	taken := func(name string) bool {
		found := g.Value(name) != nil
		g.Walk(func(n *ir.Node) {
			for _, body := range n.Bodies() {
				found = found || body.Value(name) != nil
			}
		})
		return found
	}
	name := hint
	for i := 1; taken(name); i++ {
		name = fmt.Sprintf("%s_%d", hint, i)
	}
	return name
}

// TestFreeNamesAreTheFirst edits graphs at random and compares every free name
// with the one that a search from the beginning finds.
func TestFreeNamesAreTheFirst(t *testing.T) {
	hints := []string{"a", "b", "a_1", "a_2", "b_1_1"}
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 1))
		m := ir.NewModel(8, 17)
		g := m.Graph
		x := g.Temp("x", nil)
		g.AddInput(x, nil)
		g.AddOutput(x, nil)
		for step := range 60 {
			for _, h := range hints {
				if got, want := g.FreeName(h), naiveName(g, h); got != want {
					t.Fatalf("seed %d, step %d: the free name for %q is %q, expected %q", seed, step, h, got, want)
				}
			}
			hint := hints[r.IntN(len(hints))]
			nodes := g.Nodes()
			switch k := r.IntN(8); {
			case k < 3:
				g.Op1(hint, "Relu", []*ir.Value{x}, nil)
			case k == 3: // a node whose body has values of its own
				out := g.Temp(hint, nil)
				n := g.NewNode("", "If", []*ir.Value{x}, []*ir.Value{out})
				n.SetName(hint)
				body := n.NewBody("body")
				n.SetAttr(&ir.Attr{Proto: ir.IntAttr("then_branch", 0).Proto, Graphs: []*ir.Graph{body}})
				for range r.IntN(3) {
					body.AddOutput(body.Op1(hint, "Relu", []*ir.Value{x}, nil), nil)
				}
			case k == 4:
				g.Const(hint, ir.Int64s(1))
			case k < 7 && len(nodes) > 0:
				g.Remove(nodes[r.IntN(len(nodes))])
			case len(nodes) > 0:
				g.Rename(nodes[r.IntN(len(nodes))].Output(0), g.FreeName(hint))
			}
			if r.IntN(10) == 0 {
				m = m.Clone()
				g, x = m.Graph, m.Graph.Value("x")
			}
		}
		if err := m.Verify(); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		names := map[string]bool{}
		for _, n := range g.Nodes() {
			if names[n.Name] {
				t.Errorf("seed %d: two nodes are called %q", seed, n.Name)
			}
			names[n.Name] = true
		}
	}
}

// BenchmarkOp1 appends 4,000 nodes of one hint.
func BenchmarkOp1(b *testing.B) {
	for b.Loop() {
		g := ir.NewGraph("g")
		x := g.Temp("x", nil)
		g.AddInput(x, nil)
		for range 4000 {
			x = g.Op1("hint", "Relu", []*ir.Value{x}, nil)
		}
	}
}
