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

	"github.com/bottlenet/bnc/internal/files"
	"github.com/bottlenet/bnc/runtime/data"
	"github.com/bottlenet/bnc/runtime/eval"
	"github.com/bottlenet/bnc/runtime/feed"
	"github.com/bottlenet/bnc/runtime/ort"
	"github.com/bottlenet/bnc/runtime/tensor"
)

// UnusableError says that images or the network give no activations.
type UnusableError struct{ err error }

// Error says why.
func (e *UnusableError) Error() string { return e.err.Error() }

// Unwrap returns the cause.
func (e *UnusableError) Unwrap() error { return e.err }

// Network is what is before the cut: its first output is what crosses.
type Network struct {
	Session *ort.Session
	Feeder  *feed.Feeder
}

// Rows returns the activations of n items of a set from first on, [n, ...].
func (w Network) Rows(ctx context.Context, set *data.Set, first, n int) (*tensor.Tensor, error) {
	o := eval.BatchOf(w.Session.Inputs()[0], eval.DefaultBatch)
	var items []int
	for i := range n {
		items = append(items, first+i)
	}
	for o.Fixed && len(items) < o.Batch {
		items = append(items, first)
	}
	x, _, err := w.Feeder.Batch(set, items)
	if err != nil {
		return nil, &UnusableError{err}
	}
	r, err := w.Session.Run(ctx, ort.Feed{w.Feeder.Input(): x})
	if err != nil {
		return nil, err
	}
	y := r[0].Tensor
	if len(y.Shape) == 0 || y.Shape[0] != int64(len(items)) {
		return nil, &UnusableError{fmt.Errorf("the cut tensor of %d images is %v: expected as many rows", len(items), y)}
	}
	shape := append([]int64{int64(n)}, y.Shape[1:]...)
	return tensor.FromBytes(y.DType, shape, y.Data[:len(y.Data)/len(items)*n])
}

// Cache is a folder with activations. Its zero value but for Dir is empty.
type Cache struct {
	Dir    string
	mapped []*files.Mapping
}

// Add computes the activations of a set and returns them as one, with the labels and
// classes of its images. Name is the file's; step is told of each batch's images.
func (c *Cache) Add(ctx context.Context, w Network, name string, set *data.Set, step func(images int)) (*data.Set, error) {
	if err := os.MkdirAll(c.Dir, 0o777); err != nil {
		return nil, err
	}
	file := filepath.Join(c.Dir, name)
	f, err := os.Create(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var last *tensor.Tensor
	batch := eval.BatchOf(w.Session.Inputs()[0], eval.DefaultBatch).Batch
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
	c.mapped = append(c.mapped, m)
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

// Close gives the files back, whose sets must not be used any more. They stay.
func (c *Cache) Close() error {
	var errs []error
	for _, m := range c.mapped {
		errs = append(errs, m.Close())
	}
	c.mapped = nil
	return errors.Join(errs...)
}
