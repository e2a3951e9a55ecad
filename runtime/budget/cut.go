package budget

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/bottlenet/bnc/internal/fault"
	"github.com/bottlenet/bnc/runtime/plan"
)

// Site is a cut that can be chosen.
type Site struct {
	Name     string
	Tensor   string  // of several the names, joined
	Before   int64   // multiply-adds before it
	Elements int64   // of its tensors
	Cost     float64 // what is to be small: multiply-adds on the device, or a latency
	CostMAC  float64 // that of another multiply-add there
	// Choose chooses a bottleneck at the site.
	Choose func(ctx context.Context) (*Trial, error)
}

// CutTrial is a site that was tried, its cost with that of the bottleneck's side on the device.
type CutTrial struct {
	Site
	*Trial         // the best at the site, nil for none
	Why    error   // there is none
	Took   float64 // seconds
}

const (
	// lossPoints is how much agreement, in points of the measure, a cut of less cost may lose
	// beside the best one.
	lossPoints = 1
	// near is the share of the model's multiply-adds within which a cut of far fewer elements
	// is the better place: what is there is computed from little more, or little less, than
	// what is here.
	near, far = 1.0 / 30, 3
	// leftover is the least share of the multiply-adds that is behind a cut worth choosing:
	// with less the device does the work alone.
	leftover = 0.05
	// gap is the share of the multiply-adds around a cut of one tensor in which one of several,
	// of more elements, is hardly better.
	gap = 0.1
)

// Worth returns the sites of one tensor that are worth a trial, and of those of several that
// are more than a gap away from each of them, in the order of the multiply-adds before them:
// without those that leave hardly any work behind, unless all do, those beside much smaller ones,
// as the wide insides of a block are, and but the last of several that follow each other, as a
// convolution and its activation do. Whole is the model's multiply-adds.
func Worth(single, several []Site, whole int64) []Site {
	within := func(a, b Site, share float64) bool {
		return float64(max(a.Before-b.Before, b.Before-a.Before)) <= share*float64(whole)
	}
	sites := worth(single, whole, within)
	apart := slices.DeleteFunc(slices.Clone(several), func(s Site) bool {
		return slices.ContainsFunc(sites, func(o Site) bool { return within(s, o, gap) })
	})
	return inOrder(append(sites, worth(apart, whole, within)...))
}

func inOrder(sites []Site) []Site {
	return slices.SortedStableFunc(slices.Values(sites), func(a, b Site) int { return cmp.Compare(a.Before, b.Before) })
}

func worth(sites []Site, whole int64, within func(a, b Site, share float64) bool) (worth []Site) {
	sorted := inOrder(sites)
	work := slices.DeleteFunc(slices.Clone(sorted), func(s Site) bool { return float64(s.Before) > (1-leftover)*float64(whole) })
	if len(work) > 0 {
		sorted = work
	}
	for i, s := range sorted {
		smaller := slices.ContainsFunc(sorted, func(o Site) bool { return within(s, o, near) && far*o.Elements <= s.Elements })
		again := i+1 < len(sorted) && sorted[i+1].Elements == s.Elements && within(s, sorted[i+1], near/far/2)
		if !smaller && !again {
			worth = append(worth, s)
		}
	}
	return worth
}

// ChooseCut returns the site of least cost that loses no more than lossPoints of what the best
// one agrees with the whole model, and all that were tried, in their order. Sites are in the
// order in which the model computes them; agreement is taken to rise along it, so that not
// all are tried. The error is that of the last site where none can be used.
func ChooseCut(ctx context.Context, sites []Site, m plan.Measure, step func(CutTrial)) (*CutTrial, []CutTrial, error) {
	var trials []CutTrial
	try := func(s Site) (CutTrial, error) {
		t, start := CutTrial{Site: s}, time.Now()
		t.Trial, t.Why = s.Choose(ctx)
		t.Took = time.Since(start).Seconds()
		if t.Trial != nil {
			t.Cost += s.CostMAC * float64(t.Trial.MACs)
		}
		var unfit *fault.DataError
		var small *TooSmallError
		if t.Why != nil && (ctx.Err() != nil || !errors.As(t.Why, &unfit) && !errors.As(t.Why, &small)) {
			return t, t.Why
		}
		trials = append(trials, t)
		if step != nil {
			step(t)
		}
		return t, nil
	}
	from, to := 0, len(sites) // sites before from lose too much
	for ; to > 0 && bestRate(trials, m) == nil; to-- {
		if _, err := try(sites[to-1]); err != nil {
			return nil, trials, err
		}
	}
	chosen := cheapest(trials, m)
	if chosen == nil {
		return nil, trials, trials[len(trials)-1].Why
	}
	for {
		var left []int
		for i := from; i < to; i++ {
			known := slices.ContainsFunc(trials, func(t CutTrial) bool { return t.Name == sites[i].Name })
			if !known && sites[i].Cost < chosen.Cost {
				left = append(left, i)
			}
		}
		if left == nil {
			return chosen, trials, nil
		}
		at := left[len(left)/2]
		t, err := try(sites[at])
		if err != nil {
			return nil, trials, err
		}
		if !holds(t, trials, m) {
			from = at + 1
		}
		chosen = cheapest(trials, m)
	}
}

// bestRate is the most agreement of the trials, in points; nil for none.
func bestRate(trials []CutTrial, m plan.Measure) *float64 {
	var most *float64
	for _, t := range trials {
		if t.Trial == nil {
			continue
		}
		if rate := 100 * m.Rate(t.Judgement.Agreement); most == nil || rate > *most {
			most = &rate
		}
	}
	return most
}

// holds reports whether a trial agrees as much as the best ones, but for lossPoints.
func holds(t CutTrial, trials []CutTrial, m plan.Measure) bool {
	return t.Trial != nil && 100*m.Rate(t.Judgement.Agreement) >= *bestRate(trials, m)-lossPoints
}

// cheapest returns the trial of least cost that holds, nil for none.
func cheapest(trials []CutTrial, m plan.Measure) *CutTrial {
	var found *CutTrial
	for i := range trials {
		if t := &trials[i]; holds(*t, trials, m) && (found == nil || t.Cost < found.Cost) {
			found = t
		}
	}
	return found
}
