package feed

import (
	"errors"
	"fmt"
	"image"
	"runtime"
	"slices"
	"sync"

	"github.com/bottlenet/bnc/runtime/data"
	"github.com/bottlenet/bnc/runtime/imagein"
	"github.com/bottlenet/bnc/runtime/tensor"
)

// LoaderOptions say how a Loader makes batches. Batch must be given; the zero
// value of the rest is the set's own order, unvaried, on every core.
type LoaderOptions struct {
	Batch   int
	Seed    uint64
	Shuffle bool
	Augment Augment
	Workers int  // 0: GOMAXPROCS
	Labels  bool // an item without a label is skipped like one that cannot be read
	// Masks says that labels are the items' masks, and how; nil for the class of each item.
	Masks *Masks
	// OnSkip is told of each item that cannot be used, once and one at a time;
	// err names the item too.
	OnSkip func(name string, err error)
}

// Masks say which masks are wanted of a masked set: the classes of a grid over the input.
type Masks struct {
	Grid    image.Point
	Classes int // counted from 0: others than these and imagein.NoClass end an epoch with an error
}

// Batch is what a training step takes.
type Batch struct {
	X      *tensor.Tensor // [Batch ...], as the graph's input wants it
	Labels []int64        // data.NoLabel where an item has none
	Masks  []int64        // [Batch H W], imagein.NoClass where a place has none; nil where none are wanted
	Items  []int          // which items of the set these are
	// Frames are how images lie in X as they were varied, mirrored ones with a negative
	// ScaleX; zero for tensors.
	Frames []imagein.Frame
	// Given are what further inputs are given, for as many images as X has.
	Given map[string]*tensor.Tensor
}

// Loader makes batches of a set of training images: shuffled, varied, and
// decoded on several cores while the caller trains. Batch k of epoch e depends
// only on seed, e, k and the files, not on Workers nor on where an epoch
// begins, so training that is taken up again goes on as it would have.
//
// An item that cannot be used is replaced by the next one in the epoch's order
// that can.
type Loader struct {
	feeder *Feeder
	set    *data.Set
	o      LoaderOptions
	layout imagein.Layout // of the input, where it takes images
	shape  []int64        // of a batch
	free   chan *Batch
	skips  skips
}

// NewLoader returns the Loader of f's input for a set. It returns an error for
// options that cannot be, and where the set is smaller than one batch.
func NewLoader(f *Feeder, set *data.Set, o LoaderOptions) (*Loader, error) {
	if o.Batch <= 0 {
		return nil, fmt.Errorf("a batch of %d images: expected 1 or more", o.Batch)
	}
	if set.Len() < o.Batch {
		return nil, fmt.Errorf("the data has %d items, less than one batch of %d: take a smaller batch", set.Len(), o.Batch)
	}
	if o.Masks != nil && !set.Masked() {
		return nil, errors.New("the data has no masks: expected a PNG file of class numbers beside each image")
	}
	if o.Labels && o.Masks == nil && !set.Labelled() {
		return nil, errors.New("the data has no labels: expected a folder with one sub-folder a class, or a file of labels beside the images")
	}
	if err := o.Augment.validate(); err != nil {
		return nil, err
	}
	if o.Workers <= 0 {
		o.Workers = runtime.GOMAXPROCS(0)
	}
	layout, err := imagein.LayoutOf(f.port)
	if err != nil && o.Augment.Flip {
		return nil, fmt.Errorf("flipping: %w", err)
	}
	l := &Loader{feeder: f, set: set, o: o, layout: layout, free: make(chan *Batch, prefetch+1)}
	l.skips = skips{items: map[int]bool{}, report: o.OnSkip}
	if l.shape, err = f.rowShape(set); err != nil {
		return nil, err
	}
	if o.Augment.Flip && len(l.shape) != 4 {
		return nil, fmt.Errorf("flipping: input %s is given tensors of shape %v, expected 4 axes", f.port, l.shape)
	}
	l.shape[0] = int64(o.Batch)
	first, err := l.newBatch()
	if err != nil {
		return nil, err
	}
	l.free <- first
	return l, nil
}

// rowShape returns the shape of one prepared item: the preprocessing's, or
// where the input takes no images that of the first tensor of the set.
func (f *Feeder) rowShape(set *data.Set) ([]int64, error) {
	if f.noImages == nil {
		row, err := f.resized.NewBatch(1)
		if err != nil {
			return nil, err
		}
		return row.Shape, nil
	}
	var first error
	tried := min(set.Len(), judged)
	for i := range tried {
		row, _, err := f.row(set, i)
		if err == nil && len(row.Shape) > 0 && row.Shape[0] == 1 {
			return slices.Clone(row.Shape), nil
		}
		if err == nil {
			err = fmt.Errorf("%s: expected a tensor with a batch axis of 1, found %v", set.Name(i), row)
		}
		if first == nil {
			first = err
		}
	}
	return nil, fmt.Errorf("none of the first %d items can be fed: %w", tried, first)
}

// newBatch allocates a batch.
func (l *Loader) newBatch() (*Batch, error) {
	x, err := tensor.New(l.feeder.port.DType, l.shape...)
	if err != nil {
		return nil, err
	}
	given := l.feeder.Feed(x)
	delete(given, l.feeder.port.Name)
	b := &Batch{X: x, Given: given, Labels: make([]int64, l.o.Batch), Items: make([]int, l.o.Batch), Frames: make([]imagein.Frame, l.o.Batch)}
	if m := l.o.Masks; m != nil {
		b.Masks = make([]int64, l.o.Batch*m.Grid.X*m.Grid.Y)
	}
	return b, nil
}

// take returns a batch that was given back, or a new one.
func (l *Loader) take() (*Batch, error) {
	select {
	case b := <-l.free:
		return b, nil
	default:
		return l.newBatch()
	}
}

// give takes a batch's memory back, unless enough is waiting already.
func (l *Loader) give(b *Batch) {
	select {
	case l.free <- b:
	default:
	}
}

// Batches returns the number of batches of an epoch. Items that do not fill
// another one are left out of it.
func (l *Loader) Batches() int { return l.set.Len() / l.o.Batch }

// Data of which more than half of the first judged items cannot be used is
// refused; named of them are named.
const (
	judged = 100
	named  = 3
)

// skips remembers the items that cannot be used.
type skips struct {
	mu     sync.Mutex
	items  map[int]bool
	tried  int // items used or skipped, up to judged
	first  []error
	report func(name string, err error)
}

// has tells whether an item is known to be of no use.
func (s *skips) has(item int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.items[item]
}

// used counts an item that is of use.
func (s *skips) used() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tried = min(s.tried+1, judged)
}

// add counts and reports an item that is of no use. It returns an error if
// that says that the data is not usable.
func (s *skips) add(item int, name string, err error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.items[item] {
		return nil
	}
	s.items[item] = true
	if len(s.first) < named {
		s.first = append(s.first, err)
	}
	if s.report != nil {
		s.report(name, err)
	}
	if s.tried < judged {
		s.tried++
		if len(s.items) > judged/2 {
			return fmt.Errorf("%d of the first %d items tried cannot be used, such as\n%w", len(s.items), s.tried, errors.Join(s.first...))
		}
	}
	return nil
}

// all is the error of a set without an item that is of use.
func (s *skips) all(n int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return fmt.Errorf("none of the %d items can be used, such as\n%w", n, errors.Join(s.first...))
}
