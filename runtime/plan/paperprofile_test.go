package plan

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"math"
	"os"
	"testing"
)

var update = flag.Bool("update", false, "write the built-in profile anew")

// paperProfile derives the built-in profile from the paper's tables.
//
//   - Bytes are Table 4's, and cloud-only's Table 5's.
//   - What a cut computes, on both sides together, is the mean of what its 4G and
//     Wi-Fi latencies leave when bytes * 8 / uplink is taken off. The tables do not
//     divide it, and its growth from cut to cut is the device's: it counts as the
//     device's.
//   - The server's time for the whole model is what cloud-only leaves on Wi-Fi,
//     where sending is shortest and an error of bytes or rate smallest, to 0.1 ms
//     like the table.
//   - The device's power is what rb16, which computes longest and sends least,
//     leaves of its energies when sending is taken off, over its time of computing;
//     the mean of the three networks, to 10 mW.
func paperProfile(t *testing.T) *Profile {
	t.Helper()
	uplink := func(name string) Network { n, _ := named(name); return n }
	sent := func(n Network, bytes float64) float64 { return bytes * 8 / n.Uplink * 1e3 } // ms
	p := &Profile{
		Format: FileFormat, Kind: KindProfile, Name: "paper", Device: "Jetson TX2, GPU in float16; server GeForce GTX 1080 Ti",
		Model: "ResNet-50 at 224x224", Provider: "tensorrt",
	}
	for _, row := range table(t, "table4_bottlenet.csv") {
		c := CutProfile{Cut: row["cut"], C: paperChannels(row["cut"]), S: 2, Method: MethodDerived, Cloud: &Timing{}}
		c.PayloadBytes = number(t, row["offloaded_bytes"])
		left := 0.0
		for _, name := range []string{"4g", "wifi"} {
			left += (number(t, row["latency_"+name+"_ms"]) - sent(uplink(name), c.PayloadBytes)) / 2
		}
		c.Mobile = derived(math.Round(left*1e4) / 1e4)
		p.Cuts = append(p.Cuts, c)
		if c.Cut == "rb16" {
			power := 0.0
			for _, n := range Networks[:3] {
				power += (number(t, row["energy_"+n.Name+"_mj"]) - n.Power()*sent(n, c.PayloadBytes)/1e3) / left * 1e3 / 3
			}
			p.Power = Power{Source: PowerDerived, ComputeMW: math.Round(power/10) * 10}
		}
	}
	gains := map[string][2]float64{"3g": {63, 47}, "4g": {21, 41}, "wifi": {8, 31}} // section 3.2
	for _, row := range table(t, "table5_setups.csv") {
		published := Published{Network: row["network"], Way: row["setup"], EnergyMJ: number(t, row["energy_mj"])}
		latency, bytes := number(t, row["latency_ms"]), number(t, row["offloaded_bytes"])
		switch row["setup"] {
		case "mobile-only":
			p.Whole, published.LatencyMS = derived(latency), latency
		case "cloud-only":
			p.ImageBytes, published.LatencyMS = bytes, latency
			published.LatencyGain, published.EnergyGain = gains[row["network"]][0], gains[row["network"]][1]
			if row["network"] == "wifi" {
				p.CloudWhole = derived(math.Round((latency-sent(uplink("wifi"), bytes))*10) / 10)
			}
		default: // its latency is Table 4's
			published.Way = row["cut"]
		}
		p.Published = append(p.Published, published)
	}
	p.Notes = []string{
		"Sources: Eshratifar, Esmaili, Pedram, BottleNet, Tables 3, 4 and 5, section 3.2. No latency of Table 4 is stored.",
		"cuts.payload_bytes: Table 4. cuts.c and cuts.s: section 3.2.",
		"cuts.mobile: the mean of what the 4G and Wi-Fi latencies of Table 4 leave when payload_bytes * 8 / uplink is taken off. It is the compute of both sides, which the table does not divide; cuts.cloud is 0 for that reason, and the server's load changes nothing here.",
		"whole: Table 5, mobile-only. image_bytes: Table 5, cloud-only.",
		"cloud_whole: what cloud-only on Wi-Fi in Table 5 leaves when sending is taken off, to 0.1 ms.",
		"power.compute_mw: what rb16's energies in Table 4 leave when sending is taken off by Table 3, over its compute time, mean of the networks, to 10 mW. Earlier cuts leave more, rb2 up to 2.4 W: their energies in Table 4 do not follow from one power, and neither do those of cloud-only in Table 5 from Table 3.",
		"published: what the paper prints, for comparison only; nothing is computed from it.",
	}
	return p
}

func derived(ms float64) *Timing { return &Timing{MedianMS: ms, P5MS: ms, P95MS: ms, MeanMS: ms} }

// paperChannels returns c of section 3.2: 1, 2, 5 and 10 for rb1-3, 4-7, 8-13 and
// 14-16.
func paperChannels(cut string) int {
	var k int
	fmt.Sscanf(cut, "rb%d", &k)
	switch {
	case k <= 3:
		return 1
	case k <= 7:
		return 2
	case k <= 13:
		return 5
	}
	return 10
}

// TestPaperProfile: the built-in profile is what the derivation gives.
// go test ./runtime/plan -run TestPaperProfile -update writes it.
func TestPaperProfile(t *testing.T) {
	want := new(bytes.Buffer)
	e := json.NewEncoder(want)
	e.SetIndent("", " ")
	if err := e.Encode(paperProfile(t)); err != nil {
		t.Fatal(err)
	}
	const file = "profiles/paper.json"
	if *update {
		if err := os.WriteFile(file, want.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(file)
	if err != nil || !bytes.Equal(got, want.Bytes()) {
		t.Errorf("%s is not what the tables give (%v); -update writes it", file, err)
	}
	p, err := OpenProfile("paper")
	if err != nil {
		t.Fatal(err)
	}
	// The facts say about 1.25 W.
	if p.Power.ComputeMW != compute {
		t.Errorf("%v mW", p.Power.ComputeMW)
	}
}
