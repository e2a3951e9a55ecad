package grad_test

import (
	"slices"
	"testing"

	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/passes/grad"
)

// network is a small classifier with images x of [N,2,4,4], one large and several
// small weights, and a normalisation. Some of its activations have the given names.
func network(t *testing.T, names ...string) *ir.Model {
	t.Helper()
	m := ir.NewModel(8, 17)
	g := m.Graph
	constant := func(name string, dims ...int64) *ir.Value {
		n := int64(1)
		for _, d := range dims {
			n *= d
		}
		values := make([]float32, n)
		for i := range values {
			values[i] = float32(i%7)/7 + 0.1
		}
		return g.Const(name, ir.Float32s(values, dims...))
	}
	x := g.Temp("x", ir.TensorType(ir.Float32, []ir.Dim{ir.Sym("N"), {N: 2}, {N: 4}, {N: 4}}))
	g.AddInput(x, nil)
	v := g.Op1("conv", "Conv", []*ir.Value{x, constant("kernel", 2, 2, 1, 1), constant("bias", 2)}, nil)
	v = g.Op1("norm", "BatchNormalization", []*ir.Value{v, constant("scale", 2), constant("shift", 2), constant("mean", 2), constant("variance", 2)}, nil)
	for _, name := range names {
		out, err := g.NewValue(name, nil)
		if err != nil {
			t.Fatal(err)
		}
		g.NewNode("", "Relu", []*ir.Value{v}, []*ir.Value{out})
		v = out
	}
	v = g.Op1("flat", "Flatten", []*ir.Value{v}, nil)
	v = g.Op1("wide", "MatMul", []*ir.Value{v, constant("large", 32, 128)}, nil)
	y := g.Op1("y", "MatMul", []*ir.Value{v, constant("small", 128, 2)}, nil)
	g.AddOutput(y, nil)
	return m
}

// TestStateNamesThatAreTaken: whatever a model calls its tensors, a manifest names
// inputs and outputs that the graphs have.
func TestStateNamesThatAreTaken(t *testing.T) {
	m := network(t, "w:", "w:_1'", "s:'", "m:w:_2", "v:w:_2", "e:w:_2", "w:large", "w:large_1'", "m:w:large_2", "e:w:large_2'", "lr", "labels")
	p, err := grad.Compile(t.Context(), m, m.Clone(), grad.Options{
		Batch: 2, Input: "x", Targets: grad.Targets{Heads: []grad.Head{{Scores: "y"}}}, Loss: grad.Loss{Kind: grad.CrossEntropy}, Opt: grad.Optimizer{Kind: grad.AdamW, EMA: 0.9},
	})
	if err != nil {
		t.Fatal(err)
	}
	check := func(what string, ports []ir.Port, name string) {
		t.Helper()
		if !slices.ContainsFunc(ports, func(q ir.Port) bool { return q.Name() == name }) {
			t.Errorf("the manifest names %s %q, which the graph has not", what, name)
		}
	}
	step, man := p.Step.Graph, p.Manifest
	for _, s := range man.State {
		check("state", step.Inputs(), s.Name)
		check("next state", step.Outputs(), s.Name+"'")
	}
	for _, q := range man.Params {
		check("weights", p.Eval.Graph.Inputs(), q.State)
	}
	for i, q := range man.Averages {
		check("averages", step.Inputs(), q.State)
		if q.Name != man.Params[i].Name {
			t.Errorf("average %d is of %q, the parameter there is %q", i, q.Name, man.Params[i].Name)
		}
	}
	for _, name := range append(man.Scalars, man.Input, man.Labels) {
		check("input", step.Inputs(), name)
	}
	check("statistics", p.Statistics.Graph.Outputs(), man.Statistics.Name+"'")
	// Two tensors of weights, with two moments and an average each; six weights.
	if len(man.State) != 8 || len(man.Averages) != 6 {
		t.Errorf("%d tensors of state, %d averages, expected 8 and 6", len(man.State), len(man.Averages))
	}
	for _, m := range []*ir.Model{p.Step, p.Eval, p.Statistics} {
		if err := m.Verify(); err != nil {
			t.Error(err)
		}
	}
}
