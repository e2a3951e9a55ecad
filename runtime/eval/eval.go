// Package eval measures what models make of a data set: top-1 and top-5, the
// bytes that cross for each image, and the agreement of two models.
//
//	r, err := eval.Run(ctx, eval.Session(session), feeder, set, eval.Options{})
//	r.Top1, eval.Summarise(r.Bytes)
package eval

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/bottlenet/bnc/runtime/data"
	"github.com/bottlenet/bnc/runtime/feed"
	"github.com/bottlenet/bnc/runtime/model"
	"github.com/bottlenet/bnc/runtime/ort"
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
	// Scores names the outputs to judge by: first the one that labels are of. "" stands
	// for whatever looks like scores, as do none: of all outputs but those of Except.
	Scores []string
	Except []string
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

// Result is what a model made of a set.
type Result struct {
	N int // images judged
	// Top1 and Top5 are the shares of images, 0..1, whose label is the best class
	// and among the five best; NaN for a set without labels.
	Top1, Top5 float64
	Classes    []int // the best class of each item of the set, NoClass of what was left out
	Bytes      []int // what crossed for each image that was judged, nil where nothing does
	Width      int   // the number of classes, 0 where the outputs do not tell
	Others     []Output
}

// Output is what another output of class scores says than the one that labels are of.
type Output struct {
	Name    string
	Classes []int // as of the first
	Width   int
}

// Outputs returns what each output that was judged says, in the order of
// Options.Scores.
func (r *Result) Outputs() []Output {
	return append([]Output{{Classes: r.Classes, Width: r.Width}}, r.Others...)
}

// UnusableError says that the data, or the model's outputs, cannot be used.
type UnusableError struct{ Err error }

// Error is the cause's.
func (e *UnusableError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *UnusableError) Unwrap() error { return e.Err }

// NoClass stands for the class of an item that was left out.
const NoClass = -1

// Run runs every item of the set through the model, in order. Items are read
// and prepared while the batch before is computed. A set of which no item can be used,
// outputs that are no class scores and a number of classes other than the set's
// (*data.ClassCountError) give an *UnusableError.
func Run(ctx context.Context, m Model, f *feed.Feeder, set *data.Set, o Options) (*Result, error) {
	if o.Batch == 0 {
		o.Batch = DefaultBatch
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	r := &Result{Classes: slices.Repeat([]int{NoClass}, set.Len())}
	first, fifth := 0, 0
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
		verdicts, err := r.add(ctx, m, f.Input(), set, b, o)
		if err != nil {
			return nil, fmt.Errorf("%s to %s: %w", set.Name(b.items[0]), set.Name(b.items[len(b.items)-1]), err)
		}
		r.N += len(verdicts)
		for k, v := range verdicts {
			r.Classes[b.items[k]] = v.class
			if v.before < 1 {
				first++
			}
			if v.before < top5 {
				fifth++
			}
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
	r.Top1, r.Top5 = float64(first)/float64(r.N), float64(fifth)/float64(r.N)
	if !set.Labelled() {
		r.Top1, r.Top5 = math.NaN(), math.NaN()
	}
	return r, nil
}

// add runs a batch and returns what the model makes of each image.
func (r *Result) add(ctx context.Context, m Model, input string, set *data.Set, b batch, o Options) ([]verdict, error) {
	if b.x == nil {
		return nil, nil
	}
	feed := ort.Feed{input: b.x}
	maps.Copy(feed, o.Extra)
	outputs, bytes, err := m(ctx, feed)
	if err != nil {
		return nil, err
	}
	n := len(b.items)
	if bytes != nil && len(bytes) < n {
		return nil, fmt.Errorf("%s: %d sizes for a batch of %d images", payloadBytes, len(bytes), n)
	}
	if bytes != nil {
		r.Bytes = append(r.Bytes, bytes[:n]...)
	}
	first := ""
	if len(o.Scores) > 0 {
		first = o.Scores[0]
	}
	labels := make([]int, n)
	for k, i := range b.items {
		labels[k] = set.Label(i)
	}
	judged, err := o.pick(outputs, first)
	if err != nil {
		return nil, err
	}
	verdicts, width, err := judge(judged, labels, set.Classes())
	if err != nil {
		return nil, &UnusableError{err}
	}
	if r.Width = width; width > 0 {
		if err := set.CheckClasses(width); err != nil {
			return nil, &UnusableError{err}
		}
	}
	return verdicts, r.addOthers(outputs, b.items, set.Len(), o)
}

// addOthers notes what the other outputs of Options.Scores say of some items of a set.
func (r *Result) addOthers(outputs ort.Results, items []int, size int, o Options) error {
	for i := 1; i < len(o.Scores); i++ {
		judged, err := o.pick(outputs, o.Scores[i])
		if err != nil {
			return err
		}
		verdicts, width, err := judge(judged, slices.Repeat([]int{-1}, len(items)), nil)
		if err != nil {
			return &UnusableError{err}
		}
		if len(r.Others) < i {
			r.Others = append(r.Others, Output{Name: o.Scores[i], Classes: slices.Repeat([]int{NoClass}, size), Width: width})
		}
		for k, v := range verdicts {
			r.Others[i-1].Classes[items[k]] = v.class
		}
	}
	return nil
}

// pick returns the output of a name, or for "" all that may be scores.
func (o *Options) pick(outputs ort.Results, name string) (ort.Results, error) {
	if name == "" {
		return slices.DeleteFunc(slices.Clone(outputs), func(r ort.Result) bool { return slices.Contains(o.Except, r.Name) }), nil
	}
	scores, ok := outputs.Find(name)
	if !ok {
		return nil, &UnusableError{fmt.Errorf("there is no output %q to judge by", name)}
	}
	return ort.Results{{Name: name, Value: scores}}, nil
}

// batch is some consecutive items, prepared.
type batch struct {
	x       *tensor.Tensor // nil where all were left out
	items   []int          // x may hold copies behind them
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
	if b.x, b.items, b.err = f.Usable(set, items, pass); b.err != nil {
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
