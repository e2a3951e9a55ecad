package budget

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/bottlenet/bnc/internal/fault"
	"github.com/bottlenet/bnc/runtime/plan"
)

// sites are n cuts of one cost each, whose agreement is told.
func sites(n int, agreement func(i int) (float64, error), asked *[]int) (all []Site) {
	for i := range n {
		all = append(all, Site{Name: fmt.Sprint(i), Before: int64(i), Cost: float64(i), Choose: func(context.Context) (*Trial, error) {
			*asked = append(*asked, i)
			a, err := agreement(i)
			if err != nil {
				return nil, err
			}
			return &Trial{Judgement: &Judgement{Agreement: a}}, nil
		}})
	}
	return all
}

// TestChooseCut: the cheapest cut is found that loses no more than a point, in few trials.
func TestChooseCut(t *testing.T) {
	for _, first := range []int{0, 1, 17, 62, 63} { // that agrees as much as the last
		var asked []int
		all := sites(64, func(i int) (float64, error) {
			if i < first {
				return 0.97 - 0.01*float64(first-i), nil
			}
			return 0.9801 + 0.009*float64(i)/63, nil
		}, &asked)
		best, tried, err := ChooseCut(t.Context(), all, plan.Agreement, nil)
		if err != nil || best.Name != fmt.Sprint(first) || len(tried) != len(asked) || len(asked) > 8 {
			t.Errorf("%+v, %v in %v, expected cut %d", best, err, asked, first)
		}
	}
}

// TestChooseCutOtherwise: errors, latencies that do not rise with the place, cuts that
// cannot be used, and one that agrees more than the last.
func TestChooseCutOtherwise(t *testing.T) {
	var asked []int
	lower := plan.Measure{Name: "error", Points: 1, Lower: true}
	best, _, err := ChooseCut(t.Context(), sites(8, func(i int) (float64, error) { return 10 - float64(i), nil }, &asked), lower, nil)
	if err != nil || best.Name != "6" { // one point more than the last
		t.Errorf("%+v, %v", best, err)
	}
	all := sites(8, func(i int) (float64, error) { return float64(min(i, 3)) / 3, nil }, &asked)
	for i, ms := range []float64{1, 1, 1, 9, 5, 7, 8, 6} {
		all[i].Cost = ms
	}
	if best, _, err = ChooseCut(t.Context(), all, plan.Agreement, nil); err != nil || best.Name != "4" {
		t.Errorf("%+v, %v", best, err)
	}
	unfit := func(i int) (float64, error) {
		if i > 5 {
			return 0, fault.Unusable("not finite")
		}
		return 1, nil
	}
	if best, tried, err := ChooseCut(t.Context(), sites(8, unfit, &asked), plan.Agreement, nil); err != nil || best.Name != "0" || tried[0].Why == nil {
		t.Errorf("%+v, %v", best, err)
	}
	none := func(int) (float64, error) { return 0, &TooSmallError{Bytes: 7, Least: 12} }
	var small *TooSmallError
	if _, _, err := ChooseCut(t.Context(), sites(3, none, &asked), plan.Agreement, nil); !errors.As(err, &small) {
		t.Error(err)
	}
	broken := errors.New("broken")
	if _, _, err := ChooseCut(t.Context(), sites(3, func(int) (float64, error) { return 0, broken }, &asked), plan.Agreement, nil); err != broken {
		t.Error(err)
	}
	peak := func(i int) (float64, error) { return []float64{0.2, 0.9, 0.5, 0.6, 0.7}[i], nil }
	if best, _, err = ChooseCut(t.Context(), sites(5, peak, &asked), plan.Agreement, nil); err != nil || best.Name != "4" {
		t.Errorf("%+v, %v", best, err)
	}
}

// TestChooseCutByWork: a cut before whose bottleneck is more work than what is between them is not
// the cheapest, and its cost is told.
func TestChooseCutByWork(t *testing.T) {
	for perMAC, want := range map[float64]string{1: "1", 0.5: "0"} {
		all := []Site{{Name: "0", Cost: 100, CostMAC: perMAC}, {Name: "1", Before: 140, Cost: 140, CostMAC: perMAC}}
		for i, macs := range []int64{50, 2} {
			all[i].Choose = func(context.Context) (*Trial, error) {
				return &Trial{MACs: macs, Judgement: &Judgement{Agreement: 1}}, nil
			}
		}
		best, tried, err := ChooseCut(t.Context(), all, plan.Agreement, nil)
		if err != nil || best.Name != want || len(tried) != 2 || tried[1].Cost != 100+50*perMAC {
			t.Errorf("%v a multiply-add: %+v of %+v, %v", perMAC, best, tried, err)
		}
	}
}

// TestWorth: of a block like MobileNetV2's (wide inside, narrow between), of a chain of nodes
// of one size, and of what leaves nothing behind, the sites that are worth a trial.
func TestWorth(t *testing.T) {
	all := []Site{
		{Name: "late", Before: 990, Elements: 10}, {Name: "narrow1", Before: 300, Elements: 100},
		{Name: "wide1", Before: 320, Elements: 600}, {Name: "wide1relu", Before: 320, Elements: 600}, {Name: "narrow2", Before: 350, Elements: 100},
		{Name: "conv", Before: 600, Elements: 90}, {Name: "norm", Before: 600, Elements: 90}, {Name: "relu", Before: 601, Elements: 90},
		{Name: "wide but far", Before: 800, Elements: 300},
	}
	var names []string
	for _, s := range Worth(all, nil, 1000) {
		names = append(names, s.Name)
	}
	if got := strings.Join(names, " "); got != "narrow1 narrow2 relu wide but far" {
		t.Error(got)
	}
	if got := Worth(all[:1], nil, 1000); len(got) != 1 {
		t.Errorf("%+v, expected the only one", got)
	}
	skips := []Site{{Name: "beside", Before: 180, Elements: 50}, {Name: "between", Before: 500, Elements: 900}, {Name: "between too", Before: 480, Elements: 1200}}
	if got := Worth([]Site{{Name: "first", Before: 100, Elements: 500}, {Name: "last", Before: 900, Elements: 400}}, skips, 1000); len(got) != 4 || got[1].Name != "between too" || got[2].Name != "between" {
		t.Errorf("%+v, expected first and last and those between", got)
	}
}
