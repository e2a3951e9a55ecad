package passes_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/passes"
)

const graftHead = `<ir_version: 8, opset_import: ["" : 17]>` + "\n"

// ops counts a graph's nodes of an operator.
func ops(m *ir.Model, op string) (n int) {
	for _, node := range m.Graph.Nodes() {
		if node.Op == op {
			n++
		}
	}
	return n
}

// TestGraft puts a clone beside a network, and what both compute from shared
// weights is computed once, until the weights part.
func TestGraft(t *testing.T) {
	const text = graftHead + `g (float[N,2,4,4] x) => (float[N,3,4,4] y)
		<float[3,2,1,1] v = {1,2,3,4,5,6}, float[3,3,1,1] w = {1,2,3,4,5,6,7,8,9}> { a = Conv (x, v) b = Relu (a) c = Conv (b, w) y = Relu (c) }`
	for _, c := range []struct {
		shared string // the weight that does not change
		convs  int    // that are left
	}{{"v w", 2}, {"v", 3}, {"w", 4}, {"", 4}} {
		m := parse(t, text)
		teacher := m.Clone()
		at, err := passes.Graft(m, teacher, "teacher.", func(name string) bool { return strings.Contains(c.shared, name) })
		if err != nil {
			t.Fatal(err)
		}
		m.Graph.AddOutput(at["y"], nil)
		if err := m.Graph.Sort(); err != nil {
			t.Fatal(err)
		}
		if at["y"].Name() != "teacher.y" || at["x"] != m.Graph.Value("x") || ops(m, "Conv") != 4 {
			t.Errorf("the teacher's y is %s, its x %s; %d convolutions", at["y"].Name(), at["x"].Name(), ops(m, "Conv"))
		}
		if _, err := passes.Run(m, []passes.Pass{passes.CommonSubexpressions, passes.DeadCode}, nil); err != nil {
			t.Fatal(err)
		}
		// Nodes of outputs stay: the last Relu of each.
		if got := ops(m, "Conv"); got != c.convs {
			t.Errorf("with %q shared: %d convolutions are left, expected %d\n%s", c.shared, got, c.convs, print(t, m))
		}
		if n := len(m.Graph.Outputs()); n != 2 {
			t.Errorf("%d outputs", n)
		}
	}
}

// TestGraftKeepsTheTeachersWeights whatever becomes of the network's.
func TestGraftKeepsTheTeachersWeights(t *testing.T) {
	m := parse(t, graftHead+`g (float[N,2] x) => (float[N,2] y) <float[2,2] w = {1,2,3,4}> { y = MatMul (x, w) }`)
	at, err := passes.Graft(m, m.Clone(), "teacher.", func(string) bool { return false })
	if err != nil {
		t.Fatal(err)
	}
	if err := passes.SetWeights(m, map[string][]float32{"w": {9, 9, 9, 9}}); err != nil {
		t.Fatal(err)
	}
	v, err := at["w"].Init().Floats()
	if err != nil || v[0] != 1 || v[3] != 4 {
		t.Errorf("the teacher's weights are %v, %v", v, err)
	}
}

func TestGraftRefuses(t *testing.T) {
	m := `g (float[N,2] x) => (float[N,2] y) { y = Relu (x) }`
	for _, c := range []struct{ name, graph, want string }{
		{"another input", graftHead + `g (float[N,2] z) => (float[N,2] y) { y = Relu (z) }`, `input "z"`},
		{"another operator set", `<ir_version: 8, opset_import: ["" : 18]>` + "\n" + m, "operator set"},
		{"control flow", graftHead + `g (float[N,2] x) => (float[N,2] y) <bool c = {1}> {
			y = If (c) <then_branch = t () => (float[N,2] a) { a = Relu (x) }, else_branch = e () => (float[N,2] b) { b = Neg (x) }> }`, "control flow"},
	} {
		_, err := passes.Graft(parse(t, graftHead+m), parse(t, c.graph), "teacher.", func(string) bool { return true })
		var unsuitable *passes.UnsuitableError
		if !errors.As(err, &unsuitable) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: found %v", c.name, err)
		}
	}
}
