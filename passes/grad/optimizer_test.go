package grad

import (
	"math"
	"testing"
)

// TestSizeOf: rates are relative to how large a weight is, to what one that is to grow would begin
// with, and never to nothing.
func TestSizeOf(t *testing.T) {
	for _, c := range []struct {
		dims   []int64
		values []float32
		want   float64
	}{
		{[]int64{2, 1, 1, 1}, []float32{3, -4}, math.Sqrt(12.5)},
		{[]int64{2, 4, 3, 3}, make([]float32, 72), math.Sqrt(2.0 / 36)},
		{[]int64{3}, make([]float32, 3), 1e-3},
		{[]int64{1}, []float32{-1e-5}, 1e-3},
	} {
		if got := sizeOf(Param{Dims: c.dims}, c.values); math.Abs(got-c.want) > 1e-12 {
			t.Errorf("%v of %v: %v, expected %v", c.values, c.dims, got, c.want)
		}
	}
}
