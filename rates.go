package bnc

import (
	"context"

	"github.com/bottlenet/bnc/internal/progress"
	"github.com/bottlenet/bnc/runtime/bundle"
	"github.com/bottlenet/bnc/runtime/eval"
	"github.com/bottlenet/bnc/runtime/heldout"
	"github.com/bottlenet/bnc/runtime/plan"
)

// Rates are what a pair of many rates does at some of them.
type Rates = bundle.Rates

// checkRates finds what cannot be of options that say what a choice of the rate may lose.
func (o *SplitOptions) checkRates() error {
	switch {
	case o.MaxLoss == nil:
		return nil
	case !(*o.MaxLoss >= 0 && *o.MaxLoss <= 100):
		return usage("max_loss", "%v: expected percentage points from 0 to 100", *o.MaxLoss)
	case !o.VariableRate:
		return usage("max_loss", "needs option variable_rate: it is what a choice of the rate may lose")
	case o.Calibrate == "":
		return usage("max_loss", "needs option calib DATA: images tell what rates take and lose")
	}
	return nil
}

// rates measures the bottlenecks at a place at several rates on those images of a source that
// their calibration has not seen.
func (o *SplitOptions) rates(ctx context.Context, p progress.Progress, src calibrationSource, at *where, k *prepared) (*Rates, error) {
	outputs, _, err := k.subject.JudgedBy(k.task.Task, eval.Want{})
	if err != nil {
		return nil, err
	}
	_, held := heldout.Hold(src.Set)
	src.Tensors = at.cut.Names()
	pl := &place{src: src, cut: at.cut}
	_, before, err := pl.open(ctx)
	if err != nil {
		return nil, err
	}
	defer before.Close()
	defer pl.Close()
	feeder, err := src.Given.New(before.Inputs(), src.Choose)
	if err != nil {
		return nil, unusable("%w", err)
	}
	if err := pl.keep(ctx, p, before, feeder, judging{held.Unlabelled(), k.task.Task, outputs}); err != nil {
		return nil, err
	}
	pair, err := pl.pair(ctx, at.settings)
	if err != nil {
		return nil, err
	}
	defer pair.Close()
	r, bar := &Rates{MaxLoss: *o.MaxLoss}, p.Phase("trying rates", len(plan.TriedRates))
	r.Points, err = pl.held.Rates(ctx, pair, k.task.Agreement(), func() { bar.Step(1) })
	return r, err
}
