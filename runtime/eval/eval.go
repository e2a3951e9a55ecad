// Package eval runs a data set through models: a task's judge gets what they say, and the
// bytes that cross are counted for each image.
//
//	judge, err := kind.Judge(set, task.Outputs{}) // of a task
//	r, err := eval.Run(ctx, eval.Session(session), feeder, set, judge, eval.Options{})
//	judge.Values(), eval.Summarise(r.Bytes)
package eval

import (
	"context"
	"fmt"
	"maps"

	"github.com/bottlenet/bnc/runtime/data"
	"github.com/bottlenet/bnc/runtime/feed"
	"github.com/bottlenet/bnc/runtime/imagein"
	"github.com/bottlenet/bnc/runtime/model"
	"github.com/bottlenet/bnc/runtime/ort"
	"github.com/bottlenet/bnc/runtime/task"
	"github.com/bottlenet/bnc/runtime/tensor"
)

// DefaultBatch is the number of images of a run where nothing else is said.
const DefaultBatch = 32

// Options say how a set is run through a model.
type Options struct {
	// Batch is the number of images of a run, 0 for DefaultBatch. The last one
	// may be smaller, unless Fixed says that the model takes no other number:
	// then it is filled up with copies, which are not counted.
	Batch int
	Fixed bool
	// Extra is merged into each batch's feed: weights that are inputs.
	Extra ort.Feed
	// Step is called after each run with the number of images in it.
	Step func(images int)
	// OnSkip is told, in order, of each item that cannot be read or prepared, and is
	// left out. Without it the first one ends the run.
	OnSkip func(name string, err error)
}

// BatchOf returns the options for batches of n images, 0 for the default, to a
// model with that input: where its batch axis has a fixed size, that is taken.
func BatchOf(input model.Port, n int) Options {
	if len(input.Shape) > 0 && input.Shape[0].Size > 0 {
		return Options{Batch: int(input.Shape[0].Size), Fixed: true}
	}
	return Options{Batch: n}
}

// Result is what was run.
type Result struct {
	N     int   // images
	Items []int // of the set: those that were not left out
	Bytes []int // what crossed for each of them, nil where nothing does
}

// Of returns what is known of the images that were not left out, of all items.
func (r *Result) Of(all []int) (some []int) {
	for _, i := range r.Items {
		some = append(some, all[i])
	}
	return some
}

// UnusableError says that the data, or the model's outputs, cannot be used.
type UnusableError struct{ Err error }

// Error is the cause's.
func (e *UnusableError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *UnusableError) Unwrap() error { return e.Err }

// Run runs every item of the set through the model, in order, and hands what it says to
// the judge. Items are read and prepared while the batch before is computed. A set of
// which no item can be used, and outputs that the judge cannot use, give an
// *UnusableError.
func Run(ctx context.Context, m Model, f *feed.Feeder, set *data.Set, judge task.Judge, o Options) (*Result, error) {
	if o.Batch == 0 {
		o.Batch = DefaultBatch
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	r := &Result{}
	var damage error // of the first item that was left out
	for b := range prefetch(ctx, f, set, o) {
		if b.err != nil {
			return nil, &UnusableError{b.err}
		}
		for _, s := range b.skipped {
			if damage == nil {
				damage = s.err
			}
			o.OnSkip(set.Name(s.item), s.err)
		}
		if err := r.add(ctx, m, f, b, judge, o); err != nil {
			return nil, fmt.Errorf("%s to %s: %w", set.Name(b.items[0]), set.Name(b.items[len(b.items)-1]), err)
		}
		if o.Step != nil {
			o.Step(len(b.items) + len(b.skipped))
		}
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if r.N == 0 {
		return nil, &UnusableError{fmt.Errorf("none of the %d items can be used: %w", set.Len(), damage)}
	}
	return r, nil
}

// add runs a batch and hands its outputs to the judge.
func (r *Result) add(ctx context.Context, m Model, f *feed.Feeder, b batch, judge task.Judge, o Options) error {
	if b.x == nil {
		return nil
	}
	in := ort.Feed(f.Feed(b.x))
	maps.Copy(in, o.Extra)
	outputs, bytes, err := m(ctx, in)
	if err != nil {
		return err
	}
	n := len(b.items)
	if bytes != nil && len(bytes) < n {
		return fmt.Errorf("%s: %d sizes for a batch of %d images", payloadBytes, len(bytes), n)
	}
	if bytes != nil {
		r.Bytes = append(r.Bytes, bytes[:n]...)
	}
	if err := judge.Add(task.Batch{Outputs: outputs, Frames: b.frames}, b.items); err != nil {
		return &UnusableError{err}
	}
	r.N, r.Items = r.N+n, append(r.Items, b.items...)
	return nil
}

// batch is some consecutive items, prepared.
type batch struct {
	x       *tensor.Tensor // nil where all were left out
	items   []int          // x may hold copies behind them
	frames  []imagein.Frame
	skipped []skip
	err     error
}

// skip is an item that cannot be used.
type skip struct {
	item int
	err  error
}

// prefetch prepares the set's batches in order, one ahead of what is taken,
// until one fails or the context ends.
func prefetch(ctx context.Context, f *feed.Feeder, set *data.Set, o Options) <-chan batch {
	ahead := make(chan batch)
	go func() {
		defer close(ahead)
		for at := 0; at < set.Len(); at += o.Batch {
			b := prepare(f, set, at, min(at+o.Batch, set.Len()), o)
			select {
			case ahead <- b:
			case <-ctx.Done():
				return
			}
			if b.err != nil {
				return
			}
		}
	}()
	return ahead
}

// prepare reads the items from..to.
func prepare(f *feed.Feeder, set *data.Set, from, to int, o Options) batch {
	items := make([]int, to-from)
	for k := range items {
		items[k] = from + k
	}
	b := batch{}
	var pass func(int, error)
	if o.OnSkip != nil {
		pass = func(i int, err error) { b.skipped = append(b.skipped, skip{i, err}) }
	}
	if b.x, b.frames, b.items, b.err = f.Usable(set, items, pass); b.err != nil {
		return b
	}
	if b.x != nil && o.Fixed && len(b.items) < o.Batch {
		b.x = fill(b.x, o.Batch)
	}
	return b
}

// fill returns a batch of n images that begins with those of x and goes on with
// copies of them.
func fill(x *tensor.Tensor, n int) *tensor.Tensor {
	shape := append([]int64{}, x.Shape...)
	size := len(x.Data) / int(shape[0])
	shape[0] = int64(n)
	full, err := tensor.New(x.DType, shape...)
	if err != nil {
		panic("BUG: " + err.Error()) // x has the same type and rank
	}
	for at := 0; at < n*size; {
		at += copy(full.Data[at:], x.Data)
	}
	return full
}
