package plan

import (
	"math"
	"testing"
	"time"
)

const ms = time.Millisecond

// early and late are two cuts: the late one computes more on the device and
// sends less. 100 kbit/s send 1,250 bytes in 100 ms.
var (
	early = Cost{Mobile: 10 * ms, Cloud: 20 * ms, PayloadBytes: 1250}
	late  = Cost{Mobile: 60 * ms, Cloud: 10 * ms, PayloadBytes: 250}
	alone = Cost{Mobile: 200 * ms}
	slow  = Network{Uplink: 1e5, RTT: 30 * ms, Alpha: 1000, Beta: 900}
)

func TestLatencyAndEnergy(t *testing.T) {
	for _, c := range []struct {
		name    string
		cost    Cost
		network Network
		load    Load
		latency time.Duration
		energy  float64 // at 2 W
	}{
		{"early", early, slow, Load{}, 160 * ms, 20 + 100},                                 // 10+100+30+20; 1000*0.1+900 = 1 W for 100 ms
		{"late", late, slow, Load{}, 120 * ms, 120 + 20},                                   // 60+20+30+10
		{"load of 1", late, slow, Load{1, 1}, 120 * ms, 120 + 20},                          // is none
		{"loaded", early, slow, Load{Mobile: 3, Cloud: 5}, 260 * ms, 60 + 100},             // 30+100+30+100
		{"not sent", alone, slow, Load{}, 200 * ms, 400},                                   // and no round trip
		{"not sent, no network", alone, Network{RTT: ms}, Load{}, 200 * ms, 400},           //
		{"no network", early, Network{RTT: ms}, Load{}, math.MaxInt64, math.Inf(1)},        //
		{"no network, power", early, Network{Beta: 5}, Load{}, math.MaxInt64, math.Inf(1)}, //
		{"no power model", early, Network{Uplink: 1e5}, Load{}, 130 * ms, 20},              //
	} {
		if got := Latency(c.cost, c.network, c.load); got != c.latency {
			t.Errorf("%s: latency %v, want %v", c.name, got, c.latency)
		}
		// Products of a few floats.
		if got := Energy(c.cost, c.network, c.load, 2000); got != c.energy && math.Abs(got-c.energy) > 1e-9 {
			t.Errorf("%s: energy %v mJ, want %v", c.name, got, c.energy)
		}
	}
}

func TestChoose(t *testing.T) {
	all := []Cost{early, late, alone}
	latency, energy := Target{Latency: 1}, Target{Energy: 1}
	fast := Network{Uplink: 1e8}
	for _, c := range []struct {
		name string
		all  []Cost
		at   Conditions
		t    Target
		want int
	}{
		{"slow", all, Conditions{Network: slow}, latency, 1},
		{"fast", all, Conditions{Network: fast}, latency, 0},
		{"energy", all, Conditions{Network: slow, Compute: 2000}, energy, 0},                  // 120, 140, 400 mJ
		{"both", all, Conditions{Network: slow, Compute: 2000}, Target{1, 1}, 1},              // 280, 260, 600
		{"both, energy dear", all, Conditions{Network: slow, Compute: 2000}, Target{1, 3}, 0}, // 520, 540, 1400
		{"no network", all, Conditions{}, latency, 2},
		{"no network, energy", all, Conditions{Compute: 1}, energy, 2},
		{"ties go to the first", []Cost{alone, alone}, Conditions{}, latency, 0},
		{"nothing works", []Cost{early, late}, Conditions{}, Target{1, 1}, 0},
		{"none", nil, Conditions{}, latency, -1},
	} {
		if got := Choose(c.all, c.at, c.t); got != c.want {
			t.Errorf("%s: %d, want %d", c.name, got, c.want)
		}
	}
}

// TestLoadMovesTheCut: the server's load alone moves the cut deeper into the
// device, the device's alone the other way (section 3.4 of the paper).
//
// On 1 Mbit/s without a round trip early takes 10+10+20 = 40 ms, late 60+2+10 =
// 72: early. With a server 5 times slower they take 120 and 112: late. With both
// sides 5 times slower, 160 and 352: early again.
func TestLoadMovesTheCut(t *testing.T) {
	all := []Cost{early, late}
	at := Conditions{Network: Network{Uplink: 1e6}}
	for load, want := range map[Load]int{{}: 0, {Cloud: 5}: 1, {Mobile: 5, Cloud: 5}: 0} {
		at.Load = load
		if got := Choose(all, at, Target{Latency: 1}); got != want {
			t.Errorf("%+v: %d, want %d", load, got, want)
		}
	}
}
