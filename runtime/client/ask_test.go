package client

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/bottlenet/bnc/runtime/bundle"
	"github.com/bottlenet/bnc/runtime/oip"
	"github.com/bottlenet/bnc/runtime/ort"
)

// TestRetries has a server refuse five times and then answer: one result, each
// wait within what the doubling intervals allow.
func TestRetries(t *testing.T) {
	causes := []error{oip.Errorf(oip.Overloaded, "full"), oip.Errorf(oip.Unavailable, "starting"), errBroken,
		oip.Errorf(oip.Canceled, "draining"), errBroken}
	s := &fakeServer{compute: models("a"), rtt: time.Millisecond, refuse: func(n int) error {
		if n <= len(causes) {
			return causes[n-1]
		}
		return nil
	}}
	bubble(t, Options{Remote: s, Probe: -1}, []*candidate{fakeCandidate("a", &fakeDevice{bytes: 100})}, func(t *testing.T, c *Client, _ *logged) {
		r := mustRun(t, c)
		if r.Where != bundle.WhereSplit || r.Retries != len(causes) || r.PayloadBytes != 100 || r.Timings.Cloud != 10*time.Millisecond {
			t.Errorf("%+v", r)
		}
		ids := map[string]bool{}
		for i, q := range s.requests {
			ids[q.ID] = true
			if q.Params[oip.ParamPair] != "pair of a" {
				t.Errorf("request %d says it is of %v", i, q.Params[oip.ParamPair])
			}
			left := DefaultDeadline - s.at[i].Sub(s.at[0])
			if got := q.Params[oip.ParamTimeout]; got != left.Microseconds() {
				t.Errorf("request %d says that it has %v us, of the deadline %v are left", i, got, left)
			}
			if i == 0 {
				continue
			}
			if wait, most := s.at[i].Sub(s.at[i-1]), firstWait<<i; wait > most {
				t.Errorf("wait %d is %v, expected at most %v", i, wait, most)
			}
		}
		if len(ids) != len(s.requests) {
			t.Errorf("%d requests have %d ids", len(s.requests), len(ids))
		}
	})
}

// TestJitter has many clients retry: their waits must not bunch.
func TestJitter(t *testing.T) {
	var waits []time.Duration
	for range 200 {
		s := &fakeServer{compute: models("a"), refuse: func(n int) error {
			if n == 1 {
				return oip.Errorf(oip.Overloaded, "full")
			}
			return nil
		}}
		bubble(t, Options{Remote: s, Probe: -1}, []*candidate{fakeCandidate("a", &fakeDevice{bytes: 100})}, func(t *testing.T, c *Client, _ *logged) {
			mustRun(t, c)
			waits = append(waits, s.at[1].Sub(s.at[0]))
		})
	}
	var quarters [4]int
	for _, w := range waits {
		quarters[min(3, int(4*w/(2*firstWait)))]++
	}
	for i, n := range quarters {
		// 50 are expected in each; 25 fewer is four standard deviations.
		if n < 25 {
			t.Errorf("quarter %d of the interval has %d of %d waits: %v", i, n, len(waits), quarters)
		}
	}
}

// TestNoAnswer has servers that never answer, without fallback: the deadline is
// kept, and what will not change is not tried again.
func TestNoAnswer(t *testing.T) {
	tests := []struct {
		name   string
		refuse error
		tries  func(n int) bool
		within time.Duration
		is     func(error) bool
	}{
		{"overloaded", oip.Errorf(oip.Overloaded, "full"), func(n int) bool { return n > 3 }, time.Second,
			func(err error) bool { return oip.CauseOf(err) == oip.Overloaded }},
		{"broken", errBroken, func(n int) bool { return n > 3 }, time.Second, func(err error) bool { return errors.Is(err, errBroken) }},
		{"silent", nil, func(n int) bool { return n == 1 }, time.Second, func(err error) bool { return errors.Is(err, context.DeadlineExceeded) }},
		{"invalid", oip.Errorf(oip.Invalid, "no"), func(n int) bool { return n == 1 }, 0, func(err error) bool { return oip.CauseOf(err) == oip.Invalid }},
		{"mismatch", oip.Errorf(oip.Mismatch, "no"), func(n int) bool { return n == 1 }, 0, func(err error) bool { return oip.CauseOf(err) == oip.Mismatch }},
		{"unauthenticated", oip.Errorf(oip.Unauthenticated, "no"), func(n int) bool { return n == 1 }, 0,
			func(err error) bool { return oip.CauseOf(err) == oip.Unauthenticated }},
		{"internal", oip.Errorf(oip.Internal, "no"), func(n int) bool { return n == 1 }, 0, func(err error) bool { return oip.CauseOf(err) == oip.Internal }},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := &fakeServer{compute: models("a"), rtt: time.Hour, refuse: func(int) error { return test.refuse }}
			bubble(t, Options{Remote: s, Probe: -1, Deadline: time.Second}, []*candidate{fakeCandidate("a", &fakeDevice{bytes: 100})}, func(t *testing.T, c *Client, _ *logged) {
				start := time.Now()
				r, err := c.Run(t.Context(), ort.Feed{})
				if err == nil || !test.is(err) {
					t.Fatalf("%+v, %v", r, err)
				}
				if n := len(s.requests); !test.tries(n) {
					t.Errorf("%d tries", n)
				}
				if took := time.Since(start); took > test.within {
					t.Errorf("took %v, expected at most %v", took, test.within)
				}
			})
		})
	}
}

// TestCanceled ends the caller's context while the server computes, and before.
func TestCanceled(t *testing.T) {
	s := &fakeServer{compute: models("a"), rtt: time.Hour}
	d := &fakeDevice{bytes: 100}
	bubble(t, Options{Remote: s, Probe: -1, Fallback: true}, []*candidate{fakeCandidate("a", d)}, func(t *testing.T, c *Client, _ *logged) {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		for range 2 {
			if r, err := c.Run(ctx, ort.Feed{}); !errors.Is(err, context.Canceled) {
				t.Errorf("%+v, %v", r, err)
			}
		}
		if d.rests != 0 {
			t.Error("the device finished what nobody waits for")
		}
	})
}
