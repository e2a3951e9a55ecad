package train

import (
	"math"
	"testing"
)

// TestSchedule compares with the closed forms, and holds what every schedule
// promises: it rises to the highest rate in the warm-up and never above it.
func TestSchedule(t *testing.T) {
	near := func(a, b float64) bool { return math.Abs(a-b) <= 1e-12 } // rounding of float64
	for _, c := range []struct {
		kind string
		at   func(done float64) float64 // of what is behind the warm-up, for rate 1
	}{
		{Constant, func(float64) float64 { return 1 }},
		{Cosine, func(d float64) float64 { return math.Pow(math.Cos(math.Pi*d/2), 2) }},
		{Steps, func(d float64) float64 {
			if d < 0.5 {
				return 1
			}
			if d < 0.75 {
				return 0.1
			}
			return 0.01
		}},
	} {
		for _, warmup := range []int{0, 1, 10} {
			s := Schedule{Kind: c.kind, Rate: 0.2, Warmup: warmup, Total: 90}
			for step := range s.Total {
				want := 0.2 * c.at(float64(step-warmup)/float64(90-warmup))
				if step < warmup {
					want = 0.2 * float64(step+1) / float64(warmup)
				}
				if got := s.At(step); !near(got, want) || got > s.Rate+1e-12 || got < 0 {
					t.Errorf("%s, warm-up %d: step %d has rate %v, expected %v", c.kind, warmup, step, got, want)
				}
			}
		}
	}
	// More warm-up than steps: it only rises.
	short := Schedule{Kind: Cosine, Rate: 1, Warmup: 8, Total: 4}
	for step := range 4 {
		if got := short.At(step); !near(got, float64(step+1)/8) {
			t.Errorf("step %d of a long warm-up has rate %v", step, got)
		}
	}
}
