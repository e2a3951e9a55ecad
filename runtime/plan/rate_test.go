package plan

import "testing"

func TestHighestRate(t *testing.T) {
	points := []RatePoint{{60, 1000, 0.5}, {20, 200, 2}, {90, 4000, 0}, {40, 500, 1}}
	// 100 ms of computing and 20 ms of round trip: 5% of the latency of 200 bytes is 6 ms and
	// a twentieth of their transfer.
	cost, rtt := Cost{Mobile: 40 * ms, Cloud: 60 * ms, PayloadBytes: 1 << 30}, 20*ms
	for _, c := range []struct {
		name   string
		uplink float64
		load   Load
		want   int
	}{
		{"all fit in 6 ms", 8e6, Load{}, 90},
		{"1,000 bytes do: 800 more take 5.8 ms", 1.1e6, Load{}, 60},
		{"they do not: 6.4 ms", 1e6, Load{}, 40},
		{"500 do not: 2.4 s", 1e3, Load{}, 20},
		{"12 ms are hidden behind a loaded server", 1e6, Load{Cloud: 3}, 60},
		{"nothing can be sent, all take forever", 0, Load{}, 90},
	} {
		got := HighestRate(points, cost, Conditions{Network: Network{Uplink: c.uplink, RTT: rtt}, Load: c.load})
		if points[got].Quality != c.want {
			t.Errorf("%s: quality %d, expected %d", c.name, points[got].Quality, c.want)
		}
	}
	if i := HighestRate(nil, cost, Conditions{Network: slow}); i != -1 {
		t.Errorf("no points: %d", i)
	}
}
