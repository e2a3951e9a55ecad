package budget

import (
	"context"
	"strings"
	"testing"

	"github.com/bottlenet/bnc/internal/fault"
	"github.com/bottlenet/bnc/runtime/plan"
)

// opened is a fake that is opened, with candidates of its own.
type opened struct {
	*fake
	closed *int
}

func (o opened) Space() (Space, error) {
	return SpaceOf([]Tensor{{8, 4, 4}}, []Family{FamilyOf("a", true, 0)}, nil, []int{1}, nil, -1), nil
}

func (o opened) Close() error {
	*o.closed++
	return nil
}

// TestSpending: places are closed, the cheapest cut is chosen, and errors say what to do.
func TestSpending(t *testing.T) {
	closed := 0
	s := &Spending{Bytes: 40, Model: "net.onnx", Measure: plan.Agreement, Open: func(_ context.Context, cut string) (Opened, error) {
		if cut == "c" {
			return nil, fault.Unusable("not finite")
		}
		return opened{&fake{
			bytes: func(c Candidate, q int) float64 { return float64(q) },
			error: func(c Candidate, q int) float64 { return 1 / float64(q) },
		}, &closed}, nil
	}}
	best, tried, err := s.At(t.Context(), "a")
	if err != nil || best.Quality != 40 || len(tried) == 0 || closed != 1 {
		t.Errorf("%+v of %d, %v, %d closed", best, len(tried), err, closed)
	}
	sites := []Site{{Name: "a", Before: 100, Cost: 100, Elements: 8}, {Name: "b", Before: 500, Cost: 500, Elements: 8}, {Name: "c", Before: 900, Cost: 900, Elements: 8}}
	names := ""
	cut, err := s.Anywhere(t.Context(), new(int64(1000)), sites, nil, func(t CutTrial) { names += t.Name })
	if err != nil || cut.Name != "a" || names != "cba" {
		t.Errorf("%+v, %v of %s", cut, err, names)
	}
	for _, c := range []struct {
		bytes int
		whole *int64
		sites []Site
		want  string
	}{
		{40, nil, sites, "net.onnx: sizes or operators leave the multiply-adds open"},
		{40, new(int64(1000)), nil, "net.onnx: there is no cut that takes a bottleneck"},
		{40, new(int64(1000)), sites[2:], "no cut can be used, the last because: not finite"},
		{0, new(int64(1000)), sites[:1], "no cut can be used, the last because: no bottleneck takes 0 bytes"},
	} {
		s.Bytes = c.bytes
		if _, err := s.Anywhere(t.Context(), c.whole, c.sites, nil, nil); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v, expected %q", err, c.want)
		}
	}
	if _, _, err := s.At(t.Context(), "a"); err == nil || !strings.Contains(err.Error(), "at cut a no bottleneck takes 0 bytes in the mean: the smallest that was tried takes 1; give as many") {
		t.Error(err)
	}
}
