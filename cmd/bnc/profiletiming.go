package main

import (
	"context"
	"io"
	"math"
	"slices"
	"time"

	"github.com/bottlenet/bnc/runtime/plan"
)

// sampling says how often something is measured.
type sampling struct {
	runs      int     // at most
	precision float64 // half width of the median's confidence interval that is enough, percent of it
}

const (
	warmUps   = 3  // runs that do not count: they allocate and wake the cores
	fewestRun = 20 // below, the order statistics say little of the tails
)

// repeat calls run until the median of its times is known well enough, and returns
// the times in milliseconds.
func (p sampling) repeat(ctx context.Context, run func(i int) (time.Duration, error)) ([]float64, error) {
	var all []float64
	for i := range warmUps + p.runs {
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
		if len(all) >= fewestRun && len(all)%10 == 0 {
			if t := timingOf(all); t.HalfWidthMS <= p.precision/100*t.MedianMS {
				break
			}
		}
	}
	return all, nil
}

// blockRuns is how many runs of one thing follow each other in turns with others.
const blockRuns = 10

// inTurns is repeat for things that are compared: in blocks by turns, so that a machine
// that becomes slower becomes so for all of them. Blocks begin with runs that do not
// count, as a session that others interrupted pays for waking its threads.
func (p sampling) inTurns(ctx context.Context, things ...func(i int) (time.Duration, error)) ([][]float64, error) {
	all := make([][]float64, len(things))
	for known := false; !known && len(all[0]) < p.runs; {
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
			t := timingOf(all[k])
			known = known && len(all[k]) >= fewestRun && t.HalfWidthMS <= p.precision/100*t.MedianMS
		}
	}
	return all, nil
}

// pace is how fast the machine is: a run of the whole model, and what it took when
// that was measured, ms.
type pace struct {
	run     func(i int) (time.Duration, error)
	median  float64
	session io.Closer // that it runs; nil for none
}

// close closes the session.
func (p *pace) close() error {
	if p == nil || p.session == nil {
		return nil
	}
	return p.session.Close()
}

// timed measures things in turns with the whole model, where there is one: their times
// are those that they would have taken at the speed that the machine had then.
func (p *profiler) timed(ctx context.Context, things ...func(i int) (time.Duration, error)) ([]*plan.Timing, error) {
	if p.pace != nil {
		things = append(things, p.pace.run)
	}
	times, err := p.inTurns(ctx, things...)
	if err != nil {
		return nil, err
	}
	factor := 1.0
	if last := len(times) - 1; p.pace != nil {
		factor = p.pace.median / timingOf(times[last]).MedianMS
		times = times[:last]
	}
	var all []*plan.Timing
	for _, t := range times {
		for i := range t {
			t[i] *= factor
		}
		all = append(all, timingOf(t))
	}
	return all, nil
}

// timingOf sums up times in milliseconds. The confidence interval of the median
// lies between order statistics: their ranks are those within 1.96 standard
// deviations of the binomial distribution that counts times below the median.
func timingOf(times []float64) *plan.Timing {
	x := slices.Sorted(slices.Values(times))
	n := len(x)
	at := func(share float64) float64 { // linear between order statistics
		rank := share * float64(n-1)
		i := int(rank)
		if i+1 >= n {
			return x[n-1]
		}
		return x[i] + (rank-float64(i))*(x[i+1]-x[i])
	}
	sum := 0.0
	for _, v := range x {
		sum += v
	}
	spread := 1.96 * math.Sqrt(float64(n)) / 2
	lo := max(0, int(math.Floor(float64(n)/2-spread)))
	hi := min(n-1, int(math.Ceil(float64(n)/2+spread)))
	return &plan.Timing{MedianMS: at(0.5), P5MS: at(0.05), P95MS: at(0.95), MeanMS: sum / float64(n), Runs: n, HalfWidthMS: (x[hi] - x[lo]) / 2}
}

// plus is the time of two things one after the other that were measured apart.
// Percentiles add up as if both were slow together, which is the worst case;
// the confidence intervals are independent.
func plus(a, b *plan.Timing) *plan.Timing {
	return &plan.Timing{
		MedianMS: a.MedianMS + b.MedianMS, P5MS: a.P5MS + b.P5MS, P95MS: a.P95MS + b.P95MS, MeanMS: a.MeanMS + b.MeanMS,
		Runs: min(a.Runs, b.Runs), HalfWidthMS: math.Hypot(a.HalfWidthMS, b.HalfWidthMS),
	}
}
