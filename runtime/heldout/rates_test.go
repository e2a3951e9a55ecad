package heldout

import (
	"testing"

	"github.com/bottlenet/bnc/runtime/bundle"
	"github.com/bottlenet/bnc/runtime/plan"
	"github.com/bottlenet/bnc/runtime/task"
)

// TestLossAtItsLimit: a rate that loses what may be lost is taken.
func TestLossAtItsLimit(t *testing.T) {
	r := &bundle.Rates{MaxLoss: 5, Points: []plan.RatePoint{{Quality: 10}, {Quality: 20}, {Quality: 30}}}
	task.Agreement.SetLosses(r.Points, []float64{0.9, 0.95, 1})
	if all := r.Allowed(); len(all) != 2 || all[0] != (plan.RatePoint{Quality: 20, Loss: 5}) {
		t.Errorf("%+v may be taken of %+v", all, r.Points)
	}
}
