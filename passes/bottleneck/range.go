package bottleneck

import (
	"context"

	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/compiler/shape"
	"github.com/bottlenet/bnc/passes"
	"github.com/bottlenet/bnc/passes/opt"
)

// Reduction returns what of a joined network gives the quantisers their values, as its only
// outputs.
func Reduction(ctx context.Context, joined *ir.Model) (*ir.Model, error) {
	m := joined.Clone()
	reduced, err := sites(m, func(j *Joined) []*ir.Value { return []*ir.Value{j.Reduced} })
	if err != nil {
		return nil, err
	}
	m.Graph.SetOutputs(reduced...)
	if _, err := passes.RunContext(ctx, m, []passes.Pass{opt.DeadCode, opt.DropUnusedDomains}, nil); err != nil {
		return nil, err
	}
	_, err = shape.Infer(m, shape.Options{})
	return m, err
}
