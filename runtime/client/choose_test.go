package client

import (
	"testing"
	"time"

	"github.com/bottlenet/bnc/runtime/bundle"
	"github.com/bottlenet/bnc/runtime/oip"
	"github.com/bottlenet/bnc/runtime/ort"
)

// early and late are two cuts: the first sends much and leaves the work to the
// server, the second sends little. On 20 Mbit/s the first is the faster one.
func cuts() (early, late *candidate, s *fakeServer) {
	early = fakeCandidate("early", &fakeDevice{front: 5 * time.Millisecond, bytes: 16000, rest: time.Second})
	late = fakeCandidate("late", &fakeDevice{front: 60 * time.Millisecond, bytes: 500, rest: time.Second})
	return early, late, &fakeServer{
		compute: map[string]time.Duration{"early": 20 * time.Millisecond, "late": 2 * time.Millisecond},
		rtt:     4 * time.Millisecond, uplink: 20e6,
	}
}

// settleOn runs until the choice is the wanted one, and says how many runs that
// took.
func settleOn(t *testing.T, c *Client, want string, most int) int {
	t.Helper()
	for n := 1; n <= most; n++ {
		if r := mustRun(t, c); r.Model == want {
			return n
		}
	}
	at := c.conditions.now()
	t.Fatalf("%d runs and still not %s: %+v", most, want, at)
	return 0
}

// TestFirstChoice measures both cuts on the first input and takes the best.
func TestFirstChoice(t *testing.T) {
	for uplink, want := range map[float64]string{20e6: "early", 1.1e6: "late"} {
		early, late, s := cuts()
		s.uplink = uplink
		bubble(t, Options{Remote: s, Probe: -1}, []*candidate{late, early}, func(t *testing.T, c *Client, _ *logged) {
			for range 20 {
				if r := mustRun(t, c); r.Model != want {
					t.Fatalf("%v bit/s: %s was used, expected %s", uplink, r.Model, want)
				}
			}
		})
	}
}

// TestLinkChanges lets the link drop from 20 to 1.1 Mbit/s and come back, and
// the server be loaded and idle again.
func TestConditionsChange(t *testing.T) {
	steps := []struct {
		name         string
		uplink, load float64
		want         string
		most         int // runs until the choice has followed
	}{
		{"Wi-Fi", 20e6, 1, "early", 1},
		{"the link drops", 1.1e6, 1, "late", 12},
		{"and comes back", 20e6, 1, "early", 0}, // found by looks while idle
		{"load", 20e6, 10, "late", 12},
		{"no load", 20e6, 1, "early", 0},
	}
	early, late, s := cuts()
	bubble(t, Options{Remote: s}, []*candidate{early, late}, func(t *testing.T, c *Client, log *logged) {
		switches := 0
		for i, step := range steps {
			s.set(func() { s.uplink, s.load = step.uplink, step.load })
			if step.most == 0 {
				time.Sleep(20 * time.Minute)
				step.most = 1
			}
			n := settleOn(t, c, step.want, step.most)
			if i > 0 {
				switches++
			}
			t.Logf("%s: %s after %d runs", step.name, step.want, n)
			for range 10 {
				if r := mustRun(t, c); r.Model != step.want {
					t.Fatalf("%s: back to %s", step.name, r.Model)
				}
			}
		}
		for _, part := range []string{"another cut is faster", "from=early to=late", "from=late to=early", "predicted_from=", "predicted_to=", "uplink_mbit_s=", "cloud_load="} {
			if log.count(part) == 0 {
				t.Errorf("the log says nothing of %q:\n%s", part, log.text.String())
			}
		}
		if n := log.count("another cut is faster"); n != switches {
			t.Errorf("%d switches were logged, expected %d:\n%s", n, switches, log.text.String())
		}
	})
}

// TestFewBytes: where payloads take nothing beside the round trip, a link that becomes slow is told
// from one that is far away, and the cut follows.
func TestFewBytes(t *testing.T) {
	early := fakeCandidate("early", &fakeDevice{front: 10 * time.Millisecond, bytes: 700})
	late := fakeCandidate("late", &fakeDevice{front: 50 * time.Millisecond, bytes: 100})
	s := &fakeServer{compute: map[string]time.Duration{"early": 20 * time.Millisecond, "late": 10 * time.Millisecond}, rtt: 10 * time.Millisecond, uplink: 20e6}
	bubble(t, Options{Remote: s, Probe: -1}, []*candidate{early, late}, func(t *testing.T, c *Client, _ *logged) {
		for range 40 {
			mustRun(t, c)
		}
		settleOn(t, c, "early", 1)
		s.set(func() { s.uplink = 1e5 })
		settleOn(t, c, "late", 12) // 78 ms, where 700 bytes take 96
		s.set(func() { s.uplink, s.rtt = 20e6, 60*time.Millisecond })
		settleOn(t, c, "early", 42) // far away, which costs both the same
	})
}

// TestHysteresis has two cuts of nearly the same latency and a link that varies
// by 5 percent: the choice must not swing.
func TestHysteresis(t *testing.T) {
	a := fakeCandidate("a", &fakeDevice{front: 20 * time.Millisecond, bytes: 8000})
	b := fakeCandidate("b", &fakeDevice{front: 35 * time.Millisecond, bytes: 4000})
	s := &fakeServer{compute: map[string]time.Duration{"a": 5 * time.Millisecond, "b": 5 * time.Millisecond}}
	bubble(t, Options{Remote: s, Probe: -1}, []*candidate{a, b}, func(t *testing.T, c *Client, log *logged) {
		for i := range 200 {
			rate := 2.13e6 // where both are equal: 4000 bytes in 15 ms
			s.set(func() { s.uplink = rate * (0.95 + 0.1*float64(i%3)/2) })
			mustRun(t, c)
		}
		if n := log.count("another cut is faster"); n != 0 {
			t.Errorf("%d switches:\n%s", n, log.text.String())
		}
	})
}

// TestAbsentModel serves only one of two bundles.
func TestAbsentModel(t *testing.T) {
	early, late, s := cuts()
	delete(s.compute, "early")
	bubble(t, Options{Remote: s, Probe: -1}, []*candidate{early, late}, func(t *testing.T, c *Client, log *logged) {
		if r := mustRun(t, c); r.Model != "late" || log.count("no such model") != 1 {
			t.Errorf("%+v\n%s", r, log.text.String())
		}
		delete(s.compute, "late")
		r, err := c.Run(t.Context(), ort.Feed{})
		if oip.CauseOf(err) != oip.NotFound {
			t.Errorf("no model is there: %+v, %v", r, err)
		}
		s.compute = models("early", "late")
		time.Sleep(absence)
		if r := mustRun(t, c); r.Where != bundle.WhereSplit {
			t.Errorf("the models are there again: %+v", r)
		}
	})
}

// TestIdle counts what an idle client sends in a day.
func TestIdle(t *testing.T) {
	s := &fakeServer{compute: models("a", "b"), rtt: time.Millisecond}
	bubble(t, Options{Remote: s}, []*candidate{fakeCandidate("a", &fakeDevice{bytes: 100})}, func(t *testing.T, c *Client, _ *logged) {
		time.Sleep(24 * time.Hour)
		if requests, looks := s.seen(); requests+len(looks) > 0 {
			t.Errorf("%d requests and %d looks before the first run", requests, len(looks))
		}
		mustRun(t, c)
		time.Sleep(24 * time.Hour)
		requests, looks := s.seen()
		if n, day := len(looks), int(24*time.Hour/longestProbe); n < day-10 || n > day+10 {
			t.Errorf("%d looks a day, expected about %d", n, day)
		}
		if requests > len(looks)+1 {
			t.Errorf("%d requests and %d looks", requests, len(looks))
		}
	})
	large := &fakeServer{compute: models("a"), rtt: time.Millisecond}
	bubble(t, Options{Remote: large}, []*candidate{fakeCandidate("a", &fakeDevice{bytes: 1 << 17})}, func(t *testing.T, c *Client, _ *logged) {
		c.candidates[0].meta.Codec = bundle.CodecNone // a cut tensor need not be records
		mustRun(t, c)
		time.Sleep(24 * time.Hour)
		if n, _ := large.seen(); n != 1 {
			t.Errorf("an idle client sent %d large requests", n-1)
		}
	})
}
