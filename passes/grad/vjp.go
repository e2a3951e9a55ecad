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
// dy.NAME times NAME. The model's own outputs stay before them.
func VJP(m *ir.Model, wrt []string) error {
	info, err := shape.Infer(m, shape.Options{})
	if err != nil {
		return err
	}
	g := m.Graph
	var of []*ir.Value
	for _, name := range wrt {
		v := g.Value(name)
		if v == nil {
			return fmt.Errorf("there is no tensor %q", name)
		}
		of = append(of, v)
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
	m.SetOpset(Domain, 1)
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
	return Lower(m, info)
}
