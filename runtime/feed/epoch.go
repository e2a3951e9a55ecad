package feed

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"sync"
	"sync/atomic"

	"github.com/bottlenet/bnc/runtime/imagein"
)

// prefetch is how many batches are made ahead of the caller.
const prefetch = 2

// errClosed is what Next returns after Close.
var errClosed = errors.New("the epoch is closed")

// Epoch is one pass over the set in batches. Its methods are for one goroutine.
type Epoch struct {
	l       *Loader
	order   []int
	key     uint64 // seeds the variations of this epoch's items
	ctx     context.Context
	stop    context.CancelCauseFunc
	ready   chan *pending // in order
	ahead   chan struct{} // holds one for each batch that is made and not taken
	jobs    chan job
	workers sync.WaitGroup
}

// pending is a batch that is being made.
type pending struct {
	batch *Batch
	left  atomic.Int64
	done  chan struct{}
}

// job is one place of a batch; at is where in the epoch's order it is.
type job struct {
	p         *pending
	index, at int
}

// Epoch starts making the batches of epoch e, counted from 0, from batch
// `from` on. It must be closed.
func (l *Loader) Epoch(ctx context.Context, e, from int) *Epoch {
	rng := rand.New(rand.NewPCG(l.o.Seed, uint64(e)))
	ep := &Epoch{
		l:     l,
		key:   rng.Uint64(),
		ready: make(chan *pending, prefetch),
		ahead: make(chan struct{}, prefetch),
		jobs:  make(chan job),
	}
	if l.o.Shuffle {
		ep.order = rng.Perm(l.set.Len())
	}
	ep.ctx, ep.stop = context.WithCancelCause(ctx)
	ep.workers.Go(func() { ep.produce(from) })
	for range l.o.Workers {
		ep.workers.Go(ep.work)
	}
	return ep
}

// produce hands out the places of every batch, in order.
func (e *Epoch) produce(from int) {
	defer close(e.ready)
	defer close(e.jobs)
	size := e.l.o.Batch
	for k := from; k < e.l.Batches(); k++ {
		select {
		case e.ahead <- struct{}{}:
		case <-e.ctx.Done():
			return
		}
		b, err := e.l.take()
		if err != nil {
			e.stop(err)
			return
		}
		p := &pending{batch: b, done: make(chan struct{})}
		p.left.Store(int64(size))
		e.ready <- p
		for i := range size {
			select {
			case e.jobs <- job{p, i, k*size + i}:
			case <-e.ctx.Done():
				return
			}
		}
	}
}

// work fills places until there are no more.
func (e *Epoch) work() {
	w := newWorker(e.l, e.key)
	for j := range e.jobs {
		if err := e.fill(w, j); err != nil {
			e.stop(err)
			continue
		}
		if j.p.left.Add(-1) == 0 {
			close(j.p.done)
		}
	}
}

// fill fills one place with the item whose turn it is, or the next in the
// epoch's order that can be used.
func (e *Epoch) fill(w *worker, j job) error {
	l, b := e.l, j.p.batch
	n := l.set.Len()
	for d := range n {
		if err := e.ctx.Err(); err != nil {
			return err
		}
		item := (j.at + d) % n
		if e.order != nil {
			item = e.order[item]
		}
		if l.skips.has(item) {
			continue
		}
		err := w.fill(b, j.index, item)
		if err == nil {
			l.skips.used()
			b.Labels[j.index], b.Items[j.index] = int64(l.set.Label(item)), item
			return nil
		}
		if wrong := (*imagein.ClassError)(nil); errors.As(err, &wrong) { // the data is of another model
			return err
		}
		if err := l.skips.add(item, l.set.Name(item), err); err != nil {
			return err
		}
	}
	return l.skips.all(n)
}

// Next returns the next batch, io.EOF after the last one, the context's error
// when it ends, and an error that names the first items where the data cannot
// be used. The batch is the caller's until it is given to Recycle.
func (e *Epoch) Next() (*Batch, error) {
	if e.ctx.Err() != nil {
		return nil, context.Cause(e.ctx)
	}
	p, ok := <-e.ready
	if !ok {
		if e.ctx.Err() != nil {
			return nil, context.Cause(e.ctx)
		}
		return nil, io.EOF
	}
	select {
	case <-p.done:
		<-e.ahead
		return p.batch, nil
	case <-e.ctx.Done():
		return nil, context.Cause(e.ctx)
	}
}

// Recycle gives a batch's memory back to the loader: it must not be used any
// longer. A batch that is kept is replaced by newly allocated memory.
func (e *Epoch) Recycle(b *Batch) { e.l.give(b) }

// Close stops what is under way and waits for it to end.
func (e *Epoch) Close() {
	e.stop(errClosed)
	e.workers.Wait()
	for p := range e.ready {
		e.l.give(p.batch)
	}
}
