package bottleneck

import (
	"errors"
	"fmt"
	"slices"
)

// each returns channel k of all images.
func each(planes [][]float32, channels, k int) [][]float32 {
	out := make([][]float32, len(planes))
	for i, p := range planes {
		area := len(p) / channels
		out[i] = p[k*area : (k+1)*area]
	}
	return out
}

// ValueRange collects what a quantiser reads and tells the range that holds it,
// but for the tails that a calibrated range cuts too.
type ValueRange struct{ kept [][]float32 }

// maxRangeValues bounds what ValueRange keeps of one image: every value, or one
// of several.
const maxRangeValues = 1 << 14

// Add takes the values of one image.
func (r *ValueRange) Add(x []float32) {
	every := (len(x) + maxRangeValues - 1) / maxRangeValues
	var some []float32
	for i := 0; i < len(x); i += max(every, 1) {
		some = append(some, x[i])
	}
	r.kept = append(r.kept, some)
}

// Bounds returns the range, and an error where no values were added or the
// range is not finite.
func (r *ValueRange) Bounds() (lo, hi float32, err error) {
	if len(r.kept) == 0 {
		return 0, 0, errors.New("no image could be read to take the quantiser's range from")
	}
	lo, hi = quantiles(r.kept, tail)
	if width := hi - lo; width-width != 0 {
		return 0, 0, fmt.Errorf("the reduced features reach from %v to %v", lo, hi)
	}
	return lo, hi, nil
}

// quantiles returns the values that a share of tail lies below and above.
func quantiles(planes [][]float32, tail float64) (lo, hi float32) {
	all := slices.Concat(planes...)
	slices.Sort(all)
	cut := int(tail * float64(len(all)))
	return all[cut], all[len(all)-1-cut]
}

func average(planes [][]float32) float32 {
	sum, n := 0.0, 0
	for _, p := range planes {
		for _, v := range p {
			sum += float64(v)
		}
		n += len(p)
	}
	return float32(sum / float64(n))
}

func variance(planes [][]float32) float32 {
	m, sum, n := float64(average(planes)), 0.0, 0
	for _, p := range planes {
		for _, v := range p {
			sum += (float64(v) - m) * (float64(v) - m)
		}
		n += len(p)
	}
	return float32(sum / float64(n))
}

func add(planes [][]float32, v float32) {
	for _, p := range planes {
		for i := range p {
			p[i] += v
		}
	}
}
