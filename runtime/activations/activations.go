// Package activations computes once what a network up to a cut gives for the images of a
// set, and hands it out as a set of tensors: files that are mapped, not read, so that many
// trainings behind the cut share them.
package activations

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/bottlenet/bnc/internal/fault"
	"github.com/bottlenet/bnc/internal/files"
	"github.com/bottlenet/bnc/runtime/data"
	"github.com/bottlenet/bnc/runtime/eval"
	"github.com/bottlenet/bnc/runtime/feed"
	"github.com/bottlenet/bnc/runtime/ort"
	"github.com/bottlenet/bnc/runtime/tensor"
)

// Network is what is before the cut: its first output is what crosses.
type Network struct {
	Session *ort.Session
	Feeder  *feed.Feeder
}

// Rows returns the activations of n items of a set from first on, [n, ...].
func (w Network) Rows(ctx context.Context, set *data.Set, first, n int) (*tensor.Tensor, error) {
	o := eval.BatchOf(w.Feeder.Port(), eval.DefaultBatch)
	var items []int
	for i := range n {
		items = append(items, first+i)
	}
	for o.Fixed && len(items) < o.Batch {
		items = append(items, first)
	}
	x, _, err := w.Feeder.Batch(set, items)
	if err != nil {
		return nil, fault.Unusable("option data: %w", err)
	}
	r, err := w.Session.Run(ctx, w.Feeder.Feed(x))
	if err != nil {
		return nil, err
	}
	y := r[0].Tensor
	if len(y.Shape) == 0 || y.Shape[0] != int64(len(items)) {
		return nil, fault.Unusable("option data: the cut tensor of %d images is %v: expected as many rows", len(items), y)
	}
	shape := append([]int64{int64(n)}, y.Shape[1:]...)
	return tensor.FromBytes(y.DType, shape, y.Data[:len(y.Data)/len(items)*n])
}

// Place is what a cut tensor holds for images to learn from and to judge by.
type Place struct {
	Cut        string
	Train, Val *data.Set
	mapped     []*files.Mapping
}

// Options say of which images of which place activations are computed.
type Options struct {
	Cut        string
	Train, Val *data.Set
	// Judges and Learners are how many images of Val and Train are taken at most, spread
	// over the sets, and Bytes what all may take on disk: fewer of Train are taken then.
	Judges, Learners int
	Bytes            int64
	Dir              string // for the files; what is there goes
	// Readable leaves images out that cannot be read.
	Readable func(*data.Set) (*data.Set, error)
	// Begin is told how many images there are; step, of each batch's.
	Begin func(images int) (step func(images int))
}

// Compute computes the activations of a place. Images that cannot be used, and too little
// room, are a fault.DataError.
func Compute(ctx context.Context, w Network, o Options) (*Place, error) {
	if err := os.RemoveAll(o.Dir); err != nil { // of a process that was killed
		return nil, err
	}
	val := o.Val.Spread(o.Judges)
	one, err := w.Rows(ctx, val, 0, 1)
	if err != nil {
		return nil, err
	}
	bytes := int64(len(one.Data))
	room := int(o.Bytes/bytes) - val.Len()
	if room < 1 {
		return nil, fault.Unusable("option cache_bytes: the activations at %s take %d bytes an image: expected room for the %d images to judge by and at least one more, %d bytes", o.Cut, bytes, val.Len(), bytes*int64(val.Len()+1))
	}
	train, err := o.Readable(o.Train.Spread(min(room, o.Learners)))
	if err != nil {
		return nil, err
	}
	step := o.Begin(train.Len() + val.Len())
	p := &Place{Cut: o.Cut}
	if p.Train, err = p.add(ctx, w, filepath.Join(o.Dir, "train"), train, step); err == nil {
		p.Val, err = p.add(ctx, w, filepath.Join(o.Dir, "val"), val, step)
	}
	if err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

// add computes the activations of a set into a file and returns them as one, with the
// labels and classes of its images.
func (p *Place) add(ctx context.Context, w Network, file string, set *data.Set, step func(images int)) (*data.Set, error) {
	if err := os.MkdirAll(filepath.Dir(file), 0o777); err != nil {
		return nil, err
	}
	f, err := os.Create(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var last *tensor.Tensor
	batch := eval.BatchOf(w.Feeder.Port(), eval.DefaultBatch).Batch
	for first := 0; first < set.Len(); first += batch {
		n := min(batch, set.Len()-first)
		if last, err = w.Rows(ctx, set, first, n); err != nil {
			return nil, err
		}
		if _, err := f.Write(last.Data); err != nil {
			return nil, err
		}
		step(n)
	}
	m, err := files.Map(f)
	if err != nil {
		return nil, fmt.Errorf("mapping %s: %w", file, err)
	}
	p.mapped = append(p.mapped, m)
	all, err := tensor.FromBytes(last.DType, append([]int64{int64(set.Len())}, last.Shape[1:]...), m.Bytes)
	if err != nil {
		return nil, err
	}
	var labels []int
	if set.Labelled() {
		for i := range set.Len() {
			labels = append(labels, set.Label(i))
		}
	}
	return data.OfTensor(file, all, labels, set.Classes())
}

// Close gives the files back; the sets must not be used any more. The files stay.
func (p *Place) Close() error {
	var errs []error
	for _, m := range p.mapped {
		errs = append(errs, m.Close())
	}
	p.mapped = nil
	return errors.Join(errs...)
}
