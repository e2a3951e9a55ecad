package serve

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/bottlenet/bnc/runtime/oip"
	"github.com/bottlenet/bnc/runtime/ort"
)

// queue holds the jobs of one model that wait, and joins them into batches. A
// batch is put together as late as possible: when a slot is free for its run.
type queue struct {
	model string
	opts  Options
	slots chan struct{}
	// cutoff is done when no request may go on.
	cutoff context.Context

	work     sync.WaitGroup // the dispatcher and the batches that it started
	changed  chan struct{}  // holds a token when a job has come
	draining chan struct{}  // closed when no other jobs are going to come
	closed   chan struct{}

	mu      sync.Mutex
	waiting []*item
	placed  int             // jobs that are being prepared and have a place among them
	alone   map[*entry]bool // whose results turned out not to be divisible
}

// item is a job in the queue.
type item struct {
	*job
	ctx     context.Context
	arrived time.Time
	answer  chan outcome // takes one without blocking
	batch   *batch       // what it has become part of; guarded by the queue's mu
}

type outcome struct {
	results ort.Results
	spent   spent
	err     error
}

// batch is a run of several items.
type batch struct {
	items  []*item
	ctx    context.Context // done when nobody waits for any of them
	cancel context.CancelFunc
	live   int           // items that are waited for; guarded by the queue's mu
	unread chan struct{} // closed when the items' own tensors are read no more
}

func newQueue(model string, opts Options, slots chan struct{}, cutoff context.Context) *queue {
	q := &queue{model: model, opts: opts, slots: slots, cutoff: cutoff,
		changed: make(chan struct{}, 1), draining: make(chan struct{}), closed: make(chan struct{}),
		alone: map[*entry]bool{}}
	q.work.Go(q.dispatch)
	return q
}

// drain ends the waiting for further jobs. It is called once.
func (q *queue) drain() { close(q.draining) }

// close ends the dispatcher. No job may wait any more.
func (q *queue) close() {
	close(q.closed)
	q.work.Wait()
}

// do computes a job that one run can take. It returns as soon as ctx is done,
// but not before the job's tensors are free.
func (q *queue) do(ctx context.Context, j *job) (ort.Results, spent, error) {
	it := &item{job: j, ctx: ctx, arrived: time.Now(), answer: make(chan outcome, 1)}
	q.mu.Lock()
	if j.placed {
		q.placed--
	}
	err := q.full()
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	if err == nil {
		q.waiting = append(q.waiting, it)
	}
	q.observe()
	q.mu.Unlock()
	if err != nil {
		return nil, spent{}, err
	}
	q.notify()

	select {
	case a := <-it.answer:
		return a.results, a.spent, a.err
	case <-ctx.Done():
		q.abandon(it)
		return nil, spent{queue: time.Since(it.arrived)}, context.Cause(ctx)
	}
}

// enter gives a place in the queue to a job that is still to be prepared. It is
// taken by do, or given back by leave.
func (q *queue) enter() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if err := q.full(); err != nil {
		return err
	}
	q.placed++
	q.observe()
	return nil
}

// leave gives back a place that enter gave.
func (q *queue) leave() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.placed--
	q.observe()
}

// observe tells how many wait. The caller holds mu.
func (q *queue) observe() { q.opts.Observe.Queue(q.model, len(q.waiting)+q.placed) }

// full returns the refusal of a full queue. The caller holds mu.
func (q *queue) full() error {
	if len(q.waiting)+q.placed < q.opts.Queue {
		return nil
	}
	return oip.Errorf(oip.Overloaded, "model %q has %d requests waiting, as many as it may: ask later, or another server", q.model, q.opts.Queue)
}

// notify wakes the dispatcher.
func (q *queue) notify() {
	select {
	case q.changed <- struct{}{}:
	default: // it is going to look anyway
	}
}

// abandon takes an item out for which nobody waits any more. If it is being
// computed with others they go on; a run for nobody is stopped.
func (q *queue) abandon(it *item) {
	q.mu.Lock()
	b := it.batch
	if i := slices.Index(q.waiting, it); i >= 0 {
		q.waiting = slices.Delete(q.waiting, i, i+1)
		q.observe()
	}
	if b != nil {
		if b.live--; b.live == 0 {
			b.cancel()
		}
	}
	q.mu.Unlock()
	if b != nil {
		<-b.unread
	}
}

// dispatch starts a run whenever there is work and a slot.
func (q *queue) dispatch() {
	for q.gather() {
		select {
		case q.slots <- struct{}{}:
		case <-q.closed:
			return
		}
		b := q.take()
		if b == nil { // everybody went away meanwhile
			<-q.slots
			continue
		}
		q.work.Go(func() {
			q.compute(b)
			<-q.slots
		})
	}
}

// gather waits until the next batch is full, or nothing is to be waited for any
// more. It returns false when the queue is closed.
func (q *queue) gather() bool {
	for {
		delay, waits := q.patience()
		if waits && delay <= 0 {
			return true
		}
		var late <-chan time.Time
		var draining chan struct{}
		if waits {
			late, draining = time.After(delay), q.draining
		}
		select {
		case <-q.changed:
		case <-late:
		case <-draining:
			return true
		case <-q.closed:
			return false
		}
	}
}

// patience returns how long the jobs that wait can go on waiting for others,
// and whether there are some.
func (q *queue) patience() (delay time.Duration, waits bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.waiting) == 0 {
		return 0, false
	}
	first := q.waiting[0]
	if q.opts.MaxDelay <= 0 || q.alone[first.entry] || imagesOf(q.next()) >= first.limit {
		return 0, true
	}
	return q.opts.MaxDelay - time.Since(first.arrived), true
}

// next returns the jobs of the next run: the first, and those behind it that
// can be joined with it and fit. The caller holds mu, and there is a job.
func (q *queue) next() []*item {
	first := q.waiting[0]
	chosen, images := []*item{first}, first.images
	if q.alone[first.entry] {
		return chosen
	}
	for _, it := range q.waiting[1:] {
		if it.entry == first.entry && it.shapes == first.shapes && images+it.images <= first.limit {
			chosen = append(chosen, it)
			images += it.images
		}
	}
	return chosen
}

func imagesOf(items []*item) (n int) {
	for _, it := range items {
		n += it.images
	}
	return n
}

// take makes a batch of what waits, leaving out what is not waited for; nil
// where nothing is left.
func (q *queue) take() *batch {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.waiting = slices.DeleteFunc(q.waiting, func(it *item) bool { return it.ctx.Err() != nil })
	defer q.observe()
	if len(q.waiting) == 0 {
		return nil
	}
	b := &batch{items: q.next(), unread: make(chan struct{})}
	b.ctx, b.cancel = context.WithCancel(context.Background())
	b.live = len(b.items)
	for _, it := range b.items {
		it.batch = b
	}
	q.waiting = slices.DeleteFunc(q.waiting, func(it *item) bool { return it.batch != nil })
	return b
}

// compute runs a batch and answers its items. Where a run of several fails each
// is run by itself, so that only those fail that are at fault.
func (q *queue) compute(b *batch) {
	defer b.cancel()
	started := time.Now()
	if len(b.items) == 1 {
		it := b.items[0]
		results, err := q.run(b.ctx, it.entry, it.feed, it.images)
		close(b.unread)
		it.reply(started, results, err)
		return
	}
	feed, err := concatFeeds(b.feeds())
	close(b.unread)
	if err != nil {
		panic("BUG: jobs of one entry and shapes do not join: " + err.Error())
	}
	images := imagesOf(b.items)
	results, err := q.run(b.ctx, b.items[0].entry, feed, images)
	switch {
	case b.ctx.Err() != nil: // nobody waits
	case err == nil && divisible(results, images):
		at := 0
		for _, it := range b.items {
			part, err := resultRows(results, at, at+it.images)
			it.reply(started, part, err)
			at += it.images
		}
	default:
		if err == nil {
			q.joinNoMore(b.items[0].entry)
		} else {
			q.opts.Log.Debug("a batch failed: its requests are computed one by one", "model", q.model, "requests", len(b.items), "error", err)
		}
		q.oneByOne(b, feed, started)
	}
}

// oneByOne runs each item of a batch whose tensors are joined in feed.
func (q *queue) oneByOne(b *batch, feed ort.Feed, started time.Time) {
	at := 0
	for _, it := range b.items {
		from := at
		at += it.length
		if it.ctx.Err() != nil {
			continue
		}
		part, err := feedRows(feed, from, at)
		var results ort.Results
		if err == nil {
			results, err = q.run(it.ctx, it.entry, part, it.images)
		}
		it.reply(started, results, err)
	}
}

// joinNoMore notes that a model's declared shapes do not tell the truth.
func (q *queue) joinNoMore(e *entry) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.alone[e] = true
	q.opts.Log.Warn("requests are not joined: the outputs of a batch do not have one row an image", "model", q.model)
}

// run computes one run.
func (q *queue) run(ctx context.Context, e *entry, feed ort.Feed, images int) (ort.Results, error) {
	q.opts.Observe.Batch(q.model, images)
	return e.run(ctx, feed)
}

// feeds returns the items' own tensors.
func (b *batch) feeds() []ort.Feed {
	feeds := make([]ort.Feed, len(b.items))
	for i, it := range b.items {
		feeds[i] = it.feed
	}
	return feeds
}

// reply hands over a result, to nobody if the item has been abandoned.
func (it *item) reply(started time.Time, results ort.Results, err error) {
	it.answer <- outcome{results, spent{started.Sub(it.arrived), time.Since(started)}, err}
}
