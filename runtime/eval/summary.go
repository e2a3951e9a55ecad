package eval

import (
	"slices"

	"github.com/bottlenet/bnc/internal/stats"
)

// Summary is the distribution of a number of bytes over the images.
type Summary struct {
	Mean float64 `json:"mean"`
	P95  float64 `json:"p95"` // nearest rank: at least 95 of 100 images take no more
	Max  int     `json:"max"`
}

// Summarise returns mean, 95th percentile and maximum, nil for no bytes at all.
func Summarise(bytes []int) *Summary {
	if len(bytes) == 0 {
		return nil
	}
	sum := 0
	for _, b := range bytes {
		sum += b
	}
	return &Summary{Mean: float64(sum) / float64(len(bytes)), P95: stats.NearestRank(0.95, bytes), Max: slices.Max(bytes)}
}
