package link

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bottlenet/bnc/runtime/plan"
)

// step is a network that begins after a while.
type step struct {
	after time.Duration
	plan.Network
}

// drained returns when so many bytes have left, the naive way: stretch by
// stretch, what is left over goes to the next; and the network at that time.
func drained(bytes int, steps []step) (time.Duration, plan.Network) {
	bits := float64(bytes) * 8
	for i, s := range steps {
		needs := math.Inf(1)
		if s.Uplink > 0 {
			needs = bits / s.Uplink
		}
		if i+1 == len(steps) || needs <= (steps[i+1].after-s.after).Seconds() {
			return s.after + time.Duration(needs*1e9), s.Network
		}
		bits -= s.Uplink * (steps[i+1].after - s.after).Seconds()
	}
	panic("BUG: no steps")
}

// TestSetNetwork changes rate and delay at random times, to 0 and to no limit
// among others, while bytes are under way.
func TestSetNetwork(t *testing.T) {
	for seed := range uint64(200) {
		synctest.Test(t, func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 0))
			steps := []step{{0, plan.Networks[r.IntN(3)]}}
			for range 1 + r.IntN(6) {
				n := plan.Network{Uplink: 1e5 * math.Exp(6*r.Float64()), RTT: time.Duration(r.IntN(100)) * time.Millisecond}
				if r.IntN(3) == 0 {
					n.Uplink = 0
				}
				steps = append(steps, step{steps[len(steps)-1].after + time.Duration(r.IntN(200))*time.Millisecond, n})
			}
			steps = append(steps, step{steps[len(steps)-1].after + time.Second, plan.Networks[r.IntN(3)]})

			l := New(steps[0].Network, Options{})
			client, server := connect(t, l)
			begin := time.Now()
			for _, s := range steps[1:] {
				time.AfterFunc(s.after, func() { l.SetNetwork(s.Network) })
			}
			const total = 50000 // less than the queue: all is handed over at the beginning
			client.Write(make([]byte, total))
			latest := time.Duration(0)
			for _, a := range watch(t, server, total, begin) {
				left, n := drained(a.bytes, steps)
				latest = max(latest, left+n.RTT/2) // order is kept
				// Every step rounds once more.
				if (a.after - latest).Abs() > time.Duration(len(steps))*exact {
					t.Fatalf("seed %d, %+v: byte %d arrived after %v, want %v", seed, steps, a.bytes, a.after, latest)
				}
			}
		})
	}
}

// TestZeroAndBack: nothing passes, in either direction and to none who connects,
// until the rate is raised.
func TestZeroAndBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := plan.Network{Uplink: 1e6}
		l := New(n, Options{Downlink: math.Inf(1)})
		client, server := connect(t, l)
		l.SetNetwork(plan.Network{})
		begin := time.Now()

		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := l.Dialer(nil)(ctx, "tcp", "127.0.0.1:1")
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(begin) != time.Second {
			t.Errorf("connecting over nothing: %v after %v", err, time.Since(begin))
		}

		client.Write(make([]byte, 1250)) // 10 ms
		go server.Write(make([]byte, 1250))
		time.AfterFunc(time.Hour, func() { l.SetNetwork(n) })
		connected := make(chan time.Duration)
		go func() {
			connect(t, l)
			connected <- time.Since(begin)
		}()
		up := watch(t, server, 1250, begin)
		down := watch(t, client, 1250, begin)
		back := time.Second + time.Hour
		if got := up[0].after; !near(got, back+10*time.Millisecond) {
			t.Errorf("sent: arrived after %v", got)
		}
		if got := down[0].after; got != back+10*time.Millisecond { // watched since then
			t.Errorf("answered: arrived after %v", got)
		}
		if got := <-connected; !near(got, back+10*time.Millisecond) { // behind what waited
			t.Errorf("connected after %v", got)
		}
	})
}

// TestManyChanges: pieces that nothing under way needs are forgotten.
func TestManyChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := New(plan.Networks[0], Options{})
		client, server := connect(t, l)
		go client.Write(make([]byte, 1<<20))
		for i := range 1000 {
			watch(t, server, 1000, time.Now())
			l.SetNetwork(plan.Networks[i%3])
		}
		if n := len(l.up.pieces); n > 3 {
			t.Errorf("%d pieces are kept", n)
		}
	})
}
