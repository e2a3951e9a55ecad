// Package feed brings the items of a data set into the form that a graph's
// input wants, one at a time or as batches.
//
//	f, err := feed.New(session.Inputs(), feed.Always(meta.Preprocess))
//	x, err := f.One(item)                  // [1 3 224 224]
//	x, labels, err := f.Batch(set, order[:32]) // [32 3 224 224]
//
// Training takes its batches from a Loader: shuffled, varied, and prepared
// while the caller computes.
//
//	l, err := feed.NewLoader(f, set, feed.LoaderOptions{Batch: 32, Shuffle: true, Labels: true})
//	epoch := l.Epoch(ctx, 0, 0)
//	defer epoch.Close()
//	b, err := epoch.Next() // io.EOF after the last
//	epoch.Recycle(b)
package feed

import (
	"errors"
	"fmt"
	"image"
	"runtime"
	"sync"

	"github.com/bottlenet/bnc/runtime/data"
	"github.com/bottlenet/bnc/runtime/imagein"
	"github.com/bottlenet/bnc/runtime/model"
	"github.com/bottlenet/bnc/runtime/tensor"
)

// Feeder prepares items for one input of a graph. It may be used from many
// goroutines at once.
type Feeder struct {
	port model.Port
	// resized prepares images; exact those that have the input's size already,
	// where nothing says what is to be done with images. noImages tells why
	// neither is there.
	resized, exact *imagein.Preparer
	noImages       error
	size           image.Point // the input's
}

// Chooser says how images of a size become inputs of a layout. The size is zero
// for images of any size but the input's own.
type Chooser func(l imagein.Layout, size image.Point) (imagein.Preprocess, error)

// Always is the Chooser of p for all images, and of imagein.Default if p is nil.
func Always(p *imagein.Preprocess) Chooser {
	return func(l imagein.Layout, size image.Point) (imagein.Preprocess, error) {
		if p != nil {
			return *p, nil
		}
		if l.Width == 0 || l.Height == 0 {
			return imagein.Preprocess{}, errors.New("it takes images of any size: say which crop [height, width] it is to get")
		}
		return imagein.Default(l, size), nil
	}
}

// New returns the Feeder for a model with one input. Images are prepared as
// choose says. A model whose input is no image can still be fed with tensors.
func New(inputs []model.Port, choose Chooser) (*Feeder, error) {
	if len(inputs) != 1 {
		return nil, fmt.Errorf("the model has %d inputs: images and .npy tensors can be given to models with one", len(inputs))
	}
	f := &Feeder{port: inputs[0]}
	layout, err := imagein.LayoutOf(f.port)
	if err != nil {
		f.noImages = err
		return f, nil
	}
	f.size = image.Pt(layout.Width, layout.Height)
	for _, x := range []struct {
		size image.Point
		prep **imagein.Preparer
	}{{image.Point{}, &f.resized}, {f.size, &f.exact}} {
		p, err := choose(layout, x.size)
		if err != nil { // tensors can still be fed
			f.noImages = fmt.Errorf("input %s: %w", f.port, err)
			return f, nil
		}
		if *x.prep, err = imagein.New(p, layout); err != nil {
			return nil, err
		}
	}
	return f, nil
}

// Preprocess returns how an image of the given size is prepared, nil where the
// input takes no images.
func (f *Feeder) Preprocess(size image.Point) *imagein.Preprocess {
	prep := f.resized
	if size == f.size {
		prep = f.exact
	}
	if prep == nil {
		return nil
	}
	p := prep.Preprocess()
	return &p
}

// Input returns the name of the input that is fed.
func (f *Feeder) Input() string { return f.port.Name }

// preparer returns what prepares an image.
func (f *Feeder) preparer(img image.Image) (*imagein.Preparer, error) {
	if f.noImages != nil {
		return nil, f.noImages
	}
	if img.Bounds().Size() == f.size {
		return f.exact, nil
	}
	return f.resized, nil
}

// One returns an item as a batch of one. A tensor is taken as prepared; a
// batch axis is put before it if only that is missing.
func (f *Feeder) One(item data.Item) (*tensor.Tensor, error) {
	if item.Tensor != nil {
		return f.batched(item.Tensor)
	}
	p, err := f.preparer(item.Image)
	if err != nil {
		return nil, err
	}
	return p.One(item.Image)
}

// batched returns a prepared tensor with its batch axis.
func (f *Feeder) batched(t *tensor.Tensor) (*tensor.Tensor, error) {
	if t.DType != f.port.DType {
		return nil, fmt.Errorf("input %s: found a tensor %v; save it as %v", f.port, t, f.port.DType)
	}
	if f.port.Ranked && len(t.Shape)+1 == len(f.port.Shape) {
		return t.Reshape(append([]int64{1}, t.Shape...)...)
	}
	return t, nil
}

// Batch reads and prepares the given items of a set, on every core, and
// returns them as one tensor, in that order, with their labels. Errors name
// the item.
func (f *Feeder) Batch(set *data.Set, items []int) (x *tensor.Tensor, labels []int, err error) {
	if len(items) == 0 {
		return nil, nil, errors.New("a batch of no items")
	}
	rows := make([]*tensor.Tensor, len(items))
	errs := make([]error, len(items))
	next := make(chan int)
	var workers sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(items)) {
		workers.Go(func() {
			for k := range next {
				rows[k], errs[k] = f.row(set, items[k])
			}
		})
	}
	labels = make([]int, len(items))
	for k, i := range items {
		labels[k] = set.Label(i)
		next <- k
	}
	close(next)
	workers.Wait()
	for _, err := range errs {
		if err != nil {
			return nil, nil, err
		}
	}
	x, err = join(rows)
	if err != nil {
		return nil, nil, fmt.Errorf("%s to %s: %w", set.Name(items[0]), set.Name(items[len(items)-1]), err)
	}
	return x, labels, nil
}

// row reads and prepares one item.
func (f *Feeder) row(set *data.Set, i int) (*tensor.Tensor, error) {
	item, err := set.Item(i)
	if err != nil {
		return nil, err
	}
	x, err := f.One(item)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", set.Name(i), err)
	}
	return x, nil
}

// join puts batches of one behind each other.
func join(rows []*tensor.Tensor) (*tensor.Tensor, error) {
	shape := append([]int64{}, rows[0].Shape...)
	if len(shape) == 0 || shape[0] != 1 {
		return nil, fmt.Errorf("expected tensors with a batch axis of 1, found %v", rows[0])
	}
	shape[0] = int64(len(rows))
	x, err := tensor.New(rows[0].DType, shape...)
	if err != nil {
		return nil, err
	}
	size := len(rows[0].Data)
	for k, row := range rows {
		if row.String() != rows[0].String() {
			return nil, fmt.Errorf("tensors of one batch must be alike, found %v and %v", rows[0], row)
		}
		copy(x.Data[k*size:], row.Data)
	}
	return x, nil
}
