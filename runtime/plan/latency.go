package plan

import (
	"math"
	"time"
)

// Cost is what one inference costs at a cut, measured without load.
type Cost struct {
	Mobile, Cloud time.Duration // compute time on either side
	// PayloadBytes is what is sent, the mean over images. 0: nothing crosses,
	// and the network counts nothing.
	PayloadBytes float64
}

// Load is by which factor compute times grow, because others compute as well. 0
// counts as 1: no load.
type Load struct {
	Mobile, Cloud float64
}

// Latency predicts how long an inference takes from end to end:
//
//	mobile * load + bytes * 8 / uplink + RTT + cloud * load + response * 8 / downlink
//
// What cannot be sent takes the longest time there is.
func Latency(c Cost, n Network, l Load) time.Duration {
	seconds := c.Mobile.Seconds() * factor(l.Mobile)
	if c.PayloadBytes > 0 {
		seconds += sending(c, n) + n.RTT.Seconds() + n.receiving()
	}
	return duration(seconds + c.Cloud.Seconds()*factor(l.Cloud))
}

// Energy predicts what an inference takes from the mobile device's battery, in
// mJ: compute, the device's power while it computes, in mW, over the loaded
// compute time, and the power of sending over the time of sending, with the tail
// where there is one. What cannot be sent takes an infinite amount.
func Energy(c Cost, n Network, l Load, compute float64) float64 {
	energy := compute * c.Mobile.Seconds() * factor(l.Mobile)
	switch {
	case c.PayloadBytes == 0:
		return energy
	case n.Uplink == 0:
		return math.Inf(1)
	}
	return energy + n.Power()*sending(c, n) + n.TailMJ
}

// Power returns the power of sending at the network's rate, in mW.
func (n Network) Power() float64 { return n.Alpha*n.Uplink/1e6 + n.Beta }

// sending returns the seconds in which the payload leaves the device.
func sending(c Cost, n Network) float64 { return c.PayloadBytes * 8 / n.Uplink }

// receiving returns the seconds in which the result arrives.
func (n Network) receiving() float64 {
	if n.Downlink == 0 {
		return 0
	}
	return n.ResponseBytes * 8 / n.Downlink
}

func factor(load float64) float64 {
	if load == 0 {
		return 1
	}
	return load
}

// duration returns seconds to the nearest nanosecond, at most the longest
// duration there is.
func duration(seconds float64) time.Duration {
	if ns := math.Round(seconds * 1e9); ns < math.MaxInt64 {
		return time.Duration(ns)
	}
	return math.MaxInt64
}
