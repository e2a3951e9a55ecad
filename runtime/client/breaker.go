package client

import (
	"context"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"
)

// breaker keeps requests from a server that does not answer: after tolerated
// failures in a row it is open, and a goroutine asks the server's health, less
// and less often, until it closes again. The pauses grow until a request is
// answered, so that a server whose health is good and whose answers are not
// costs little as well.
type breaker struct {
	probe  func(context.Context) error
	notify func(open bool, cause error)

	mu       sync.Mutex
	failures int
	open     bool
	pauses   *backoff.ExponentialBackOff

	ctx  context.Context // ends with the client
	done sync.WaitGroup
}

// tolerated failures in a row open the breaker: one may be a connection that
// broke while it was idle, a second one an unlucky restart.
const tolerated = 3

// The pauses between two looks at a server that does not answer.
const (
	firstPause   = 500 * time.Millisecond
	longestPause = 30 * time.Second
	// probeTime is how long a server may take to say that it is ready.
	probeTime = 5 * time.Second
)

func newBreaker(ctx context.Context, probe func(context.Context) error, notify func(bool, error)) *breaker {
	pauses := backoff.NewExponentialBackOff()
	pauses.InitialInterval, pauses.MaxInterval, pauses.Multiplier = firstPause, longestPause, 2
	pauses.Reset()
	return &breaker{probe: probe, notify: notify, pauses: pauses, ctx: ctx}
}

// allows tells whether requests may go to the server.
func (b *breaker) allows() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return !b.open
}

// success forgets all failures.
func (b *breaker) success() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.failures = 0
	b.pauses.Reset()
}

// failure counts a request that got no answer as weight failures.
func (b *breaker) failure(cause error, weight int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.failures += weight
	if b.open || b.failures < tolerated || b.ctx.Err() != nil {
		return
	}
	b.open = true
	b.notify(true, cause)
	b.done.Go(b.watch)
}

// watch asks the server's health until it is good. From then on a single
// failure opens the breaker again.
func (b *breaker) watch() {
	for {
		b.mu.Lock()
		pause := b.pauses.NextBackOff()
		b.mu.Unlock()
		if !sleep(b.ctx, pause) {
			return
		}
		ctx, cancel := context.WithTimeout(b.ctx, probeTime)
		err := b.probe(ctx)
		cancel()
		if err == nil {
			break
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.open, b.failures = false, tolerated-1
	b.notify(false, nil)
}

// sleep waits, and tells whether the context lasted.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
