package plan

import (
	"math"
	"time"

	"github.com/bottlenet/bnc/internal/stats"
)

// An estimate rests on the newest observations. The weight of an observation
// halves with every halfLife newer ones, so that more than that many are needed
// to overrule what was seen before: one or two odd ones change little. What is
// older than the window would weigh less than 1/128.
const (
	halfLife = 6
	window   = 42
)

// LinkEstimator estimates uplink and round trip of a network from how long
// messages of known sizes took:
//
//	took = RTT + bytes * 8 / uplink + noise
//
// The sum of absolute residuals is minimised, which outliers hardly move. Only
// messages of different sizes tell rate and round trip apart; what they do not
// tell stays as it was: between messages of one size a change goes to whichever
// of the two makes up more of the time. It is not safe for concurrent use.
type LinkEstimator struct {
	network Network
	seen    []message
}

type message struct{ bits, seconds float64 }

// NewLinkEstimator returns an estimator that begins with a guess, whose Name and
// power model it keeps. A guess without a rate begins with that of 4g.
func NewLinkEstimator(guess Network) *LinkEstimator {
	if !(guess.Uplink > 0) || math.IsInf(guess.Uplink, 1) {
		fourth, _ := named("4g")
		guess.Uplink = fourth.Uplink
	}
	return &LinkEstimator{network: guess}
}

// Network returns the estimate.
func (e *LinkEstimator) Network() Network { return e.network }

// Observe takes in that a message of so many bytes was answered after so long,
// less what the server says it queued and computed. One that was given up counts
// as well, with the time that was spent on it; a ping counts with 0 bytes.
// Durations that are not positive are passed over.
func (e *LinkEstimator) Observe(bytes int, took time.Duration) {
	if took <= 0 {
		return
	}
	e.seen = push(e.seen, message{float64(bytes) * 8, took.Seconds()})
	rtt, perBit := fit(e.seen, e.network.RTT.Seconds(), 1/e.network.Uplink)
	e.network.RTT, e.network.Uplink = duration(rtt), 1/perBit
}

// LoadEstimator estimates the factor by which a load slows computing down, the
// server's or the device's own. Its zero value is ready and says 1. It is not
// safe for concurrent use.
type LoadEstimator struct {
	seen []float64
}

// Observe takes in that what takes the time idle without load took took, time in
// a queue included. Durations that are not positive are passed over.
func (e *LoadEstimator) Observe(idle, took time.Duration) {
	if idle > 0 && took > 0 {
		e.seen = push(e.seen, took.Seconds()/idle.Seconds())
	}
}

// Factor returns the estimate: the weighted median of the factors observed, as
// Load wants it.
func (e *LoadEstimator) Factor() float64 {
	if len(e.seen) == 0 {
		return 1
	}
	return median(e.seen)
}

// push appends to the newest observations and drops the oldest.
func push[T any](seen []T, x T) []T {
	return append(seen[max(0, len(seen)+1-window):], x)
}

// weight returns the weight of the i-th of n observations.
func weight(i, n int) float64 { return math.Exp2(float64(i+1-n) / halfLife) }

// median returns the value below which lies half of the weight.
func median(values []float64) float64 {
	weights := make([]float64, len(values))
	for i := range values {
		weights[i] = weight(i, len(values))
	}
	return stats.WeightedMedian(values, weights)
}
