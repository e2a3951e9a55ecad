package bottleneck

import (
	"context"
	"fmt"

	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/compiler/shape"
	"github.com/bottlenet/bnc/passes"
	"github.com/bottlenet/bnc/passes/opt"
)

// StaticRange returns the range of a joined network's quantiser, which must be static.
func StaticRange(m *ir.Model) (lo, hi float64, err error) {
	var ends [2]float32
	for i, name := range []string{"bnc.quantiser.lo", "bnc.quantiser.width"} {
		v := m.Graph.Value(name)
		if v == nil || v.Const() == nil {
			return 0, 0, fmt.Errorf("BUG: a calibrated bottleneck without a static range")
		}
		values, err := v.Const().Floats()
		if err != nil {
			return 0, 0, err
		}
		ends[i] = values[0]
	}
	return float64(ends[0]), float64(ends[0] + ends[1]), nil
}

// Reduction returns what of a joined network gives the quantiser its values, as its only
// output.
func Reduction(ctx context.Context, joined *ir.Model) (*ir.Model, error) {
	m := joined.Clone()
	anatomy, err := Anatomy(m)
	if err != nil {
		return nil, err
	}
	m.Graph.SetOutputs(anatomy.Reduced)
	if _, err := passes.RunContext(ctx, m, []passes.Pass{opt.DeadCode, opt.DropUnusedDomains}, nil); err != nil {
		return nil, err
	}
	_, err = shape.Infer(m, shape.Options{})
	return m, err
}
