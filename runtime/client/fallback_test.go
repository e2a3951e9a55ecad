package client

import (
	"errors"
	"testing"
	"time"

	"github.com/bottlenet/bnc/runtime/bundle"
	"github.com/bottlenet/bnc/runtime/oip"
	"github.com/bottlenet/bnc/runtime/ort"
)

// TestFallback has a server refuse for all the causes that the device can help
// out with, and for others.
func TestFallback(t *testing.T) {
	tests := []struct {
		name   string
		refuse error
		device bool
	}{
		{"overloaded", oip.Errorf(oip.Overloaded, "full"), true},
		{"unavailable", oip.Errorf(oip.Unavailable, "ending"), true},
		{"deadline", oip.Errorf(oip.Deadline, "late"), true},
		{"internal", oip.Errorf(oip.Internal, "bug"), true},
		{"broken", errBroken, true},
		{"silent", nil, true},
		{"mismatch", oip.Errorf(oip.Mismatch, "other"), false},
		{"invalid", oip.Errorf(oip.Invalid, "shape"), false},
		{"unauthenticated", oip.Errorf(oip.Unauthenticated, "who"), false},
		{"absent", oip.Errorf(oip.NotFound, "gone"), true}, // its metadata was there: it is being replaced
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := &fakeServer{compute: models("a"), rtt: time.Hour, refuse: func(int) error { return test.refuse }}
			d := &fakeDevice{bytes: 100, front: 5 * time.Millisecond, rest: 300 * time.Millisecond}
			bubble(t, Options{Remote: s, Probe: -1, Fallback: true, Deadline: time.Second}, []*candidate{fakeCandidate("a", d)}, func(t *testing.T, c *Client, _ *logged) {
				if !test.device {
					if r, err := c.Run(t.Context(), ort.Feed{}); err == nil {
						t.Errorf("%+v", r)
					}
					return
				}
				r := mustRun(t, c)
				if r.Where != bundle.WhereMobile || r.Fallback == nil || r.Timings.Total > time.Second || r.PayloadBytes != 0 {
					t.Errorf("%+v", r)
				}
				if test.refuse != nil && !errors.Is(r.Fallback, test.refuse) {
					t.Errorf("the reason is %v, expected %v in it", r.Fallback, test.refuse)
				}
				if want := 305 * time.Millisecond; r.Timings.Mobile != want {
					t.Errorf("the device is said to have taken %v, expected %v", r.Timings.Mobile, want)
				}
			})
		})
	}
}

// TestFallbackLeavesTime lets the link die when the device's own time is known:
// the server gets the rest of the deadline, and no more.
func TestFallbackLeavesTime(t *testing.T) {
	s := &fakeServer{compute: models("a"), refuse: func(int) error { return errBroken }}
	d := &fakeDevice{bytes: 100, rest: 400 * time.Millisecond}
	bubble(t, Options{Remote: s, Probe: -1, Fallback: true, Deadline: time.Second}, []*candidate{fakeCandidate("a", d)}, func(t *testing.T, c *Client, _ *logged) {
		mustRun(t, c) // measures the device
		time.Sleep(time.Minute)
		s.set(func() { s.refuse, s.rtt = nil, time.Hour })
		for !c.breaker.allows() { // the health check that comes next needs an hour as well
			s.set(func() { s.rtt = 0 })
			time.Sleep(time.Minute)
		}
		s.set(func() { s.rtt = time.Hour })
		r := mustRun(t, c)
		// 1.25 times the 400 ms are kept for the device, the server gets the other 500.
		if r.Where != bundle.WhereMobile || r.Timings.Total != 900*time.Millisecond || r.Timings.Link != 500*time.Millisecond {
			t.Errorf("%+v", r)
		}
	})
}

// TestBreaker lets a server die: a few requests notice, the following ones do
// not ask, the health is asked less and less often, and when the server is back
// so are the requests.
func TestBreaker(t *testing.T) {
	s := &fakeServer{compute: models("a"), rtt: time.Millisecond}
	d := &fakeDevice{bytes: 100, front: time.Millisecond, rest: 20 * time.Millisecond}
	bubble(t, Options{Remote: s, Probe: -1, Fallback: true}, []*candidate{fakeCandidate("a", d)}, func(t *testing.T, c *Client, log *logged) {
		mustRun(t, c)
		dead := oip.Errorf(oip.Unavailable, "connection refused")
		s.set(func() { s.refuse, s.sick = func(int) error { return dead }, dead })
		start := time.Now()
		var lost time.Duration
		const images = 5000
		for range images {
			r := mustRun(t, c)
			if r.Where != bundle.WhereMobile {
				t.Fatalf("%+v", r)
			}
			lost += r.Timings.Link
		}
		requests, looks := s.seen()
		if requests-1 != tolerated {
			t.Errorf("%d requests went to a dead server, expected %d", requests-1, tolerated)
		}
		// The waits between three tries: 2*25 and 2*50 ms at most.
		if lost > 150*time.Millisecond {
			t.Errorf("%d images lost %v to a dead server", images, lost)
		}
		for i, last := 1, time.Duration(0); i < len(looks); i++ {
			pause := looks[i].Sub(looks[i-1])
			// Each interval is twice the one before, and varies by half either way.
			if pause < last/3 || pause > longestPause*3/2+time.Second {
				t.Errorf("pause %d before a look is %v after %v", i, pause, last)
			}
			last = pause
		}
		if n, most := len(looks), 15; n < 3 || n > most {
			t.Errorf("%d looks in %v, expected 3 to %d", n, time.Since(start), most)
		}
		s.set(func() { s.refuse, s.sick = nil, nil })
		time.Sleep(2 * longestPause)
		if r := mustRun(t, c); r.Where != bundle.WhereSplit {
			t.Errorf("the server is back: %+v", r)
		}
		if log.count("the server does not answer") != 1 || log.count("ready again") != 1 {
			t.Errorf("log:\n%s", log.text.String())
		}
	})
}

// TestBreakerWithGoodHealth has a server that says it is ready and refuses all
// requests: it is asked less and less often too.
func TestBreakerWithGoodHealth(t *testing.T) {
	s := &fakeServer{compute: models("a"), refuse: func(int) error { return oip.Errorf(oip.Overloaded, "full") }}
	bubble(t, Options{Remote: s, Probe: -1, Fallback: true}, []*candidate{fakeCandidate("a", &fakeDevice{bytes: 100})}, func(t *testing.T, c *Client, _ *logged) {
		start := time.Now()
		for time.Since(start) < 10*time.Minute {
			mustRun(t, c)
			time.Sleep(100 * time.Millisecond)
		}
		// Pauses of 0.5, 1, 2 ... 30 s, each down to half of that: at most
		// 600/15 at their longest and a dozen before. 6000 images were run.
		if n, _ := s.seen(); n > 60 {
			t.Errorf("%d requests to a server that refuses them", n)
		}
	})
}

// TestWholeModelAsFallback gives the whole model: the mobile half is not run in
// vain once the server is known to be down.
func TestWholeModelAsFallback(t *testing.T) {
	s := &fakeServer{compute: models("a"), sick: errBroken, refuse: func(int) error { return errBroken }}
	d := &fakeDevice{bytes: 100, front: time.Millisecond}
	full := &fakeDevice{rest: 50 * time.Millisecond}
	bubble(t, Options{Remote: s, Probe: -1, Fallback: true}, []*candidate{fakeCandidate("a", d)}, func(t *testing.T, c *Client, _ *logged) {
		c.whole, c.wholeName = full, "net.onnx"
		for range 10 {
			if r := mustRun(t, c); r.Model != "net.onnx" || r.Where != bundle.WhereMobile {
				t.Fatalf("%+v", r)
			}
		}
		if d.fronts != 1 || d.rests != 0 || full.rests != 10 {
			t.Errorf("the halves ran %d and %d times, the whole model %d times", d.fronts, d.rests, full.rests)
		}
	})
}
