package stats

import (
	"math"
	"math/rand/v2"
	"testing"
)

// TestQuantile: numpy.percentile of a permutation of 1 to 100 at 5, 50 and 95 gives 5.95,
// 50.5 and 95.05, and with method="inverted_cdf" 5, 50 and 95.
func TestQuantile(t *testing.T) {
	var x []float64
	for _, i := range rand.New(rand.NewPCG(1, 1)).Perm(100) {
		x = append(x, float64(i+1))
	}
	for _, c := range []struct{ p, linear, rank float64 }{{0, 1, 1}, {0.05, 5.95, 5}, {0.5, 50.5, 50}, {0.95, 95.05, 95}, {1, 100, 100}} {
		if got := Quantile(c.p, x); math.Abs(got-c.linear) > 1e-12*c.linear { // of a few roundings
			t.Errorf("Quantile(%v) is %v, expected %v", c.p, got, c.linear)
		}
		if got := NearestRank(c.p, x); got != c.rank {
			t.Errorf("NearestRank(%v) is %v, expected %v", c.p, got, c.rank)
		}
	}
	if one := []float64{3}; Quantile(0, one) != 3 || Quantile(0.95, one) != 3 || Median[int](nil) != 0 {
		t.Error("of one value and of none")
	}
}

// TestWeightedMedian: a value of weight n is as good as n values.
func TestWeightedMedian(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for range 100 {
		var x, weights, spread []float64
		for range 1 + r.IntN(9) {
			v, n := r.Float64(), 1+r.IntN(4)
			x, weights = append(x, v), append(weights, float64(n))
			for range n {
				spread = append(spread, v)
			}
		}
		if got, want := WeightedMedian(x, weights), NearestRank(0.5, spread); got != want {
			t.Fatalf("%v with weights %v: %v, expected %v", x, weights, got, want)
		}
	}
}

// TestMedianInterval: the interval holds the true median of a skewed distribution, the
// exponential one's ln 2, in 95% of the samples or more: ranks are rounded outwards, to
// the 23rd and 39th of 60 here, hence to 96.0%. 2,000 samples leave a standard deviation of 0.5%.
func TestMedianInterval(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	const samples = 2000
	inside := 0
	for range samples {
		x := make([]float64, 60)
		for i := range x {
			x[i] = r.ExpFloat64()
		}
		if lo, hi := MedianInterval(x); lo <= math.Ln2 && math.Ln2 <= hi {
			inside++
		}
	}
	if share := float64(inside) / samples; share < 0.935 || share > 0.99 {
		t.Errorf("%.3f", share)
	}
}

// TestWilson: the intervals of R. G. Newcombe, Statistics in Medicine 17 (1998), table I,
// method 3, which gives four digits.
func TestWilson(t *testing.T) {
	for _, c := range []struct {
		of, n  int
		lo, hi float64
	}{{81, 263, 0.2553, 0.3662}, {15, 148, 0.0624, 0.1605}, {0, 20, 0, 0.1611}, {1, 29, 0.0061, 0.1718}} {
		lo, hi := Wilson(float64(c.of)/float64(c.n), c.n)
		if math.Abs(lo-c.lo) > 5e-5 || math.Abs(hi-c.hi) > 5e-5 {
			t.Errorf("%d of %d: %.5f to %.5f, expected %v to %v", c.of, c.n, lo, hi, c.lo, c.hi)
		}
	}
	if lo, hi := Wilson(math.NaN(), 0); lo != 0 || hi != 1 {
		t.Errorf("of nothing: %v to %v", lo, hi)
	}
}

// TestPairedShares: over all outcomes of n pairs, each with its probability, the interval holds
// the true difference as often as it says: 93% at least, where Wald's own falls below 88%.
func TestPairedShares(t *testing.T) {
	logChoose := func(n, k int) float64 {
		a, _ := math.Lgamma(float64(n + 1))
		b, _ := math.Lgamma(float64(k + 1))
		c, _ := math.Lgamma(float64(n - k + 1))
		return a - b - c
	}
	for _, c := range []struct {
		n         int
		won, lost float64
	}{{20, 0.2, 0.1}, {50, 0.02, 0.1}, {50, 0.05, 0.05}, {120, 0.01, 0.03}, {120, 0.3, 0.2}} {
		covered, wald := 0.0, 0.0
		for w := range c.n + 1 {
			for l := range c.n - w + 1 {
				same := c.n - w - l
				p := math.Exp(logChoose(c.n, w) + logChoose(c.n-w, l) + float64(w)*math.Log(c.won) + float64(l)*math.Log(c.lost) + float64(same)*math.Log(1-c.won-c.lost))
				if lo, hi := PairedShares(w, l, c.n); lo <= c.won-c.lost && c.won-c.lost <= hi {
					covered += p
				}
				size := float64(c.n)
				d, sum := float64(w-l)/size, float64(w+l)/size
				if math.Abs(d-(c.won-c.lost)) <= 1.96*math.Sqrt((sum-d*d)/size) {
					wald += p
				}
			}
		}
		t.Logf("%+v: %.4f, Wald's %.4f", c, covered, wald)
		if covered < 0.93 || covered > 0.995 {
			t.Errorf("%+v: the interval holds the difference in %.4f of all cases", c, covered)
		}
	}
	if lo, hi := PairedShares(0, 0, 0); lo != -1 || hi != 1 {
		t.Errorf("of nothing: %v to %v", lo, hi)
	}
}

// TestBootstrap: the interval of a mean is that of the normal distribution for many values,
// and holds the true mean of 40 uniform ones in 93 to 95% of the samples: 300 of them leave a
// standard deviation of 1.4%.
func TestBootstrap(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	x := make([]float64, 2000)
	for i := range x {
		x[i] = r.Float64()
	}
	mean, spread := 0.0, math.Sqrt(1./12)*1.96/math.Sqrt(2000)
	for _, v := range x {
		mean += v / 2000
	}
	lo, hi := MeanInterval(x)
	if tolerance := spread / 5; math.Abs(lo-(mean-spread)) > tolerance || math.Abs(hi-(mean+spread)) > tolerance { // 1,000 resamples vary by less
		t.Errorf("%.5f to %.5f, expected %.5f to %.5f", lo, hi, mean-spread, mean+spread)
	}
	if again, _ := MeanInterval(x); again != lo {
		t.Errorf("%v, then %v", lo, again)
	}
	inside := 0
	for range 300 {
		few := x[:40]
		for i := range few {
			few[i] = r.Float64()
		}
		if lo, hi := MeanInterval(few); lo <= 0.5 && 0.5 <= hi {
			inside++
		}
	}
	if share := float64(inside) / 300; share < 0.89 || share > 0.98 {
		t.Errorf("%.3f of the intervals hold the mean", share)
	}
	if lo, hi := Bootstrap(0, 1, nil); lo != 0 || hi != 0 {
		t.Errorf("of nothing: %v to %v", lo, hi)
	}
	if lo, hi := Bootstrap(2, 1, func(p []int) float64 { // a value that some samples do not have
		if p[0] == 0 {
			return math.NaN()
		}
		return 3
	}); lo != 3 || hi != 3 {
		t.Errorf("of samples that have it: %v to %v", lo, hi)
	}
}
