// Package plan predicts what an inference costs that is divided between a
// mobile device and a cloud: the network between them, its power, latency and
// energy of a cut, which cut is best, and what observations say about network
// and load.
//
// It is pure Go without dependencies. Units are in the names or comments: rates
// are in bit/s, powers in mW, energies in mJ.
package plan

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Network is a mobile device's access network and what sending over it costs.
type Network struct {
	Name   string
	Uplink float64       // bit/s; 0: nothing passes
	RTT    time.Duration // round trip of an empty message
	// Sending takes Alpha * (uplink in Mbit/s) + Beta mW.
	Alpha float64 // mW per Mbit/s
	Beta  float64 // mW
	// Where Downlink and ResponseBytes are given, the result's way back takes its
	// time as well.
	Downlink      float64 // bit/s
	ResponseBytes float64
	TailMJ        float64 // what the radio takes after sending, mJ a message
}

// Networks are the networks known by name.
//
// 3g, 4g and wifi are the paper's Table 3, whose power models stand for the radio
// alone. The others are fits to uploads of a phone on Verizon's network (SIGCOMM
// 2021, "A Variegated Look at 5G in the Wild", data set MN-Transfer; Beta includes
// the phone itself), with the median uplink of the same data's speed tests.
// Neither source gives a round trip that is the network's alone: RTT is 0, and
// ParseNetwork takes one.
var Networks = []Network{
	{Name: "3g", Uplink: 1.1e6, Alpha: 868.98, Beta: 817.88},
	{Name: "4g", Uplink: 5.85e6, Alpha: 438.39, Beta: 1288.04},
	{Name: "wifi", Uplink: 18.88e6, Alpha: 283.17, Beta: 132.86},
	{Name: "lte", Uplink: 31.15e6, Alpha: 76.6, Beta: 2946},
	{Name: "5g-low", Uplink: 64.12e6, Alpha: 32.6, Beta: 3196},
	{Name: "5g-mmwave", Uplink: 77.22e6, Alpha: 9.2, Beta: 5639},
}

// ParseNetwork reads a network as flags give it, in any case but that of B:
//
//	(NAME | RATE)[,DELAY]
//
// NAME is one of Networks. RATE is a decimal number and its unit: bit, kbit, Mbit,
// Gbit, or B, kB, MB, GB for bytes; prefixes are powers of 1000; "/s" may follow,
// and "bps" is "bit/s". DELAY is the propagation delay one way, as Go writes
// durations (20ms): the network's RTT is twice that. A network given by its rate
// is called as it was written and has no power model: Alpha and Beta are 0. A delay
// is a part of the name.
func ParseNetwork(s string) (Network, error) {
	first, delay, delayed := strings.Cut(strings.TrimSpace(s), ",")
	n, known := named(first)
	if !known {
		rate, err := parseRate(first)
		if err != nil {
			return Network{}, fmt.Errorf("network %q: %w; known names are %s", s, err, strings.Join(names(), ", "))
		}
		n = Network{Name: first, Uplink: rate}
	}
	if delayed {
		d, err := time.ParseDuration(strings.TrimSpace(delay))
		if err != nil || d < 0 || d > math.MaxInt64/2 {
			return Network{}, fmt.Errorf("network %q: expected the delay one way behind the comma, such as 20ms, found %q", s, delay)
		}
		if n.RTT = 2 * d; d > 0 {
			n.Name += "," + d.String()
		}
	}
	return n, nil
}

func named(name string) (Network, bool) {
	for _, n := range Networks {
		if strings.EqualFold(n.Name, strings.TrimSpace(name)) {
			return n, true
		}
	}
	return Network{}, false
}

func names() []string {
	var all []string
	for _, n := range Networks {
		all = append(all, n.Name)
	}
	return all
}

// prefixes and units of rates: what a number is multiplied with to get bit/s.
var (
	prefixes = map[string]float64{"": 1, "k": 1e3, "K": 1e3, "m": 1e6, "M": 1e6, "g": 1e9, "G": 1e9}
	units    = []struct {
		name string
		bits float64
	}{{"bit/s", 1}, {"bit", 1}, {"bps", 1}, {"B/s", 8}, {"B", 8}}
)

// parseRate returns the rate in bit/s.
func parseRate(s string) (float64, error) {
	s = strings.TrimSpace(s)
	digits := len(s) - len(strings.TrimLeft(s, "0123456789."))
	number, unit := s[:digits], strings.TrimSpace(s[digits:])
	if value, err := strconv.ParseFloat(number, 64); err == nil {
		if scale, ok := unitScale(unit); ok {
			return value * scale, nil
		}
	}
	return 0, fmt.Errorf("expected a name or a rate such as 5.85Mbit, 500kbit or 1.5MB/s, found %q", s)
}

func unitScale(unit string) (float64, bool) {
	for _, u := range units {
		at := len(unit) - len(u.name)
		if at < 0 || !sameUnit(unit[at:], u.name) {
			continue
		}
		if p, ok := prefixes[unit[:at]]; ok {
			return p * u.bits, true
		}
	}
	return 0, false
}

// sameUnit passes over the case of everything but a byte's B.
func sameUnit(got, want string) bool {
	return strings.EqualFold(got, want) && (want[0] != 'B' || got[0] == 'B')
}
