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
	return before(ctx, joined, func(j *Joined) []*ir.Value { return []*ir.Value{j.Reduced} })
}

// Crossing returns what of a joined network gives of each crossing tensor the quantiser's
// values, the tile and, where it is dynamic, the range, as its only outputs.
func Crossing(ctx context.Context, joined *ir.Model) (*ir.Model, error) {
	return before(ctx, joined, func(j *Joined) []*ir.Value { return append([]*ir.Value{j.Reduced}, with(j.Tile, j.Range)...) })
}

// before returns what of a joined network computes some values of each bottleneck, as its
// only outputs.
func before(ctx context.Context, joined *ir.Model, of func(*Joined) []*ir.Value) (*ir.Model, error) {
	m := joined.Clone()
	outputs, err := sites(m, of)
	if err != nil {
		return nil, err
	}
	m.Graph.SetOutputs(outputs...)
	if _, err := passes.RunContext(ctx, m, []passes.Pass{opt.DeadCode, opt.DropUnusedDomains}, nil); err != nil {
		return nil, err
	}
	_, err = shape.Infer(m, shape.Options{})
	return m, err
}
