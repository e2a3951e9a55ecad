package grad

import (
	"math"
	"testing"
)

// TestSizeOf: rates are relative to how large a weight is, and never to nothing.
func TestSizeOf(t *testing.T) {
	for _, c := range []struct {
		values []float32
		want   float64
	}{
		{[]float32{3, -4}, math.Sqrt(12.5)}, {make([]float32, 72), 1e-3}, {[]float32{-1e-5}, 1e-3},
	} {
		if got := sizeOf(c.values); math.Abs(got-c.want) > 1e-12 { // float64
			t.Errorf("%v: %v, expected %v", c.values, got, c.want)
		}
	}
}
