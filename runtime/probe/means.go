package probe

import (
	"context"
	"errors"

	"github.com/bottlenet/bnc/runtime/ort"
)

// Means returns the means over images of a set, spread over it, of what a network gives:
// its outputs are float32 vectors of a batch, as many images as its input has, by their
// names. Images that cannot be used are left out.
func Means(ctx context.Context, session *ort.Session, o Options, images int) (map[string][]float64, error) {
	size := 1
	for _, p := range session.Inputs() {
		if p.Name == o.Feeder.Input() && len(p.Shape) > 0 && p.Shape[0].Size > 1 {
			size = int(p.Shape[0].Size)
		}
	}
	n := min(o.Set.Len(), images)
	sums, batches := map[string][]float64{}, 0.0
	var last error
	skip := func(i int, err error) { last = err }
	for i := 0; i < n; i += size {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		items := make([]int, size)
		for k := range items {
			items[k] = min(i+k, n-1) * o.Set.Len() / n
		}
		x, _, used, err := o.Feeder.Usable(o.Set, items, skip)
		if err != nil {
			return nil, err
		}
		if len(used) < size {
			continue
		}
		results, err := session.Run(ctx, o.Feeder.Feed(x))
		if err != nil {
			return nil, err
		}
		for _, r := range results {
			values, err := r.Tensor.Float32s()
			if err != nil {
				return nil, err
			}
			if sums[r.Name] == nil {
				sums[r.Name] = make([]float64, len(values))
			}
			for k, v := range values {
				sums[r.Name][k] += float64(v)
			}
		}
		batches++
		if o.Step != nil {
			o.Step()
		}
	}
	if batches == 0 {
		return nil, errors.Join(errors.New("none of the images can be used"), last)
	}
	for _, sum := range sums {
		for k := range sum {
			sum[k] /= batches
		}
	}
	return sums, nil
}
