package search

import "github.com/bottlenet/bnc/runtime/plan"

// Found is what a search found at a cut.
type Found struct {
	Cut      string
	Smallest *plan.Candidate // the smallest payload that keeps MaxLoss, nil for none
	Count    map[string]int  // of candidates, by status
}

// Found sums up results at each place, in the plan's order.
func (p *Plan) Found(r *plan.Results) (all []Found) {
	for _, place := range p.Places() {
		f := Found{Cut: p.Candidates[place[0]].Cut, Count: map[string]int{}}
		for _, c := range r.Candidates {
			if c.Cut != f.Cut {
				continue
			}
			f.Count[c.Status]++
			if c.Status == plan.StatusTrained && c.Loss <= p.MaxLoss && (f.Smallest == nil || c.PayloadBytes < f.Smallest.PayloadBytes) {
				f.Smallest = &c
			}
		}
		all = append(all, f)
	}
	return all
}
