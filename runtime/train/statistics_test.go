package train

import (
	"math"
	"math/rand/v2"
	"testing"
)

// TestAverages: batches of a layer of two channels, their means and variances drawn
// around known ones. The averages are those of all that were added, and count as settled
// where the standard errors, computed here from the batches once more, are below 2%.
func TestAverages(t *testing.T) {
	layers := []param{{Dims: []int64{2}}, {Dims: []int64{2}, Offset: 2}}
	for _, noise := range []float64{0, 0.01, 0.05, 0.2} {
		rng := rand.New(rand.NewPCG(1, 2))
		var a averages
		var batches [][]float32
		for !a.settled(layers) && len(batches) < 10000 {
			b := make([]float32, 4)
			for c := range 2 {
				b[c] = float32(float64(c)*5 + noise*2*rng.NormFloat64()) // deviation 2
				b[2+c] = float32(4 * (1 + noise*rng.NormFloat64()))
			}
			a.add(b)
			batches = append(batches, b)
		}
		var mean [4]float64
		for _, b := range batches {
			for i, v := range b {
				mean[i] += float64(v) / float64(len(batches))
			}
		}
		errors := func(batches [][]float32) float64 {
			n, square := float64(len(batches)), 0.0
			for c := range 2 {
				for i, scale := range map[int]float64{c: math.Sqrt(mean[2+c]), 2 + c: mean[2+c]} {
					m, apart := 0.0, 0.0
					for _, b := range batches {
						m += float64(b[i]) / n
					}
					for _, b := range batches {
						apart += (float64(b[i]) - m) * (float64(b[i]) - m)
					}
					square += apart / (n - 1) / n / (scale * scale) / 4
				}
			}
			return math.Sqrt(square)
		}
		for i := range mean {
			if math.Abs(mean[i]-a.mean[i]) > 1e-9 { // sums of thousands in float64
				t.Errorf("noise %v: mean %v, want %v", noise, a.mean, mean)
			}
		}
		if e := errors(batches); e > settled*1.001 { // the variance by which is divided differs a little
			t.Errorf("noise %v: settled after %d batches with an error of %v", noise, len(batches), e)
		}
		if n := len(batches); n > 2 {
			if e := errors(batches[:n-1]); e < settled*0.98 {
				t.Errorf("noise %v: not settled after %d batches with an error of %v", noise, n-1, e)
			}
		}
		if want := noise / settled; float64(len(batches)) < 0.3*want*want || len(batches) == 10000 {
			t.Errorf("noise %v: settled after %d batches, expected about %.0f", noise, len(batches), want*want)
		}
	}
}
