package train

import "math"

// Kinds of schedules.
const (
	Cosine   = "cosine"   // down to 0 along half a cosine
	Steps    = "step"     // a tenth after half of the steps, a hundredth after three quarters
	Constant = "constant" // the same throughout
)

// Schedule says how the learning rate changes.
type Schedule struct {
	Kind   string
	Rate   float64 // the highest
	Warmup int     // steps in which it rises from 0
	Total  int     // steps of the training
}

// At returns the learning rate of a step, counted from 0.
func (s Schedule) At(step int) float64 {
	if step < s.Warmup {
		return s.Rate * float64(step+1) / float64(s.Warmup)
	}
	done := float64(step-s.Warmup) / float64(max(s.Total-s.Warmup, 1))
	switch s.Kind {
	case Cosine:
		return s.Rate * (1 + math.Cos(math.Pi*min(done, 1))) / 2
	case Steps:
		switch {
		case done >= 0.75:
			return s.Rate / 100
		case done >= 0.5:
			return s.Rate / 10
		}
	}
	return s.Rate
}
