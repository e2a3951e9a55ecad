package grad

import (
	"fmt"

	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/compiler/shape"
)

// VJP turns m, whose shapes are all numbers, into a model that computes
// vector-Jacobian products: it gets an input "dy.NAME" of each floating-point
// output NAME's shape, and its outputs are then "d.NAME" for each of wrt, which
// names inputs and initializers: the gradient of the sum over all outputs of
// dy.NAME times NAME. The model's own outputs stay before them. With
// batchStatistics each BatchNormalization whose scale or shift is in wrt computes
// with the mean and variance of the batch, as in training.
func VJP(m *ir.Model, wrt []string, batchStatistics bool, layout Layout) error {
	info, err := shape.Infer(m, shape.Options{})
	if err != nil {
		return err
	}
	m.SetOpset(Domain, 1)
	g := m.Graph
	var of []*ir.Value
	for _, name := range wrt {
		v := g.Value(name)
		if v == nil {
			return fmt.Errorf("there is no tensor %q", name)
		}
		of = append(of, v)
	}
	if batchStatistics {
		if info, err = useBatchStatistics(m, info, of); err != nil {
			return err
		}
	}
	seeds := map[*ir.Value]*ir.Value{}
	for _, p := range g.Outputs() {
		t := info.Of(p.Value)
		if !t.DType.IsFloat() {
			continue
		}
		d, ok := t.Shape()
		if !ok {
			return fmt.Errorf("the shape of output %q is not known as numbers: %v", p.Value.Name(), t)
		}
		v, err := g.NewValue("dy."+p.Value.Name(), ir.TensorType(ir.Float32, ir.Fixed(d...)))
		if err != nil {
			return err
		}
		g.AddInput(v, nil)
		seeds[p.Value] = v
	}
	grads, err := Backward(m, info, seeds, of)
	if err != nil {
		return err
	}
	b := newBuilder(m, info)
	for i, v := range of {
		d := grads[i]
		if d == nil {
			d = b.zeros(b.dims(v))
		}
		out, err := g.NewValue("d."+v.Name(), ir.TensorType(ir.Float32, ir.Fixed(b.dims(v)...)))
		if err != nil {
			return err
		}
		g.NewNode("", "Identity", []*ir.Value{d}, []*ir.Value{out})
		g.AddOutput(out, nil)
	}
	return Lower(m, info, layout)
}

// useBatchStatistics is the part of Compile that concerns batch normalisation,
// without the running statistics.
func useBatchStatistics(m *ir.Model, info *shape.Info, trained []*ir.Value) (*shape.Info, error) {
	set := map[*ir.Value]bool{}
	for _, v := range trained {
		set[v] = true
	}
	trainBatchNorm(newBuilder(m, info), set)
	if err := m.Graph.Sort(); err != nil {
		return nil, err
	}
	return shape.Infer(m, shape.Options{})
}
