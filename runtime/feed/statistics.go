package feed

import (
	"errors"
	"fmt"
	"math"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/bottlenet/bnc/runtime/data"
	"github.com/bottlenet/bnc/runtime/imagein"
)

// Statistics returns the mean and the standard deviation of a set's pixels, in
// 0..1, for inputs of one channel: one number each, with images in colour
// taken as grey. They are those of at most limit images, spread evenly over the
// set; images that cannot be read are left out. It returns an error where none
// can be, or all have one level only.
func Statistics(set *data.Set, limit int) (mean, std []float64, err error) {
	n := min(set.Len(), limit)
	if n <= 0 {
		return nil, nil, fmt.Errorf("statistics of %d images", n)
	}
	var levels [256]atomic.Uint64 // sums of whole numbers: any order gives the same
	var next atomic.Int64
	var failed sync.Once
	var first error
	var workers sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), n) {
		workers.Go(func() {
			var r data.Reader
			var s imagein.Scratch
			var counts [256]uint64
			for k := int(next.Add(1)) - 1; k < n; k = int(next.Add(1)) - 1 {
				i := int(int64(k) * int64(set.Len()) / int64(n))
				item, e := set.Read(i, &r)
				if e == nil && item.Image == nil {
					e = fmt.Errorf("%s: expected an image, found a tensor: give mean and std", set.Name(i))
				}
				if e != nil {
					failed.Do(func() { first = e })
					continue
				}
				for _, v := range s.Gray(item.Image) {
					counts[v]++
				}
			}
			for v, c := range counts {
				levels[v].Add(c)
			}
		})
	}
	workers.Wait()
	var count, sum float64
	for v := range levels {
		c := float64(levels[v].Load())
		count, sum = count+c, sum+c*float64(v)
	}
	if count == 0 {
		return nil, nil, fmt.Errorf("none of %d images can be read: %w", n, first)
	}
	m, squares := sum/count, 0.0
	for v := range levels {
		squares += float64(levels[v].Load()) * (float64(v) - m) * (float64(v) - m)
	}
	if squares == 0 {
		return nil, nil, errors.New("every pixel of the images has the same value: give mean and std")
	}
	return []float64{m / 255}, []float64{math.Sqrt(squares/count) / 255}, nil
}
