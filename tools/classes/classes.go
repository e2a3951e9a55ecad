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
	lambda      = 0.12     // what a bit is worth, in squared steps: thresholds minimise distortion + lambda * bits

	classes   = 24 // of mean magnitudes, a quarter octave each
	unitClass = 12 // that of mean 1; what is 8 times smaller is not coded
	decisions = 15 // "is it j?" for j = 0..14; what is larger is escaped
	centroids = 6  // reconstructions of 1..6; larger magnitudes use the last

	precision  = 15  // bits of a probability
	fraction   = 7   // bits of a reconstruction's offset
	thresholds = 8   // fractional bits of a threshold
	most       = 1.5 // of a threshold: where next to nothing is coded there is none
)

// class is what both sides know of a coefficient of some mean magnitude.
type class struct {
	dead, round float64            // below dead steps is zero; q-1 becomes q at q-1+round, from 2 on
	stops       [decisions]float64 // P(magnitude = j | magnitude >= j)
	offsets     [centroids]float64 // E[|x|] of those of magnitude 1 + i, minus 1 + i
	expected    float64            // magnitude
}

// newClass solves for the class of mean |x| = 2^((k-unitClass)/4): thresholds follow from
// code lengths and reconstructions, and these from the thresholds.
func newClass(k int) class {
	d := newMixture(math.Exp2(float64(k-unitClass) / 4))
	c := class{dead: 0.6, round: 0.5}
	for range 60 {
		c.measure(d)
		r1, r2 := 1+c.offsets[0], 2+c.offsets[1]
		bits0 := -math.Log2(c.stops[0])
		bits1 := -math.Log2((1-c.stops[0])*c.stops[1]) + 1
		bits2 := -math.Log2((1-c.stops[0])*(1-c.stops[1])*c.stops[2]) + 1
		dead := (r1*r1 + lambda*(bits1-bits0)) / (2 * r1)
		round := (r1+r2)/2 + lambda*(bits2-bits1)/(2*(r2-r1)) - 1
		c.dead, c.round = (c.dead+min(dead, most))/2, (c.round+min(round, most))/2
	}
	c.measure(d)
	return c
}

// edge returns the least |x| whose magnitude is j.
func (c *class) edge(j int) float64 {
	switch j {
	case 0:
		return 0
	case 1:
		return c.dead
	}
	return float64(j-1) + c.round
}

// measure sets what follows from the thresholds.
func (c *class) measure(d mixture) {
	const least, tiny = 1.0 / (1 << precision), 1e-12
	for j := range c.stops {
		c.stops[j] = min(max(1-d.above(c.edge(j+1))/max(d.above(c.edge(j)), math.SmallestNonzeroFloat64), least), 1-least)
	}
	for i := range c.offsets {
		a, b := c.edge(i+1), c.edge(i+2)
		if p := d.above(a) - d.above(b); p > tiny {
			c.offsets[i] = (d.moment(a)-d.moment(b))/p - float64(i+1)
		} else { // hardly above the edge
			c.offsets[i] = a + 0.2 - float64(i+1)
		}
	}
	c.expected = 0
	for j := 1; d.above(c.edge(j)) > tiny; j++ {
		c.expected += d.above(c.edge(j))
	}
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

// moment returns the integral of |x| from a on.
func (d mixture) moment(a float64) (sum float64) {
	for i, s := range d.scales {
		sum += d.weights[i] * s * math.Sqrt(2/math.Pi) * math.Exp(-a*a/(2*s*s))
	}
	return sum
}
