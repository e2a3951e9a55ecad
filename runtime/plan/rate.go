package plan

import "github.com/bottlenet/bnc/internal/fault"

// RatePoint is what a pair of many rates does at a quality of its codec, over some images.
type RatePoint struct {
	Quality int     `json:"quality"` // 1 to 100
	Bytes   float64 `json:"bytes"`   // of a payload, the mean
	Loss    float64 `json:"loss"`    // of agreement with the whole model or of accuracy, against the best of the points; percentage points
}

// TriedRates are the qualities that a pair of many rates is measured at: two thirds of an octave
// of a codec's steps apart.
var TriedRates = []int{10, 20, 30, 40, 50, 60, 70, 80, 90, 100}

// CheckRates finds what cannot be of options that say how much a choice of the rate may lose, nil
// for no choice, of a pair of many rates that is calibrated.
func CheckRates(maxLoss *float64, manyRates, calibrated bool) error {
	switch {
	case maxLoss == nil:
		return nil
	case !(*maxLoss >= 0 && *maxLoss <= 100):
		return fault.Usage("max_loss", "%v: expected percentage points from 0 to 100", *maxLoss)
	case !manyRates:
		return fault.Usage("max_loss", "needs option variable_rate: it is what a choice of the rate may lose")
	case !calibrated:
		return fault.Usage("max_loss", "needs option calib DATA: images tell what rates take and lose")
	}
	return nil
}

// near is which share of the latency a higher rate may cost: about as much as estimates
// vary by from request to request.
const near = 0.05

// HighestRate returns the index of the point of most bytes with which an inference, that
// costs c but for its payload, takes hardly longer than with the fewest; -1 for no points.
func HighestRate(points []RatePoint, c Cost, at Conditions) int {
	seconds := func(p RatePoint) float64 {
		c.PayloadBytes = p.Bytes
		return Latency(c, at.Network, at.Load).Seconds()
	}
	fewest, best := -1, -1
	for i, p := range points {
		if fewest < 0 || p.Bytes < points[fewest].Bytes {
			fewest = i
		}
	}
	for i, p := range points {
		if seconds(p) <= (1+near)*seconds(points[fewest]) && (best < 0 || p.Bytes > points[best].Bytes) {
			best = i
		}
	}
	return best
}
