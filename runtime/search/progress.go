package search

import (
	"math"

	"github.com/bottlenet/bnc/runtime/plan"
)

// progress counts the final candidates and estimates the seconds that the others
// will take: the tasks that are left, as the rules of the plan give them out, take as
// long as those of their kind took on average. It is nil where there is no example yet
// of what is left.
func (p *Plan) progress(known []plan.Candidate) (done int, left *float64) {
	var screened, trained, tries mean
	for _, c := range known {
		if final(c) {
			done++
		}
		at, ok := c.Settings[screening].(map[string]any)
		before, _ := at["seconds"].(float64)
		if ok {
			screened.add(before)
		}
		if c.Status == plan.StatusTrained {
			trained.add(c.Seconds - before)
		}
	}
	var open [][]plan.Candidate
	for _, place := range p.Places() {
		at, over, n := []plan.Candidate{}, true, 0
		for _, i := range place {
			c := known[i]
			at, over = append(at, c), over && final(c)
			if c.Status == plan.StatusTrained {
				n++
			}
		}
		if over {
			tries.add(float64(n))
		} else {
			open = append(open, at)
		}
	}
	toScreen, toTrain := 0, 0
	for _, at := range open {
		s, t := p.ahead(at, int(math.Round(tries.of())))
		toScreen, toTrain = toScreen+s, toTrain+t
	}
	if toScreen > 0 && screened.n == 0 || toTrain > 0 && trained.n == 0 {
		return done, nil
	}
	seconds := float64(toScreen)*screened.of() + float64(toTrain)*trained.of()
	return done, &seconds
}

// ahead counts the screenings and trainings that are to come at a place, if every
// screening promises well and the training after as many tries as usual is the first
// that is good enough.
func (p *Plan) ahead(at []plan.Candidate, usual int) (toScreen, toTrain int) {
	tries := 0
	for _, c := range at {
		if c.Status == plan.StatusTrained {
			tries++
		}
	}
	for {
		over := true
		for _, c := range at {
			over = over && final(c)
		}
		if over {
			return toScreen, toTrain
		}
		t := p.next(at)
		for i := range at {
			c := &at[i]
			if c.Index != t.candidate.Index {
				continue
			}
			switch t.action {
			case actSkip:
				c.Status, c.Reason = t.status, t.reason
			case actScreen:
				toScreen++
				c.Status, c.Reason, c.Settings = plan.StatusScreened, "", map[string]any{screening: nil}
			case actTrain:
				toTrain, tries = toTrain+1, tries+1
				if c.Status, c.Loss = plan.StatusTrained, p.MaxLoss; tries < usual {
					c.Loss = math.Nextafter(p.MaxLoss, math.Inf(1))
				}
			}
		}
	}
}

// mean is a running one.
type mean struct {
	sum float64
	n   int
}

func (m *mean) add(v float64) { m.sum, m.n = m.sum+v, m.n+1 }

func (m *mean) of() float64 {
	if m.n == 0 {
		return 0
	}
	return m.sum / float64(m.n)
}
