package heldout

import (
	"context"
	"fmt"

	"github.com/bottlenet/bnc/runtime/plan"
	"github.com/bottlenet/bnc/runtime/task"
)

// Rates are what a bottleneck takes and loses at plan.TriedRates, by the agreement that by
// measures. Step is told of each.
func (h *Images) Rates(ctx context.Context, p *Pair, by task.Measure, step func()) ([]plan.RatePoint, error) {
	tiles, err := p.Tiles(ctx, h.Crossing())
	if err != nil {
		return nil, err
	}
	var points []plan.RatePoint
	var agreements []float64
	for _, quality := range plan.TriedRates {
		judgement, err := h.Judge(ctx, p, tiles, quality)
		if err != nil {
			return nil, fmt.Errorf("quality %d: %w", quality, err)
		}
		point := plan.RatePoint{Quality: quality}
		for _, bytes := range judgement.Bytes {
			point.Bytes += float64(bytes) / float64(len(judgement.Bytes))
		}
		points, agreements = append(points, point), append(agreements, judgement.Agreement)
		step()
	}
	by.SetLosses(points, agreements)
	return points, nil
}
