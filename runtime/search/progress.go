package search

import "github.com/bottlenet/bnc/runtime/plan"

// progress counts the final candidates and estimates the seconds that the others
// will take, by the means of what was done: each one to be screened as long as the
// screenings before it, and two trainings a place, or all in an exhaustive search.
// It is nil where there is no example yet of what is left.
func (p *Plan) progress(known []plan.Candidate) (done int, left *float64) {
	var screened, trained mean
	toScreen, toTrain := 0, 0
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
	for _, place := range p.Places() {
		tried, open := 0, 0
		for _, i := range place {
			switch c := known[i]; {
			case !final(c):
				open++
				if c.Status == "" && c.Reason == "" && !p.Exhaustive {
					toScreen++
				}
			case c.Status == plan.StatusTrained:
				tried++
			}
		}
		if p.Exhaustive {
			toTrain += open
		} else {
			toTrain += min(open, max(2-tried, 0))
		}
	}
	if toScreen > 0 && screened.n == 0 || toTrain > 0 && trained.n == 0 {
		return done, nil
	}
	seconds := float64(toScreen)*screened.of() + float64(toTrain)*trained.of()
	return done, &seconds
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
