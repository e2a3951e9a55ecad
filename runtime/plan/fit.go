package plan

import (
	"math"
	"slices"
)

const (
	// pull is what it costs to double an estimate, in terms of the typical time:
	// enough that noise among messages of like sizes does not pass for a change
	// of the rate, too little to withstand observations that agree.
	pull = 0.01
	// smooth is the residual, in terms of the typical time, below which
	// residuals count squared and not absolute: no more than clocks are wrong.
	smooth = 0.01
	// rounds of reweighting. Each takes the estimate most of the rest of the way.
	rounds = 30
	// leap is by how much one observation can change the rate at most.
	leap = 8
)

// fit returns the round trip in seconds and the time per bit, both 0 or more,
// that minimise
//
//	sum w |seconds - rtt - bits * perBit| / sum w + pull * typical * distance²
//
// by iteratively reweighted least squares; distance is the relative one from the
// estimate before.
func fit(seen []message, rtt0, perBit0 float64) (rtt, perBit float64) {
	n := len(seen)
	seconds, bits, weights := make([]float64, n), make([]float64, n), make([]float64, n)
	total := 0.0
	for i, m := range seen {
		seconds[i], bits[i], weights[i] = m.seconds, m.bits, weight(i, n)
		total += weights[i]
	}
	typical := median(seconds)
	// A round trip of 0 can grow as well, though less readily than the rest; so can what bits
	// take, as far as messages differ in size.
	scaleRTT := max(rtt0, perBit0*median(bits)/4, smooth*typical)
	scaleRate := perBit0
	if most := slices.Max(bits); most > 0 {
		apart := 1 - slices.Min(bits)/most
		scaleRate = max(perBit0, apart*apart*rtt0/most/4)
	}
	holdRTT, holdRate := 2*pull*typical/(scaleRTT*scaleRTT), 2*pull*typical/(scaleRate*scaleRate)

	rtt, perBit = rtt0, perBit0
	for range rounds {
		// The normal equations of the weighted squares and the two holds.
		s, sx, sxx, sy, sxy := holdRTT, 0.0, holdRate, holdRTT*rtt0, holdRate*perBit0
		for i, m := range seen {
			residual := math.Abs(m.seconds - rtt - m.bits*perBit)
			w := weights[i] / total / max(residual, smooth*typical)
			s += w
			sx += w * m.bits
			sxx += w * m.bits * m.bits
			sy += w * m.seconds
			sxy += w * m.bits * m.seconds
		}
		rtt = max((sy*sxx-sx*sxy)/(s*sxx-sx*sx), 0)
		// Given the round trip: the same where it was not cut off at 0.
		perBit = min(max((sxy-sx*rtt)/sxx, perBit0/leap), perBit0*leap)
		// Given the time per bit: the same where that was not cut off.
		rtt = max((sy-sx*perBit)/s, 0)
	}
	return rtt, perBit
}
