// Package stats is how measurements are summed up, the same wherever numbers are shown.
package stats

import (
	"math"
	"math/rand/v2"
	"slices"

	"gonum.org/v1/gonum/stat"
	"gonum.org/v1/gonum/stat/distuv"
)

// number is what measurements are.
type number interface{ ~int | ~int64 | ~float64 }

// sorted returns x in ascending order.
func sorted[T number](x []T) []float64 {
	all := make([]float64, len(x))
	for i, v := range x {
		all[i] = float64(v)
	}
	slices.Sort(all)
	return all
}

// Quantile returns the p-quantile of x, p from 0 to 1, linear between order statistics:
// type 7 of Hyndman and Fan (1996), numpy's default. It is 0 of nothing.
func Quantile[T number](p float64, x []T) float64 {
	if len(x) == 0 {
		return 0
	}
	n := float64(len(x))
	// Type 7 at p is type 4, which gonum has, at this: both are x[h], counted from 1.
	h := 1 + p*(n-1)
	return stat.Quantile(h/n, stat.LinInterp, sorted(x), nil)
}

// Median returns the median of x, 0 of nothing.
func Median[T number](x []T) float64 { return Quantile(0.5, x) }

// NearestRank returns the smallest value of x that at least a share p of x is not above:
// one that was observed, type 1. It is 0 of nothing.
func NearestRank[T number](p float64, x []T) float64 {
	if len(x) == 0 {
		return 0
	}
	return stat.Quantile(p, stat.Empirical, sorted(x), nil)
}

// WeightedMedian returns the value below which lies half of the weight, 0 of nothing.
func WeightedMedian(x, weights []float64) float64 {
	if len(x) == 0 {
		return 0
	}
	x, weights = slices.Clone(x), slices.Clone(weights)
	stat.SortWeighted(x, weights)
	return stat.Quantile(0.5, stat.Empirical, x, weights)
}

// MedianInterval returns the 95% confidence interval of the median, whose ends are order
// statistics: their ranks are those within 1.96 standard deviations of the binomial
// distribution that counts values below the median. It is 0, 0 of nothing.
func MedianInterval[T number](x []T) (lo, hi float64) {
	if len(x) == 0 {
		return 0, 0
	}
	all := sorted(x)
	n := len(all)
	spread := 1.96 * math.Sqrt(float64(n)) / 2
	return all[max(0, int(math.Floor(float64(n)/2-spread)))], all[min(n-1, int(math.Ceil(float64(n)/2+spread)))]
}

// Wilson returns the 95% confidence interval of a share, 0..1, of n: Wilson's score
// interval (E. B. Wilson, JASA 22, 1927), which stays within 0..1 and is right for few and
// for shares near its ends. It is 0, 1 of nothing.
func Wilson(share float64, n int) (lo, hi float64) {
	if n == 0 {
		return 0, 1
	}
	z, size := distuv.UnitNormal.Quantile(0.975), float64(n)
	centre := share + z*z/(2*size)
	spread := z * math.Sqrt(share*(1-share)/size+z*z/(4*size*size))
	return max(0, (centre-spread)/(1+z*z/size)), min(1, (centre+spread)/(1+z*z/size))
}

// PairedShares returns the 95% confidence interval of the difference of two shares of the same
// n things, of which the first has won that the second has not, and lost the other way
// around: Wald's interval with one more of each (D. G. Bonett and R. M. Price, Journal of
// Educational and Behavioral Statistics 37, 2012), which is right for few, and where the two
// hardly differ. It is -1, 1 of nothing.
func PairedShares(won, lost, n int) (lo, hi float64) {
	if n == 0 {
		return -1, 1
	}
	size := float64(n + 2)
	w, l := float64(won+1)/size, float64(lost+1)/size
	spread := distuv.UnitNormal.Quantile(0.975) * math.Sqrt((w+l-(w-l)*(w-l))/size)
	return max(-1, w-l-spread), min(1, w-l+spread)
}

// resamples are how many samples Bootstrap draws: the ends of a 95% interval are then its
// 26th value from either side, and vary by a twentieth of its width from seed to seed.
const resamples = 1000

// Bootstrap returns the 95% confidence interval of a value of n things that were sampled, as
// images are: between the 2.5% and 97.5% quantiles of the values of samples drawn from them
// with replacement (B. Efron, The Annals of Statistics 7, 1979: the percentile method). value
// is given which of them a sample has, n numbers below n that it must not keep; samples of
// which it is NaN do not count. The same seed gives the same interval. It is too narrow for
// less than some 20 things, and 0, 0 of none.
func Bootstrap(n int, seed uint64, value func(picks []int) float64) (lo, hi float64) {
	if n == 0 {
		return 0, 0
	}
	r := rand.New(rand.NewPCG(seed, 0))
	picks, values := make([]int, n), make([]float64, 0, resamples)
	for range resamples {
		for i := range picks {
			picks[i] = r.IntN(n)
		}
		if v := value(picks); !math.IsNaN(v) {
			values = append(values, v)
		}
	}
	return Quantile(0.025, values), Quantile(0.975, values)
}

// MeanInterval is Bootstrap of the mean of x.
func MeanInterval(x []float64) (lo, hi float64) {
	return Bootstrap(len(x), 1, func(picks []int) float64 {
		sum := 0.0
		for _, i := range picks {
			sum += x[i]
		}
		return sum / float64(len(picks))
	})
}
