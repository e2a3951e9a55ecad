// Package stats is how measurements are summed up, the same wherever numbers are shown.
package stats

import (
	"math"
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
