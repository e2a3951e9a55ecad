package plan

import (
	"os"
	"strings"
	"time"
)

// KindNetwork is the kind of a network's file.
const KindNetwork = "network"

// networkFile is a Network in JSON, rates in Mbit/s, times in ms, powers in mW.
type networkFile struct {
	Format        int     `json:"format"`
	Kind          string  `json:"kind"`
	Name          string  `json:"name"`
	UplinkMbps    float64 `json:"uplink_mbps"`
	DownlinkMbps  float64 `json:"downlink_mbps"`
	RTT           float64 `json:"rtt_ms"`
	Alpha         float64 `json:"alpha_mw_per_mbps"`
	Beta          float64 `json:"beta_mw"`
	ResponseBytes float64 `json:"response_bytes"`
	TailMJ        float64 `json:"tail_mj"`
}

// Validate names the fields that cannot be used.
func (f *networkFile) Validate() error {
	var bad check
	if f.Format != FileFormat {
		bad.add("format %d: this version reads %d", f.Format, FileFormat)
	}
	if f.Kind != KindNetwork {
		bad.add("kind %q: expected %q", f.Kind, KindNetwork)
	}
	if f.Name == "" {
		bad.add("name is missing")
	}
	if f.UplinkMbps == 0 {
		bad.add("uplink_mbps is missing or 0")
	}
	for _, n := range []struct {
		name  string
		value float64
	}{
		{"uplink_mbps", f.UplinkMbps}, {"downlink_mbps", f.DownlinkMbps}, {"rtt_ms", f.RTT}, {"alpha_mw_per_mbps", f.Alpha},
		{"beta_mw", f.Beta}, {"response_bytes", f.ResponseBytes}, {"tail_mj", f.TailMJ},
	} {
		bad.number(n.name, n.value)
	}
	return bad.err()
}

// OpenNetwork returns the network that s names: a file in JSON, if it ends in
// .json, or what ParseNetwork reads. A file looks like this; only name and
// uplink_mbps must be there:
//
//	{"format": 1, "kind": "network", "name": "campus", "uplink_mbps": 12, "rtt_ms": 20,
//	 "alpha_mw_per_mbps": 283.17, "beta_mw": 132.86,
//	 "downlink_mbps": 40, "response_bytes": 4000, "tail_mj": 5}
func OpenNetwork(s string) (Network, error) {
	if !strings.HasSuffix(s, ".json") {
		return ParseNetwork(s)
	}
	data, err := os.ReadFile(s)
	if err != nil {
		return Network{}, err
	}
	var f networkFile
	if err := parse(s, data, &f); err != nil {
		return Network{}, err
	}
	return Network{
		Name: f.Name, Uplink: f.UplinkMbps * 1e6, RTT: time.Duration(f.RTT * float64(time.Millisecond)), Alpha: f.Alpha, Beta: f.Beta,
		Downlink: f.DownlinkMbps * 1e6, ResponseBytes: f.ResponseBytes, TailMJ: f.TailMJ,
	}, nil
}
