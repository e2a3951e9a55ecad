package bottleneck

import (
	"math"
	"math/rand/v2"
	"testing"
)

// feltImages gives tensors [6,4,4] of mixed channels, and gradients that feel the first
// channels a hundred times less than the last.
func feltImages(r *rand.Rand, n int) (xs, gs [][]float32) {
	const channels, area = 6, 16
	mix := make([]float64, channels*channels)
	for i := range mix {
		mix[i] = r.NormFloat64()
	}
	for range n {
		x, g := make([]float32, channels*area), make([]float32, channels*area)
		for p := range area {
			var a [channels]float64
			for k := range a {
				a[k] = r.NormFloat64() * float64(channels-k)
			}
			for c := range channels {
				v := 3.0
				for k := range a {
					v += mix[c*channels+k] * a[k]
				}
				x[c*area+p] = float32(v)
				g[c*area+p] = float32(r.NormFloat64() * math.Pow(100, float64(c)/(channels-1)-1))
			}
		}
		xs, gs = append(xs, x), append(gs, g)
	}
	return xs, gs
}

// restored is what channel units make of x, as the network computes it, but for the
// quantiser.
func restored(u *Units, x []float32, channels, reduced int) []float32 {
	area := len(x) / channels
	y := make([]float32, len(x))
	for p := range area {
		planes := make([]float64, reduced)
		for k := range planes {
			for c := range channels {
				planes[k] += float64(u.ReduceChannel.Weight[k*channels+c]) * float64(x[c*area+p])
			}
			planes[k] = max(0, u.ReduceChannel.normed(k, planes[k]))
		}
		for c := range channels {
			v := 0.0
			for k := range planes {
				v += float64(u.RestoreChannel.Weight[c*reduced+k]) * planes[k]
			}
			y[c*area+p] = float32(u.RestoreChannel.normed(c, v))
		}
	}
	return y
}

// normed is a BatchNormalization of one number.
func (u *Unit) normed(i int, v float64) float64 {
	return (v-float64(u.Mean[i]))/math.Sqrt(float64(u.Var[i])+bnEpsilon)*float64(u.Gamma[i]) + float64(u.Beta[i])
}

// TestFelt: of three of six channels those that are chosen by what is felt lose less of it
// than the principal components, and all six lose nothing but tails. The error that counts
// is that along new gradients.
func TestFelt(t *testing.T) {
	const channels = 6
	xs, gs := feltImages(rand.New(rand.NewPCG(5, 6)), 60)
	lost := func(reduced int64, felt bool) (wrong, variance float64) {
		c := NewCalibration(Geometry{C: channels, H: 4, W: 4, Reduced: reduced, Stride: 1, Signed: true})
		for i := range 40 {
			if err := c.Add(xs[i]); err != nil {
				t.Fatal(err)
			}
			if felt {
				if err := c.Feel(gs[i]); err != nil {
					t.Fatal(err)
				}
			}
		}
		u, err := c.Units(false)
		if err != nil {
			t.Fatal(err)
		}
		for i := 40; i < 60; i++ {
			y := restored(u, xs[i], channels, int(reduced))
			for j, v := range xs[i] {
				d, g := float64(y[j]-v), math.Pow(100, float64(j/16)/(channels-1)-1)
				wrong += d * d * g * g
				variance += float64(v-3) * float64(v-3) * g * g
			}
		}
		return wrong / variance, variance
	}
	byVariance, _ := lost(3, false)
	byFelt, _ := lost(3, true)
	whole, _ := lost(channels, true)
	t.Logf("of what is felt, lost: %.4f by variance, %.4f by sensitivity, %.5f of all", byVariance, byFelt, whole)
	if byFelt > byVariance/2 {
		t.Errorf("by what is felt %.4f of it is lost, by variance %.4f", byFelt, byVariance)
	}
	// A share of 1e-4 of the values is cut at the ends, by up to as much as they are.
	if whole > 1e-3 {
		t.Errorf("with all channels %.5f of what is felt is lost", whole)
	}
}

// TestFeltRefuses: gradients of another size are an error; those that are not finite are of
// no account.
func TestFeltRefuses(t *testing.T) {
	c := NewCalibration(Geometry{C: 2, H: 1, W: 1, Reduced: 1, Stride: 1})
	if err := c.Feel([]float32{1}); err == nil {
		t.Error("a gradient of another size is taken")
	}
	if err := c.Feel([]float32{1, float32(math.NaN())}); err != nil || c.Felt() {
		t.Errorf("NaN: %v, felt %v", err, c.Felt())
	}
	if err := c.Feel([]float32{0, 0}); err != nil || c.Felt() {
		t.Errorf("a gradient of 0: %v, felt %v", err, c.Felt())
	}
	if err := c.Feel([]float32{1, 2}); err != nil || !c.Felt() {
		t.Errorf("%v, felt %v", err, c.Felt())
	}
}

// TestShare: ranges of one network get one width in what is felt.
func TestShare(t *testing.T) {
	a, b := &Units{Lo: 1, Hi: 3, PerFelt: 2}, &Units{Lo: 0, Hi: 10, PerFelt: 20}
	Share([]*Units{a, b})
	if a.Lo != 1 || a.Hi != 3 || b.Hi != 20 { // 1 of a is more than 0.5 of b
		t.Errorf("%v to %v, %v to %v", a.Lo, a.Hi, b.Lo, b.Hi)
	}
}
