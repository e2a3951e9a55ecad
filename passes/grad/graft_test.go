package grad_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/compiler/onnxpb"
	"github.com/bottlenet/bnc/passes"
	"github.com/bottlenet/bnc/passes/grad"
	"github.com/bottlenet/bnc/passes/internal/passtest"
	"github.com/bottlenet/bnc/passes/opt"
)

// TestGraft puts a clone beside a network, and what both compute from shared
// weights is computed once, until the weights part.
func TestGraft(t *testing.T) {
	const text = passtest.Header + `g (float[N,2,4,4] x) => (float[N,3,4,4] y)
		<float[3,2,1,1] v = {1,2,3,4,5,6}, float[3,3,1,1] w = {1,2,3,4,5,6,7,8,9}> { a = Conv (x, v) b = Relu (a) c = Conv (b, w) y = Relu (c) }`
	for _, c := range []struct {
		shared string // the weight that does not change
		convs  int    // that are left
	}{{"v w", 2}, {"v", 3}, {"w", 4}, {"", 4}} {
		m := passtest.Parse(t, text)
		teacher := m.Clone()
		at, err := grad.Graft(m, teacher, "teacher.", func(name string) bool { return strings.Contains(c.shared, name) })
		if err != nil {
			t.Fatal(err)
		}
		m.Graph.AddOutput(at["y"], nil)
		if err := m.Graph.Sort(); err != nil {
			t.Fatal(err)
		}
		if at["y"].Name() != "teacher.y" || at["x"] != m.Graph.Value("x") || passtest.Count(m, "Conv") != 4 {
			t.Errorf("the teacher's y is %s, its x %s; %d convolutions", at["y"].Name(), at["x"].Name(), passtest.Count(m, "Conv"))
		}
		if _, err := passes.Run(m, []passes.Pass{opt.CommonSubexpressions, opt.DeadCode}, nil); err != nil {
			t.Fatal(err)
		}
		// Nodes of outputs stay: the last Relu of each.
		if got := passtest.Count(m, "Conv"); got != c.convs {
			t.Errorf("with %q shared: %d convolutions are left, expected %d\n%s", c.shared, got, c.convs, passtest.Print(t, m))
		}
		if n := len(m.Graph.Outputs()); n != 2 {
			t.Errorf("%d outputs", n)
		}
	}
}

// TestGraftKeepsTheTeachersWeights whatever becomes of the network's.
func TestGraftKeepsTheTeachersWeights(t *testing.T) {
	m := passtest.Parse(t, passtest.Header+`g (float[N,2] x) => (float[N,2] y) <float[2,2] w = {1,2,3,4}> { y = MatMul (x, w) }`)
	at, err := grad.Graft(m, m.Clone(), "teacher.", func(string) bool { return false })
	if err != nil {
		t.Fatal(err)
	}
	if err := grad.SetWeights(m, map[string][]float32{"w": {9, 9, 9, 9}}); err != nil {
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
		{"another input", passtest.Header + `g (float[N,2] z) => (float[N,2] y) { y = Relu (z) }`, `input "z"`},
		{"another operator set", `<ir_version: 8, opset_import: ["" : 18]>` + "\n" + m, "operator set"},
		{"control flow", passtest.Header + `g (float[N,2] x) => (float[N,2] y) <bool c = {1}> {
			y = If (c) <then_branch = t () => (float[N,2] a) { a = Relu (x) }, else_branch = e () => (float[N,2] b) { b = Neg (x) }> }`, "control flow"},
	} {
		_, err := grad.Graft(passtest.Parse(t, passtest.Header+m), passtest.Parse(t, c.graph), "teacher.", func(string) bool { return true })
		var unsuitable *passes.UnsuitableError
		if !errors.As(err, &unsuitable) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: found %v", c.name, err)
		}
	}
}

// TestGraftSparse: a sparse initializer goes with the network that is grafted.
func TestGraftSparse(t *testing.T) {
	model := func() *ir.Model {
		m := passtest.Parse(t, passtest.Header+`g (float[4] x) => (float[4] y) { y = Add (x, x) }`)
		v := m.Graph.Temp("w", nil)
		m.Graph.SetSparseInit(v, &ir.Sparse{
			Proto: &onnxpb.SparseTensorProto{Dims: []int64{4}}, Values: ir.Float32s([]float32{3}, 1), Indices: ir.Int64s(2),
		})
		m.Graph.Nodes()[0].SetInput(1, v)
		return m
	}
	m := model()
	at, err := grad.Graft(m, model(), "teacher.", func(string) bool { return true })
	if err != nil {
		t.Fatal(err)
	}
	if v := at["y"].Producer().Input(1); v == nil || v.SparseInit() == nil {
		t.Error("the grafted node lost its sparse constant")
	}
}
