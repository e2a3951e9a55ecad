package search

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/bottlenet/bnc/runtime/plan"
)

// action is what is done about a candidate.
type action int

const (
	actSkip action = iota
	actScreen
	actTrain
)

// task is the next thing to do at a place.
type task struct {
	action    action
	candidate plan.Candidate
	// Of actSkip: what the candidate becomes.
	status, reason string
	// Of actTrain.
	warm        *plan.Candidate // nil: from the model's own weights
	allScreened bool            // there was a screening, which is over
}

// final reports whether nothing more will be done about a candidate. One that is
// screened waits for its verdict as long as it has no reason.
func final(c plan.Candidate) bool {
	return c.Status == plan.StatusTrained || c.Status == plan.StatusSkipped || c.Status == plan.StatusFailed || c.Status == plan.StatusScreened && c.Reason != ""
}

// next returns what is to be done at a place where not every candidate is final.
func (p *Plan) next(at []plan.Candidate) task {
	open := func(yes func(plan.Candidate) bool) (list []plan.Candidate) {
		for _, c := range at {
			if !final(c) && yes(c) {
				list = append(list, c)
			}
		}
		return list
	}
	fresh := open(func(c plan.Candidate) bool { return c.Status == "" })
	for _, c := range fresh {
		if c.Reason != "" {
			return skip(c, plan.StatusSkipped, "%s", c.Reason)
		}
	}
	if p.Exhaustive {
		return task{action: actTrain, candidate: fresh[0]}
	}
	if len(fresh) > 0 {
		return p.screen(fresh, at)
	}
	return p.choose(open(func(plan.Candidate) bool { return true }), at)
}

// limit is what a candidate may lose in a screening.
func (p *Plan) limit() float64 { return p.MaxLoss + p.Margin }

// farOff is how many points above MaxLoss a full training loses where one with
// fewer channels is not tried any more: several times what two trainings of the
// same candidate differ by.
const farOff = 5

// screen is step 1 of a place.
func (p *Plan) screen(fresh, at []plan.Candidate) task {
	c := slices.MinFunc(fresh, func(a, b plan.Candidate) int {
		return cmp.Or(cmp.Compare(a.S, b.S), cmp.Compare(wide(b), wide(a)), cmp.Compare(b.Quality, a.Quality))
	})
	for _, more := range at {
		if within(c, more) && more.Status == plan.StatusScreened && more.Loss > p.limit() {
			return skip(c, plan.StatusSkipped, "%s loses %.1f points in the screening, more than %.1f: %s no less", more, more.Loss, p.limit(), fewer(c, more))
		}
	}
	return task{action: actScreen, candidate: c}
}

// choose is steps 2 and 3 of a place. Open are the candidates that are screened
// and wait for their verdict.
func (p *Plan) choose(open, at []plan.Candidate) task {
	var tried, keeping []plan.Candidate
	for _, c := range at {
		if _, screened := c.Settings[screening]; screened && (c.Status == plan.StatusTrained || c.Status == plan.StatusFailed) {
			tried = append(tried, c)
			if c.Status == plan.StatusTrained && c.Loss <= p.MaxLoss {
				keeping = append(keeping, c)
			}
		}
	}
	limit := p.limit()
	best := slices.MinFunc(open, func(a, b plan.Candidate) int {
		return cmp.Or(cmp.Compare(a.Loss, b.Loss), cmp.Compare(a.Index, b.Index))
	})
	if best.Loss > limit && len(tried) == 0 {
		return task{action: actTrain, candidate: best, allScreened: true}
	}
	for _, c := range open {
		if c.Loss > limit {
			return skip(c, plan.StatusScreened, "loses %.1f points in the screening: more than %.1f, the limit of %.1f and %.1f that a full training may win back", c.Loss, limit, p.MaxLoss, p.Margin)
		}
	}
	c := slices.MinFunc(open, func(a, b plan.Candidate) int {
		return cmp.Or(cmp.Compare(a.PayloadBytes, b.PayloadBytes), cmp.Compare(a.Index, b.Index))
	})
	if len(tried) >= 2 && len(keeping) > 0 {
		k := slices.MinFunc(keeping, func(a, b plan.Candidate) int { return cmp.Compare(a.PayloadBytes, b.PayloadBytes) })
		return skip(c, plan.StatusScreened, "%s has a smaller payload, %.1f bytes, and loses %.2f points: not more than %.1f", k, k.PayloadBytes, k.Loss, p.MaxLoss)
	}
	for _, more := range tried {
		if within(c, more) && more.Loss > p.MaxLoss+farOff {
			return skip(c, plan.StatusScreened, "%s lost %.1f points in full training, more than %.1f: %s no less", more, more.Loss, p.MaxLoss+farOff, fewer(c, more))
		}
	}
	return task{action: actTrain, candidate: c, warm: neighbour(keeping), allScreened: true}
}

// neighbour returns the trained candidate that another one begins from: that
// with the largest payload so far that keeps MaxLoss. Weights of one that does not
// can be worse than the model's own, and the smallest payload would depend on them.
func neighbour(keeping []plan.Candidate) *plan.Candidate {
	if len(keeping) == 0 {
		return nil
	}
	found := slices.MaxFunc(keeping, func(a, b plan.Candidate) int { return cmp.Compare(a.PayloadBytes, b.PayloadBytes) })
	return &found
}

func skip(c plan.Candidate, status, format string, args ...any) task {
	return task{action: actSkip, candidate: c, status: status, reason: fmt.Sprintf(format, args...)}
}

// screening is the setting that keeps what a candidate's screening gave.
const screening = "screening"

// judge puts an outcome into a candidate.
func (p *Plan) judge(c *plan.Candidate, o Outcome, t task, seconds float64) {
	c.Seconds += seconds
	c.Primary, c.Labelled, c.Agreement, c.PayloadBytes, c.Bundle = o.Primary, o.Labelled, o.Agreement, o.PayloadBytes, o.Bundle
	c.Axes = o.Axes
	if a := p.accuracy(o.Accuracy); a != nil {
		c.Loss = math.Round(100*(p.baseline()-*a)*1e9) / 1e9 // so that a limit of 2 is not missed by 2e-15
	}
	settings := map[string]any{}
	for name, v := range c.Settings {
		settings[name] = v
	}
	for name, v := range o.Settings {
		settings[name] = v
	}
	if t.action == actScreen {
		screened := map[string]any{"top1": c.Primary, "agreement": c.Agreement, "loss": c.Loss, "payload_bytes": c.PayloadBytes, "seconds": seconds}
		if c.Labelled != nil {
			screened["labelled"] = c.Labelled
		}
		settings[screening] = screened
	}
	if t.warm != nil {
		settings["warm_from"] = t.warm.String()
	}
	if len(settings) > 0 {
		c.Settings = settings
	}
	if o.Hopeless != "" {
		c.Status, c.Reason = plan.StatusFailed, o.Hopeless
	}
}

// accuracy is the rate that the baseline is compared with.
func (p *Plan) accuracy(of plan.Accuracy) *float64 {
	found := of.Labels()
	if p.Baseline.Labels() == nil {
		found = of.Agreement
	}
	if found == nil {
		return nil
	}
	return new(p.measure().Rate(*found))
}

// Accuracies are the rates that the baseline is compared with, as far as they are known.
func (p *Plan) Accuracies(all []plan.Accuracy) (list []float64) {
	for _, a := range all {
		v := p.accuracy(a)
		if v == nil && a.Agreement != nil {
			v = new(p.measure().Rate(*a.Agreement))
		}
		if v != nil {
			list = append(list, *v)
		}
	}
	return list
}

// nearGoal is how much a last epoch is trusted to gain in any case: the learning rate
// falls to 0 in it.
const nearGoal = 0.04

// Hopeless tells whether a training of so many epochs, which gave these accuracies so far,
// cannot be good enough any more.
func (p *Plan) Hopeless(done []plan.Accuracy, epochs int) bool {
	return !p.Exhaustive && hopeless(p.Accuracies(done), p.Goal(), nearGoal, epochs)
}

// Ended says why a training that kept an accuracy ended before its last epoch, "" where it
// did not or is good enough all the same.
func (p *Plan) Ended(done []plan.Accuracy, kept plan.Accuracy, epochs int) string {
	if len(done) >= epochs || slices.Max(p.Accuracies([]plan.Accuracy{kept})) >= p.Goal() {
		return ""
	}
	m := p.measure()
	return fmt.Sprintf("ended after epoch %d of %d: at %s, %s is out of reach", len(done), epochs, m.Format(m.Value(slices.Max(p.Accuracies(done)))), m.Format(m.Value(p.Goal())))
}

func asCandidateError(err error) (*CandidateError, bool) {
	var own *CandidateError
	return own, errors.As(err, &own)
}

// hopeless tells whether a training cannot reach a goal any more: the best epoch
// is further from it than near, and than twice what the last epoch changed for
// every epoch that is left. A change for the worse counts like one for the better:
// at high learning rates accuracy leaps. Scores are those after each epoch; all are
// rates from 0 to 1. One epoch tells nothing about changes.
func hopeless(scores []float64, goal, near float64, epochs int) bool {
	n := len(scores)
	if n < 2 || n >= epochs {
		return false
	}
	missing := goal - slices.Max(scores)
	change := math.Abs(scores[n-1] - scores[n-2])
	return missing > near && missing > 2*change*float64(epochs-n)
}

// within tells whether a candidate is less of another one: coded by the same codec at the
// same stride, of no more channels and at no higher quality.
func within(c, more plan.Candidate) bool {
	return c.Index != more.Index && c.S == more.S && c.Codec == more.Codec && wide(c) <= wide(more) && c.Quality <= more.Quality
}

// fewer says what a candidate has less of than another one.
func fewer(c, more plan.Candidate) string {
	switch {
	case c.Quality == more.Quality:
		return "fewer channels lose"
	case wide(c) == wide(more):
		return "a lower quality loses"
	}
	return "fewer channels at a lower quality lose"
}

// wide is a candidate's number of channels; 0, all of them, is the most.
func wide(c plan.Candidate) int {
	if c.C == 0 {
		return math.MaxInt
	}
	return c.C
}
