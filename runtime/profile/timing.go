// Package profile measures what models take on this device, batch 1 and warm: whole
// models, both halves of a bundle, and the nodes of a session; time and energy.
//
// A [Profiler] measures one thing in turns with the whole model that it knows, so that a
// machine that becomes slower on the way does not make one part look slower than another.
// What the numbers become is package plan's.
package profile

import (
	"context"
	"math"
	"time"

	"github.com/bottlenet/bnc/internal/stats"
	"github.com/bottlenet/bnc/runtime/plan"
	"gonum.org/v1/gonum/stat"
)

// Run is one run of what is measured, the i-th, and what it took.
type Run func(i int) (time.Duration, error)

// Sampling says how often something is measured.
type Sampling struct {
	Runs int // at most
	// Precision is the half width of the median's confidence interval that is enough, in
	// percent of the median.
	Precision float64
}

const (
	// warmUps are runs that do not count: they allocate and wake the cores.
	warmUps = 3
	// FewestRuns is how many count at least: of fewer, order statistics say little of the
	// tails.
	FewestRuns = 20
)

// enough tells whether times in milliseconds say enough.
func (s Sampling) enough(times []float64) bool {
	if len(times) < FewestRuns {
		return false
	}
	t := timingOf(times)
	return t.HalfWidthMS <= s.Precision/100*t.MedianMS
}

// repeat calls run until the median of its times is known well enough, and returns the
// times in milliseconds.
func (s Sampling) repeat(ctx context.Context, run Run) ([]float64, error) {
	var all []float64
	for i := range warmUps + s.Runs {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		took, err := run(i)
		if err != nil {
			return nil, err
		}
		if i < warmUps {
			continue
		}
		all = append(all, millis(took))
		if len(all)%10 == 0 && s.enough(all) {
			break
		}
	}
	return all, nil
}

// blockRuns is how many runs of one thing follow each other in turns with others.
const blockRuns = 10

// inTurns is repeat for things that are compared: in blocks by turns, so that a machine
// that becomes slower becomes so for all of them. Blocks begin with runs that do not
// count, as a session that others interrupted pays for waking its threads.
func (s Sampling) inTurns(ctx context.Context, things ...Run) ([][]float64, error) {
	all := make([][]float64, len(things))
	for known := false; !known && len(all[0]) < s.Runs; {
		known = true
		for k, run := range things {
			for i := range warmUps + blockRuns {
				if err := ctx.Err(); err != nil {
					return nil, err
				}
				took, err := run(len(all[k]) + i)
				if err != nil {
					return nil, err
				}
				if i >= warmUps {
					all[k] = append(all[k], millis(took))
				}
			}
			known = known && s.enough(all[k])
		}
	}
	return all, nil
}

// millis is d in milliseconds, to the microsecond.
func millis(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// timingOf sums up times in milliseconds, of which there is at least one.
func timingOf(times []float64) *plan.Timing {
	lo, hi := stats.MedianInterval(times)
	return &plan.Timing{
		MedianMS: stats.Median(times), P5MS: stats.Quantile(0.05, times), P95MS: stats.Quantile(0.95, times), MeanMS: stat.Mean(times, nil),
		Runs: len(times), HalfWidthMS: (hi - lo) / 2,
	}
}

// plus is the time of two things one after the other that were measured apart.
// Percentiles add up as if both were slow together, which is the worst case; the
// confidence intervals are independent.
func plus(a, b *plan.Timing) *plan.Timing {
	return &plan.Timing{
		MedianMS: a.MedianMS + b.MedianMS, P5MS: a.P5MS + b.P5MS, P95MS: a.P95MS + b.P95MS, MeanMS: a.MeanMS + b.MeanMS,
		Runs: min(a.Runs, b.Runs), HalfWidthMS: math.Hypot(a.HalfWidthMS, b.HalfWidthMS),
	}
}

// shift adds ms to every statistic of t, which stays 0 or more.
func shift(t *plan.Timing, ms float64) *plan.Timing {
	return &plan.Timing{
		MedianMS: max(0, t.MedianMS+ms), P5MS: max(0, t.P5MS+ms), P95MS: max(0, t.P95MS+ms), MeanMS: max(0, t.MeanMS+ms),
		Runs: t.Runs, HalfWidthMS: t.HalfWidthMS,
	}
}
