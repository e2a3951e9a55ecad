package eval

import (
	"context"

	"github.com/bottlenet/bnc/runtime/plan"
	"github.com/bottlenet/bnc/runtime/task"
)

// Axes notes the bytes of a row, and how sure its accuracy and the loss by m are.
func (r Row) Axes(m plan.Measure, axes *plan.Axes) {
	if r.PayloadBytes != nil {
		axes.PayloadP95, axes.PayloadMax = r.PayloadBytes.P95, r.PayloadBytes.Max
	}
	if r.Primary != nil {
		axes.Interval = &r.Primary.Interval
	}
	switch {
	case r.Paired != nil:
		axes.LossInterval = m.LossInterval(r.Paired.Teacher, r.Paired.Teacher+r.Paired.Interval[0], r.Paired.Teacher+r.Paired.Interval[1])
	case r.Primary != nil && len(r.Values) == 0: // of agreement
		axes.LossInterval = m.LossInterval(m.Perfect(), r.Primary.Interval[0], r.Primary.Interval[1])
	}
}

// Rates are what the subject, a pair of many rates, takes and loses at plan.TriedRates; none
// where nothing of its outputs can be judged.
func (e *Evaluation) Rates(ctx context.Context) ([]plan.RatePoint, error) {
	rows, err := e.Run(ctx, plan.TriedRates)
	if err != nil {
		return nil, err
	}
	var points []plan.RatePoint
	var values []float64
	for _, row := range rows {
		if row.Primary == nil {
			return nil, nil
		}
		points = append(points, plan.RatePoint{Quality: row.Quality, Bytes: row.PayloadBytes.Mean})
		values = append(values, row.Primary.Value)
	}
	task.MeasureOf(rows[0].Primary.Name).SetLosses(points, values)
	return points, nil
}
