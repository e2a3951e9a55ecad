package main

import (
	"math"

	"gonum.org/v1/gonum/integrate/quad"
)

// The model of a coefficient, in steps: normally distributed, with a scale that varies from
// image to image as a log-normal variable does.
const (
	spread      = 0.3      // standard deviation of the scale's natural logarithm
	rare, large = 0.002, 4 // how often the scale is far beyond that, and how many times larger

	classes   = 24 // of mean magnitudes, a quarter octave each
	unitClass = 12 // that of mean 1; what is 8 times smaller is not coded
	decisions = 15 // "is it j?" for j = 0..14; what is larger is escaped

	precision = 15 // bits of a probability
	means     = 8  // fractional bits of a mean
)

// class is what both sides know of a coefficient of some mean magnitude. Magnitudes are
// rounded to the nearest: a wider zero, or reconstructions at the centre of what is rounded
// to them, have less error for their bytes, and the networks behind feel that everything is
// smaller than it was (see RATIONALE.md).
type class struct {
	stops    [decisions]float64 // P(magnitude = j | magnitude >= j)
	expected float64            // magnitude
}

// newClass measures the class of mean |x| = 2^((k-unitClass)/4).
func newClass(k int) (c class) {
	const least, tiny = 1.0 / (1 << precision), 1e-12
	d := newMixture(math.Exp2(float64(k-unitClass) / 4))
	above := func(j int) float64 { return d.above(max(float64(j)-0.5, 0)) } // probability of magnitudes from j on
	for j := range c.stops {
		c.stops[j] = min(max(1-above(j+1)/max(above(j), math.SmallestNonzeroFloat64), least), 1-least)
	}
	for j := 1; above(j) > tiny; j++ {
		c.expected += above(j)
	}
	return c
}

// mixture is the distribution of |x|: half-normal, of several scales.
type mixture struct{ scales, weights []float64 }

// newMixture returns that of a mean.
func newMixture(mean float64) mixture {
	const points, reach = 200, 7 // of the logarithms' normal distribution, in standard deviations
	x, w := make([]float64, points), make([]float64, points)
	quad.Legendre{}.FixedLocations(x, w, -reach, reach)
	d := mixture{make([]float64, points), make([]float64, points)}
	for i, z := range x {
		d.scales[i] = mean * math.Sqrt(math.Pi/2) * math.Exp(spread*z-spread*spread/2)
		d.weights[i] = w[i] * math.Exp(-z*z/2) / math.Sqrt(2*math.Pi) * (1 - rare)
	}
	for i := range points {
		d.scales = append(d.scales, d.scales[i]*large)
		d.weights = append(d.weights, d.weights[i]*rare/(1-rare))
	}
	return d
}

// above returns the probability of a or more.
func (d mixture) above(a float64) (p float64) {
	for i, s := range d.scales {
		p += d.weights[i] * math.Erfc(a/s/math.Sqrt2)
	}
	return p
}
