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
	"context"
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
	given          []constant  // of other inputs
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
func New(inputs []model.Port, choose Chooser) (*Feeder, error) { return Given(nil).New(inputs, choose) }

func newFeeder(port model.Port, choose Chooser) (*Feeder, error) {
	f := &Feeder{port: port}
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

// Preprocess returns how an image is prepared, nil where the input takes no images.
func (f *Feeder) Preprocess(img image.Image) *imagein.Preprocess {
	prep, _, err := f.preparer(img)
	if err != nil {
		return nil
	}
	p := prep.Preprocess()
	return &p
}

// Input returns the name of the input that is fed.
func (f *Feeder) Input() string { return f.port.Name }

// preparer returns what prepares an image, and the image upright.
func (f *Feeder) preparer(img image.Image) (*imagein.Preparer, image.Image, error) {
	if f.noImages != nil {
		return nil, nil, f.noImages
	}
	img = f.resized.Upright(img)
	return f.sized(imagein.SizeOf(img)), img, nil
}

// sized returns what prepares images of a size.
func (f *Feeder) sized(size image.Point) *imagein.Preparer {
	if size == f.size {
		return f.exact
	}
	return f.resized
}

// One returns an item as a batch of one. A tensor is taken as prepared; a
// batch axis is put before it if only that is missing.
func (f *Feeder) One(item data.Item) (*tensor.Tensor, error) {
	if item.Tensor != nil {
		return f.batched(item.Tensor)
	}
	return f.Image(context.Background(), item.Image)
}

// Reduction returns the denominator of the fraction, 1, 2, 4 or 8, at which a
// picture may be decoded for this input.
func (f *Feeder) Reduction(p *imagein.Picture) int {
	if f.noImages != nil {
		return 1
	}
	return f.resized.Reduction(p)
}

// Image is One of an image; it ends with ctx.
func (f *Feeder) Image(ctx context.Context, img image.Image) (*tensor.Tensor, error) {
	p, img, err := f.preparer(img)
	if err != nil {
		return nil, err
	}
	return p.OneWithin(ctx, img)
}

// batched returns a prepared tensor with its batch axis.
func (f *Feeder) batched(t *tensor.Tensor) (*tensor.Tensor, error) {
	refuse := func(t *tensor.Tensor) error {
		return fmt.Errorf("input %s: found a tensor %v", f.port, t)
	}
	if t.DType != f.port.DType {
		return nil, fmt.Errorf("%w; save it as %v", refuse(t), f.port.DType)
	}
	if !f.port.Ranked {
		return t, nil
	}
	x := t
	if len(t.Shape)+1 == len(f.port.Shape) {
		var err error
		if x, err = t.Reshape(append([]int64{1}, t.Shape...)...); err != nil {
			return nil, err
		}
	}
	if len(x.Shape) != len(f.port.Shape) {
		return nil, refuse(t)
	}
	for axis, d := range f.port.Shape {
		if axis > 0 && d.Size > 0 && d.Size != x.Shape[axis] {
			return nil, refuse(t)
		}
	}
	return x, nil
}

// Batch reads and prepares the given items of a set, on every core, and
// returns them as one tensor, in that order, with their labels. Errors name
// the item.
func (f *Feeder) Batch(set *data.Set, items []int) (x *tensor.Tensor, labels []int, err error) {
	if len(items) == 0 {
		return nil, nil, errors.New("a batch of no items")
	}
	if x, _, _, err = f.Usable(set, items, nil); err != nil {
		return nil, nil, err
	}
	for _, i := range items {
		labels = append(labels, set.Label(i))
	}
	return x, labels, nil
}

// Usable is Batch without the items that cannot be read or prepared, of which skip
// is told, in order; the others are used. Frames are how they lie in x, zero for those
// that are tensors. X is nil where there are none. With skip nil the first such item is
// an error.
func (f *Feeder) Usable(set *data.Set, items []int, skip func(i int, err error)) (x *tensor.Tensor, frames []imagein.Frame, used []int, err error) {
	rows := make([]*tensor.Tensor, len(items))
	lies := make([]imagein.Frame, len(items))
	errs := make([]error, len(items))
	next := make(chan int)
	var workers sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(items)) {
		workers.Go(func() {
			for k := range next {
				rows[k], lies[k], errs[k] = f.row(set, items[k])
			}
		})
	}
	for k := range items {
		next <- k
	}
	close(next)
	workers.Wait()
	var good []*tensor.Tensor
	for k, err := range errs {
		switch {
		case err == nil:
			good, frames, used = append(good, rows[k]), append(frames, lies[k]), append(used, items[k])
		case skip == nil:
			return nil, nil, nil, err
		default:
			skip(items[k], err)
		}
	}
	if len(good) == 0 {
		return nil, nil, nil, nil
	}
	if x, err = join(good); err != nil {
		return nil, nil, nil, fmt.Errorf("%s to %s: %w", set.Name(used[0]), set.Name(used[len(used)-1]), err)
	}
	return x, frames, used, nil
}

// row reads and prepares one item.
func (f *Feeder) row(set *data.Set, i int) (*tensor.Tensor, imagein.Frame, error) {
	item, err := set.Item(i)
	if err != nil {
		return nil, imagein.Frame{}, err
	}
	x, err := f.One(item)
	if err != nil {
		return nil, imagein.Frame{}, fmt.Errorf("%s: %w", set.Name(i), err)
	}
	frame, err := f.Frame(item)
	return x, frame, err
}

// Frame is how an item's picture lies in the input, zero for a tensor.
func (f *Feeder) Frame(item data.Item) (imagein.Frame, error) {
	if item.Tensor != nil {
		return imagein.Frame{}, nil
	}
	if f.noImages != nil {
		return imagein.Frame{}, f.noImages
	}
	if item.Frame != nil {
		return *item.Frame, nil
	}
	size := f.resized.UprightSize(item.Image)
	return f.sized(size).Frame(size)
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
