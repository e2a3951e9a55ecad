package bnc

import (
	"context"
	"fmt"

	"github.com/bottlenet/bnc/internal/progress"
	"github.com/bottlenet/bnc/runtime/bundle"
	"github.com/bottlenet/bnc/runtime/eval"
	"github.com/bottlenet/bnc/runtime/heldout"
	"github.com/bottlenet/bnc/runtime/plan"
	"github.com/bottlenet/bnc/runtime/task"
)

// Rates are what a pair of many rates does at some of them.
type Rates = bundle.Rates

// triedRates are the qualities that a pair of many rates is measured at: two thirds of an octave
// of a codec's steps apart.
var triedRates = []int{10, 20, 30, 40, 50, 60, 70, 80, 90, 100}

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
	_, held := heldout.Hold(src.set)
	src.tensors = at.cut.Names()
	pl := &place{src: src, cut: at.cut}
	_, before, err := pl.open(ctx)
	if err != nil {
		return nil, err
	}
	defer before.Close()
	defer pl.Close()
	feeder, err := src.given.New(before.Inputs(), src.choose)
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
	tiles, err := pair.Tiles(ctx, pl.held.Crossing())
	if err != nil {
		return nil, err
	}
	r := &Rates{MaxLoss: *o.MaxLoss}
	var agreements []float64
	bar := p.Phase("trying rates", len(triedRates))
	for _, quality := range triedRates {
		judgement, err := pl.held.Judge(ctx, pair, tiles, quality)
		if err != nil {
			return nil, fmt.Errorf("quality %d: %w", quality, err)
		}
		point := plan.RatePoint{Quality: quality}
		for _, bytes := range judgement.Bytes {
			point.Bytes += float64(bytes) / float64(len(judgement.Bytes))
		}
		r.Points, agreements = append(r.Points, point), append(agreements, judgement.Agreement)
		bar.Step(1)
	}
	setLosses(r, k.task.Agreement(), agreements)
	return r, nil
}

// setLosses sets what each rate loses, by a measure whose values are those of its points.
func setLosses(r *Rates, measure task.Measure, values []float64) {
	best := values[0]
	for _, v := range values {
		if measure.Better(v, best) {
			best = v
		}
	}
	for i, v := range values {
		r.Points[i].Loss = measure.Loss(v, best)
	}
}
