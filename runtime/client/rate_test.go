package client

import (
	"slices"
	"testing"
	"time"

	"github.com/bottlenet/bnc/runtime/bundle"
	"github.com/bottlenet/bnc/runtime/plan"
)

// manyRates returns a candidate that sends 20 bytes for each unit of its codec's quality, and
// may lose 2 points.
func manyRates(name string) (*candidate, *fakeDevice) {
	d := &fakeDevice{front: 20 * time.Millisecond, perQuality: 20}
	k := fakeCandidate(name, d)
	k.meta.Rates = &bundle.Rates{MaxLoss: 2}
	for _, q := range []int{10, 20, 40, 60, 80, 100} {
		k.meta.Rates.Points = append(k.meta.Rates.Points, plan.RatePoint{Quality: q, Bytes: float64(20 * q), Loss: 50 / float64(q)})
	}
	return k, d
}

// TestRateFollowsTheLink: a good link gets the highest rate, a bad one the lowest that does
// not lose too much, which is not the lowest of all.
func TestRateFollowsTheLink(t *testing.T) {
	k, d := manyRates("a")
	s := &fakeServer{compute: map[string]time.Duration{"a": 10 * time.Millisecond}, rtt: 10 * time.Millisecond, uplink: 1e8}
	bubble(t, Options{Remote: s, Probe: -1}, []*candidate{k}, func(t *testing.T, c *Client, _ *logged) {
		for _, step := range []struct {
			uplink float64
			want   int
		}{{1e8, 100}, {1e6, 40}, {2e4, 40}, {1e8, 100}} {
			s.set(func() { s.uplink = step.uplink })
			for range 30 { // a window of the estimate is 42, half of it counts for little
				mustRun(t, c)
			}
			for range 10 {
				mustRun(t, c)
				if q := d.rate().Quality; q != step.want {
					t.Fatalf("%v bit/s: quality %d, expected %d: %+v", step.uplink, q, step.want, c.conditions.now())
				}
			}
			// By what the link really is: 40 ms and the transfer.
			took := func(q int) float64 { return 0.04 + float64(8*20*q)/step.uplink }
			if got, lowest := took(step.want), took(40); got > 1.05*lowest {
				t.Errorf("%v bit/s: %v s at quality %d, %v s at the lowest", step.uplink, got, step.want, lowest)
			}
		}
	})
	if i := slices.IndexFunc(d.rates, func(r bundle.Rate) bool { return r.Quality < 40 }); i >= 0 {
		t.Errorf("run %d is at quality %d, which loses more than 2 points", i, d.rates[i].Quality)
	}
}

// TestRateThatIsSaid is taken, whatever the link has room for.
func TestRateThatIsSaid(t *testing.T) {
	for _, c := range []struct{ said, want bundle.Rate }{
		{bundle.Rate{Quality: 20}, bundle.Rate{Quality: 20}},
		{bundle.Rate{Quality: 20, MaxBytes: 300}, bundle.Rate{Quality: 20, MaxBytes: 300}},
		{bundle.Rate{MaxBytes: 300}, bundle.Rate{Quality: 100, MaxBytes: 300}}, // the link has room for all
	} {
		k, d := manyRates("a")
		s := &fakeServer{compute: models("a"), uplink: 1e9}
		bubble(t, Options{Remote: s, Probe: -1, Rate: c.said}, []*candidate{k}, func(t *testing.T, client *Client, _ *logged) {
			for range 5 {
				mustRun(t, client)
			}
			if got := d.rate(); got != c.want {
				t.Errorf("%+v is %+v, expected %+v", c.said, got, c.want)
			}
		})
	}
	k, d := manyRates("a")
	k.meta.Rates = nil // was not measured: its own quality
	s := &fakeServer{compute: models("a"), uplink: 1e9}
	bubble(t, Options{Remote: s, Probe: -1}, []*candidate{k}, func(t *testing.T, client *Client, _ *logged) {
		mustRun(t, client)
		if got := d.rate(); got != (bundle.Rate{}) {
			t.Errorf("a pair that tells nothing: %+v", got)
		}
	})
}

// TestCutsAtTheirRates: a cut that can send less is taken where the link is slow, although it
// sent more before.
func TestCutsAtTheirRates(t *testing.T) {
	k, d := manyRates("many")
	fixed := fakeCandidate("one", &fakeDevice{front: 10 * time.Millisecond, bytes: 1500})
	s := &fakeServer{compute: map[string]time.Duration{"many": 20 * time.Millisecond, "one": 20 * time.Millisecond}, rtt: 10 * time.Millisecond, uplink: 5e6}
	bubble(t, Options{Remote: s, Probe: -1}, []*candidate{fixed, k}, func(t *testing.T, c *Client, _ *logged) {
		settleOn(t, c, "one", 1) // 42 ms, where 800 bytes take 51
		s.set(func() { s.uplink = 1e5 })
		settleOn(t, c, "many", 20) // 800 bytes in 64 ms, where the other's take 120
		for range 10 {
			if r := mustRun(t, c); r.Model != "many" || d.rate().Quality != 40 {
				t.Fatalf("%s at %+v", r.Model, d.rate())
			}
		}
	})
}

// TestCutsOfManyRates: each of two cuts is offered at the rate that it would send, and the one
// that is faster then is taken: the earlier one at its best where the link is good, the later one,
// which sends a fifth, where it is bad. What the link took was nothing beside the round trip before.
func TestCutsOfManyRates(t *testing.T) {
	early, _ := manyRates("early")
	late, d := manyRates("late")
	d.front, d.perQuality = 60*time.Millisecond, 4
	for i := range late.meta.Rates.Points {
		late.meta.Rates.Points[i].Bytes /= 5
	}
	s := &fakeServer{compute: map[string]time.Duration{"early": 30 * time.Millisecond, "late": 10 * time.Millisecond}, rtt: 10 * time.Millisecond}
	bubble(t, Options{Remote: s, Probe: -1}, []*candidate{early, late}, func(t *testing.T, c *Client, _ *logged) {
		for _, step := range []struct {
			uplink float64
			want   string
			bytes  int
		}{{1e8, "early", 100 * 20}, {1e5, "late", 40 * 4}, {1e8, "early", 100 * 20}} {
			s.set(func() { s.uplink = step.uplink })
			for range 30 {
				mustRun(t, c)
			}
			for range 10 {
				if r := mustRun(t, c); r.Model != step.want || r.PayloadBytes != step.bytes {
					t.Fatalf("%v bit/s: %s sends %d bytes, expected %s and %d: %+v", step.uplink, r.Model, r.PayloadBytes, step.want, step.bytes, c.conditions.now())
				}
			}
		}
	})
}
