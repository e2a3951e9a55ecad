package plan

import "time"

// Conditions are under which an inference runs.
type Conditions struct {
	Network Network
	Load    Load
	Compute float64 // the mobile device's power while it computes, mW
}

// Target is what is to be small: the sum of both, each with its weight. The
// targets of the paper are Target{Latency: 1} and Target{Energy: 1}.
type Target struct {
	Latency float64 // per ms
	Energy  float64 // per mJ
}

// Value returns what an inference costs in terms of the target.
func (t Target) Value(c Cost, at Conditions) float64 {
	value := 0.0
	if t.Latency != 0 { // 0 times what takes forever is 0
		value += t.Latency * float64(Latency(c, at.Network, at.Load)) / float64(time.Millisecond)
	}
	if t.Energy != 0 {
		value += t.Energy * Energy(c, at.Network, at.Load, at.Compute)
	}
	return value
}

// Choose returns the index of the candidate that costs least in terms of the
// target, the first of several: selection in the paper's Algorithm 1. It returns
// -1 for no candidates.
func Choose(candidates []Cost, at Conditions, t Target) int {
	best := -1
	var least float64
	for i, c := range candidates {
		if v := t.Value(c, at); best < 0 || v < least {
			best, least = i, v
		}
	}
	return best
}
