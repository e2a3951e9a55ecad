package train

import (
	"context"
	"errors"
	"io"
	"maps"

	"github.com/bottlenet/bnc/runtime/feed"
	"github.com/bottlenet/bnc/runtime/tensor"
)

// settled is how well the statistics are to be known: the standard error of a channel's
// mean in its deviations, and of its variance in itself, as the root of their mean square
// over all channels. A batch of 64 images, with which the network learns to live, is off
// by three to five times as much.
const settled = 0.02

// Batches are images of the training, in batches: [feed.Epoch].
type Batches interface {
	Next() (*feed.Batch, error) // io.EOF behind the last one
	Recycle(*feed.Batch)
}

// Measure replaces the means and variances that batch normalisation has in inference by
// those that today's weights give: the average over batches, of which it takes as many
// as it needs. A training of few steps moves faster than a moving average follows.
func (t *Trainer) Measure(ctx context.Context, batches Batches) error {
	if t.statistics == nil {
		return nil
	}
	var a averages
	for !a.settled(t.man.statistics()) {
		b, err := batches.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		in := t.Weights()
		delete(in, t.man.Statistics.Name)
		in[t.man.Input] = b.X
		maps.Copy(in, b.Given)
		out, err := t.measuring.Run(ctx, in)
		batches.Recycle(b)
		if err != nil {
			return err
		}
		a.add(tensor.Slice[float32](out[0].Tensor))
	}
	values := tensor.Slice[float32](t.statistics)
	for i := range a.mean {
		values[i] = float32(a.mean[i])
	}
	return nil
}

// averages are those of the statistics of batches, and how far batches are apart.
type averages struct {
	n           float64
	mean, apart []float64 // apart: sums of squared distances from the mean (Welford)
}

func (a *averages) add(batch []float32) {
	if a.mean == nil {
		a.mean, a.apart = make([]float64, len(batch)), make([]float64, len(batch))
	}
	a.n++
	for i, v := range batch {
		d := float64(v) - a.mean[i]
		a.mean[i] += d / a.n
		a.apart[i] += d * (float64(v) - a.mean[i])
	}
}

// settled tells whether the averages are known well enough. Layers are a mean and a
// variance each, one behind the other.
func (a *averages) settled(layers []param) bool {
	if a.n < 2 {
		return false
	}
	off, channels := 0.0, 0.0
	for k := 0; k+1 < len(layers); k += 2 {
		for c := range layers[k].len() {
			mean, variance := layers[k].Offset+c, layers[k+1].Offset+c
			v := a.mean[variance]
			if v <= 0 { // a channel that is the same everywhere
				continue
			}
			off += a.apart[mean]/v + a.apart[variance]/(v*v)
			channels++
		}
	}
	return off <= settled*settled*2*channels*a.n*(a.n-1)
}
