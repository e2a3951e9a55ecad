package bnc

import (
	"context"

	"github.com/bottlenet/bnc/runtime/bundle"
	"github.com/bottlenet/bnc/runtime/heldout"
)

// Rates are what a pair of many rates does at some of them.
type Rates = bundle.Rates

// rates measures the bottlenecks at a place at several rates on those images of a source that
// their calibration has not seen.
func (o *SplitOptions) rates(ctx context.Context, src calibrationSource, at *where, k *prepared) (*Rates, error) {
	_, held := heldout.Hold(src.Set)
	judged, err := k.judged(held)
	if err != nil {
		return nil, err
	}
	src.Tensors = at.cut.Names()
	sides, _, err := src.sides(ctx)
	if err != nil {
		return nil, err
	}
	defer sides.Close()
	if err := sides.Hold(ctx, o.progress(), nil, judged); err != nil {
		return nil, err
	}
	unit, err := unitOf(ctx, at.cut, at.settings)
	if err != nil {
		return nil, err
	}
	r := &Rates{MaxLoss: *o.MaxLoss}
	r.Points, err = sides.Rates(ctx, o.progress(), unit, k.task.Agreement())
	return r, err
}
