package plan

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// truth is a network that is simulated, and what is sent over it.
type truth struct {
	uplink  float64 // bit/s
	rtt     float64 // seconds
	noise   float64 // standard deviation of both parts of the time, relative
	outlier float64 // share of messages that are held up for 0.2 to 1.2 seconds
	sizes   []int   // bytes
}

func (w truth) takes(bytes int) float64 { return w.rtt + float64(bytes)*8/w.uplink }

// send returns a message's size and how long it took.
func (w truth) send(r *rand.Rand) (int, time.Duration) {
	bytes := w.sizes[r.IntN(len(w.sizes))]
	took := w.rtt*(1+w.noise*r.NormFloat64()) + float64(bytes)*8/w.uplink*(1+w.noise*r.NormFloat64())
	if r.Float64() < w.outlier {
		took += 0.2 + r.Float64()
	}
	return bytes, duration(took)
}

// wrong returns the largest relative error of the times that an estimate
// predicts for the truth's sizes.
func (w truth) wrong(n Network) float64 {
	worst := 0.0
	for _, bytes := range w.sizes {
		got := n.RTT.Seconds() + float64(bytes)*8/n.Uplink
		worst = max(worst, math.Abs(got/w.takes(bytes)-1))
	}
	return worst
}

// TestEstimatesNetwork simulates networks of 1 to 150 Mbit/s and 1 to 100 ms, and
// begins with 4G's rate and no round trip each time. With 60 messages the newest
// 17 count (those of a decaying weight that would vary as little), so that 10% of
// noise leaves some 10%/sqrt(17) * 1.25 = 3% of error where both parameters are
// seen well, more for the worse of them; bounds are thrice that at the 95th
// percentile. Outliers shift a weighted median by their share of the rank: another
// half of it.
func TestEstimatesNetwork(t *testing.T) {
	for _, c := range []struct {
		name           string
		noise, outlier float64
		median, p95    float64
	}{
		{"exact", 0, 0, 1e-4, 1e-3}, // the pull of the estimate before decays
		{"noise", 0.1, 0, 0.06, 0.15},
		{"outliers", 0, 0.1, 0.01, 0.1},
		{"noise and outliers", 0.1, 0.1, 0.08, 0.2},
	} {
		var wrong []float64
		for seed := range uint64(100) {
			r := rand.New(rand.NewPCG(seed, 1))
			w := truth{1e6 * math.Exp(5*r.Float64()), 1e-3 * (1 + 99*r.Float64()), c.noise, c.outlier, []int{300, 3000, 30000, 100000}}
			e := NewLinkEstimator(Networks[1])
			for range 60 {
				e.Observe(w.send(r))
			}
			wrong = append(wrong, w.wrong(e.Network()))
		}
		slices.Sort(wrong)
		if m, p := wrong[len(wrong)/2], wrong[len(wrong)*95/100]; m > c.median || p > c.p95 {
			t.Errorf("%s: predictions are wrong by %.4f at the median and %.4f at the 95th percentile, want %v and %v", c.name, m, p, c.median, c.p95)
		}
	}
}

// TestSeparates: where sending makes up a good part of the time, rate and round
// trip themselves are found. Noise of 5% on times of 10..90 ms leaves 5% of error
// of either, thrice that is allowed.
func TestSeparates(t *testing.T) {
	for seed := range uint64(50) {
		r := rand.New(rand.NewPCG(seed, 2))
		w := truth{uplink: 10e6, rtt: 0.01, noise: 0.05, sizes: []int{300, 10000, 100000}}
		e := NewLinkEstimator(Network{Name: "x", Uplink: 1e6, Alpha: 3, Beta: 4})
		for range 60 {
			e.Observe(w.send(r))
		}
		n := e.Network()
		if math.Abs(n.Uplink/w.uplink-1) > 0.15 || math.Abs(n.RTT.Seconds()/w.rtt-1) > 0.15 {
			t.Errorf("seed %d: %.2f Mbit/s and %v, the truth is 10 and 10ms", seed, n.Uplink/1e6, n.RTT)
		}
		if n.Name != "x" || n.Alpha != 3 || n.Beta != 4 {
			t.Errorf("name or power model changed: %+v", n)
		}
	}
}

// TestFollows: after a fall from Wi-Fi to 3G and back, twice the half-life of
// observations is enough, also with messages of one size; half of it is not: a few
// slow messages are no slow network.
func TestFollows(t *testing.T) {
	for _, sizes := range [][]int{{300, 30000}, {30000}} {
		for seed := range uint64(20) {
			r := rand.New(rand.NewPCG(seed, 3))
			e := NewLinkEstimator(Networks[1])
			rtt := 0.01
			for step, n := range []Network{Networks[2], Networks[0], Networks[2]} {
				w := truth{uplink: n.Uplink, rtt: rtt, noise: 0.05, sizes: sizes}
				before := e.Network()
				for i := range 5 * halfLife {
					// In turn: only the large messages see the rate.
					w.sizes = sizes[i%len(sizes):][:1]
					e.Observe(w.send(r))
					w.sizes = sizes
					switch {
					// Of 3 messages at most 30% of the weight: the prediction
					// may drift within the noise, it does not follow.
					case step > 0 && i == halfLife/2-1:
						if drift := (truth{uplink: before.Uplink, rtt: before.RTT.Seconds(), sizes: sizes}).wrong(e.Network()); drift > 0.3 {
							t.Errorf("sizes %v, seed %d, step %d: %d messages moved the prediction by %.2f", sizes, seed, step, i+1, drift)
						}
					// Three quarters of the weight are new: the median of them
					// is at their 2/3 quantile, within 3 deviations.
					case i >= 2*halfLife-1:
						if wrong := w.wrong(e.Network()); wrong > 0.15 {
							t.Errorf("sizes %v, seed %d, step %d: wrong by %.2f after %d messages", sizes, seed, step, wrong, i+1)
						}
					}
				}
			}
		}
	}
}

// TestFollowsFromNothing: a rate that took nothing beside the round trip drops to what takes most
// of the time, and comes back: messages of one size, every fourth a ping, tell it.
func TestFollowsFromNothing(t *testing.T) {
	for _, drop := range []float64{1e6, 1e5, 1e4} {
		for seed := range uint64(20) {
			r := rand.New(rand.NewPCG(seed, 8))
			e := NewLinkEstimator(Network{Uplink: 1e8, RTT: 10 * time.Millisecond})
			for _, uplink := range []float64{1e8, drop, 1e8} {
				w := truth{uplink: uplink, rtt: 0.01, noise: 0.05}
				for i := range 5 * halfLife {
					w.sizes = []int{[]int{2000, 2000, 2000, 0}[i%4]}
					e.Observe(w.send(r))
				}
				w.sizes = []int{200, 2000}
				// As in TestFollows.
				if wrong := w.wrong(e.Network()); wrong > 0.15 {
					t.Errorf("seed %d, %v bit/s: wrong by %.2f: %+v", seed, uplink, wrong, e.Network())
				}
			}
		}
	}
}

// TestHoldsWhatIsNotSeen: messages that hardly differ in size say nothing about
// the rate where the round trip makes up nearly all of the time, so it stays what
// it was, within a factor of 2; pings of no bytes say nothing at all about it.
func TestHoldsWhatIsNotSeen(t *testing.T) {
	for seed := range uint64(50) {
		r := rand.New(rand.NewPCG(seed, 4))
		w := truth{uplink: 18.88e6, rtt: 0.05, noise: 0.02, sizes: []int{310, 316, 320}}
		e := NewLinkEstimator(Network{Uplink: w.uplink, RTT: 50 * time.Millisecond})
		for range 200 {
			e.Observe(w.send(r))
		}
		if n := e.Network(); n.Uplink < w.uplink/2 || n.Uplink > w.uplink*2 {
			t.Errorf("seed %d: %.2f Mbit/s, begun with 18.88", seed, n.Uplink/1e6)
		}
		e = NewLinkEstimator(Network{Uplink: w.uplink})
		for range 60 {
			e.Observe(0, time.Duration((20+r.Float64())*float64(time.Millisecond)))
		}
		n := e.Network()
		if n.RTT < 20*time.Millisecond || n.RTT > 21*time.Millisecond || math.Abs(n.Uplink/w.uplink-1) > 1e-9 {
			t.Errorf("seed %d: %v and %.2f Mbit/s after pings of 20 to 21 ms, begun with 18.88", seed, n.RTT, n.Uplink/1e6)
		}
	}
}

// TestEstimateStaysFinite feeds nonsense: the estimate remains a network.
func TestEstimateStaysFinite(t *testing.T) {
	for seed := range uint64(50) {
		r := rand.New(rand.NewPCG(seed, 5))
		e := NewLinkEstimator(Network{Uplink: math.Exp(40*r.Float64() - 5), RTT: time.Duration(r.Int64N(1 << 40))})
		for range 100 {
			e.Observe(r.IntN(1<<r.IntN(31)), time.Duration(r.Int64N(1<<(1+r.IntN(50)))-5))
			if n := e.Network(); !(n.Uplink > 0) || math.IsInf(n.Uplink, 1) || n.RTT < 0 || n.RTT == math.MaxInt64 {
				t.Fatalf("seed %d: %+v", seed, n)
			}
		}
	}
	for _, uplink := range []float64{0, -1, math.Inf(1), math.NaN()} {
		e := NewLinkEstimator(Network{Uplink: uplink})
		if n := e.Network(); n.Uplink != Networks[1].Uplink {
			t.Errorf("begun with %v: %+v", uplink, n)
		}
	}
}

func TestLoad(t *testing.T) {
	var e LoadEstimator
	e.Observe(0, time.Second)
	e.Observe(time.Second, 0)
	if e.Factor() != 1 {
		t.Errorf("nothing observed: %v", e.Factor())
	}
	r := rand.New(rand.NewPCG(1, 6))
	for _, load := range []float64{1, 4, 0.5} {
		for i := range 5 * halfLife {
			idle := time.Duration((5 + 20*r.Float64()) * float64(time.Millisecond))
			took := idle.Seconds() * load * (1 + 0.1*r.NormFloat64())
			if i%8 == 7 {
				took += 1 // a batch that hung
			}
			e.Observe(idle, duration(took))
			// As in TestFollows: 3 deviations.
			if i >= 2*halfLife-1 && math.Abs(e.Factor()/load-1) > 0.3 {
				t.Errorf("load %v: %.2f after %d observations", load, e.Factor(), i+1)
			}
		}
	}
}

func BenchmarkObserve(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 7))
	w := truth{uplink: 5e6, rtt: 0.02, noise: 0.1, sizes: []int{300, 30000}}
	e := NewLinkEstimator(Networks[1])
	for b.Loop() {
		e.Observe(w.send(r))
	}
}
