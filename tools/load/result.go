package main

import (
	"context"
	"sync"
	"time"

	"github.com/bottlenet/bnc/internal/stats"
	"github.com/bottlenet/bnc/runtime/oip"
)

// result collects what became of requests.
type result struct {
	mu      sync.Mutex
	waits   []time.Duration // of answers
	refused []time.Duration // of refusals as overloaded
	failed  int             // anything else
	first   error           // of these
	spent   time.Duration
	early   int64 // the server's memory after a fifth of the time, in bytes
	late    int64
}

func (r *result) note(took time.Duration, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case err == nil:
		r.waits = append(r.waits, took)
	case oip.CauseOf(err) == oip.Overloaded:
		r.refused = append(r.refused, took)
	default:
		r.failed++
		if r.first == nil {
			r.first = err
		}
	}
}

// rate is the number of answers a second.
func (r *result) rate() float64 { return float64(len(r.waits)) / r.spent.Seconds() }

// closed lets each client send its next request when the last is answered.
func (r *result) closed(ctx context.Context, spell time.Duration, clients int, send func(int)) {
	start := time.Now()
	var group sync.WaitGroup
	for c := range clients {
		group.Go(func() {
			for i := c; time.Since(start) < spell && ctx.Err() == nil; i += clients {
				send(i)
			}
		})
	}
	group.Wait()
	r.spent = time.Since(start)
}

// open sends at a fixed rate, whatever comes back, and waits for the last answer.
func (r *result) open(ctx context.Context, spell time.Duration, rate float64, send func(int)) {
	start := time.Now()
	var group sync.WaitGroup
	for i := 0; ctx.Err() == nil; i++ {
		at := time.Duration(float64(i) / rate * float64(time.Second))
		if at > spell {
			break
		}
		time.Sleep(time.Until(start.Add(at)))
		group.Go(func() { send(i) })
	}
	group.Wait()
	r.spent = time.Since(start)
}

// watch notes the server's memory while requests are sent.
func (r *result) watch(pid int, spell time.Duration, done <-chan struct{}) {
	tick := time.NewTicker(spell / 5)
	defer tick.Stop()
	for {
		select {
		case <-done:
			return
		case <-tick.C:
			if r.late = memoryOf(pid, "VmRSS:"); r.early == 0 {
				r.early = r.late
			}
		}
	}
}

func quantile(of []time.Duration, q float64) time.Duration {
	return time.Duration(stats.Quantile(q, of)).Round(100 * time.Microsecond)
}
