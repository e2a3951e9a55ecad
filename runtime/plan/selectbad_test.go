package plan

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// found is a search's results for small(): rb1 in two sizes, the smaller of which
// loses too much, rb2 in one, and a candidate that was not trained.
func found() *Results {
	return &Results{
		Format: FileFormat, Kind: KindSearch, Model: "net.onnx", SourceSHA256: "01", Baseline: Accuracy{Primary: new(0.9)},
		Candidates: []Candidate{
			{Cut: "rb1", C: 1, S: 2, Status: StatusTrained, Primary: new(0.8), Loss: 10, PayloadBytes: 500},
			{Cut: "rb1", C: 2, S: 2, Status: StatusTrained, Primary: new(0.89), Loss: 1, PayloadBytes: 1250},
			{Cut: "rb1", C: 4, S: 2, Status: StatusTrained, Primary: new(0.9), Loss: 0, PayloadBytes: 2500},
			{Cut: "rb2", C: 2, S: 2, Status: StatusTrained, Agreement: new(0.85), Loss: 5, PayloadBytes: 250},
			{Cut: "rb3", C: 2, S: 2, Status: StatusSkipped, Reason: "a smaller one of the same place is good"},
		},
	}
}

// TestSelectResults: the smallest payload of a place that keeps the limits, and no
// choice where nothing keeps them.
func TestSelectResults(t *testing.T) {
	n := []Network{{Name: "fast", Uplink: 1e6, Beta: 1}}
	for _, c := range []struct {
		name   string
		limits Limits
		want   string // chosen; then each row's payload and why it is out
	}{
		{"none", Limits{}, "rb1; 500 ; 250 "},
		{"loss", Limits{LossPoints: new(2.0)}, "rb1; 1250 ; 250 accuracy lost 5 over 2 points"},
		{"no loss", Limits{LossPoints: new(0.0)}, "rb1; 2500 ; 250 accuracy lost 5 over 0 points"},
		{"accuracy", Limits{Accuracy: new(0.895)}, "rb1; 2500 ; 250 accuracy 0.85 under 0.895"},
		{"agreement", Limits{Accuracy: new(0.85), LatencyMS: new(100.0)}, "rb1; 1250 ; 250 "},
		{"bytes", Limits{LossPoints: new(2.0), PayloadBytes: new(1000.0)}, "none; 2500 payload 2500 over 1000 bytes; 250 accuracy lost 5 over 2 points"},
		{"latency", Limits{LatencyMS: new(30.0)}, "none; 500 latency 34 over 30 ms; 250 latency 72 over 30 ms"},
		{"energy", Limits{EnergyMJ: new(10.0)}, "none; 500 energy 20 over 10 mJ; 250 energy 120 over 10 mJ"},
		{"mobile", Limits{MobileBytes: new(1e6)}, "none; 2500 mobile side not known; 250 mobile side not known"},
	} {
		s := selected(t, Request{Mobile: small(), Results: found(), Networks: n, Target: Target{Latency: 1}, Limits: c.limits})
		got := s.cuts()
		for _, r := range s.Table {
			got += "; " + fmt.Sprint(r.PayloadBytes) + " " + r.Excluded
			if r.Chosen != (r.Cut == s.cuts()) {
				t.Errorf("%s: %s chosen: %v", c.name, r, r.Chosen)
			}
		}
		if got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.name, got, c.want)
		}
	}
}

// TestSelectTensor: a cut is found by its tensor where the two files name it
// differently.
func TestSelectTensor(t *testing.T) {
	p, r := small(), found()
	p.Cuts[0].Cut, p.Cuts[0].Tensor = "cut7", "relu_3"
	for i := range 3 {
		r.Candidates[i].Tensor = "relu_3"
	}
	s := selected(t, Request{Mobile: p, Results: r, Networks: []Network{{Uplink: 1e6}}, Target: Target{Latency: 1}})
	if s.cuts() != "cut7" {
		t.Error(s.cuts())
	}
}

// TestSelectRefuses: the message says where, what was expected and what to do.
func TestSelectRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Request)
		want   []string
	}{
		"results of another model": {func(r *Request) { r.Results.SourceSHA256, r.Results.Model = "ff", "other.onnx" },
			[]string{"other.onnx", "net.onnx", "sha256 ff", "profile the model of the results"}},
		"results with the paper's profile": {func(r *Request) { r.Mobile, _ = OpenProfile("paper") }, []string{"ResNet-50 at 224x224 (no file)"}},
		"cloud of another model":           {func(r *Request) { r.Cloud = small(); r.Cloud.SourceSHA256 = "ff" }, []string{"both sides must be of one model"}},
		"missing entry":                    {func(r *Request) { r.Mobile.Cuts = r.Mobile.Cuts[1:2] }, []string{"rb1 c=1 s=2", "it has rb2", "--cuts rb1"}},
		"missing entry of the cloud":       {func(r *Request) { r.Cloud = small(); r.Cloud.Name = "big"; r.Cloud.Cuts = r.Cloud.Cuts[:1] }, []string{"profile big", "rb2", "--cuts rb2"}},
		"no time of the mobile part":       {func(r *Request) { r.Mobile.Cuts[0].Mobile = nil }, []string{"rb1", "mobile part"}},
		"no time of the cloud part":        {func(r *Request) { r.Mobile.Cuts[0].Cloud = nil }, []string{"rb1", "give the cloud's profile"}},
		"no payload":                       {func(r *Request) { r.Results = nil; r.Mobile.Cuts[0].PayloadBytes = 0 }, []string{"rb1", "payload is not known"}},
		"negative payload":                 {func(r *Request) { r.Mobile.Cuts[0].PayloadBytes = -1 }, []string{"cuts[0] (rb1 c=2 s=2).payload_bytes is -1"}},
		"NaN in a time":                    {func(r *Request) { r.Mobile.Cuts[1].Mobile.MedianMS = math.NaN() }, []string{"cuts[1] (rb2 c=2 s=2).mobile.median_ms is NaN"}},
		"infinite time":                    {func(r *Request) { r.Mobile.Whole.MeanMS = math.Inf(1) }, []string{"whole.mean_ms is +Inf"}},
		"negative power":                   {func(r *Request) { r.Mobile.Power.ComputeMW = -2 }, []string{"power.compute_mw is -2"}},
		"NaN of an energy":                 {func(r *Request) { r.Mobile.Cuts[0].EnergyMJ = new(math.NaN()) }, []string{"energy_mj is NaN"}},
		"entry twice":                      {func(r *Request) { r.Mobile.Cuts = append(r.Mobile.Cuts, r.Mobile.Cuts[0]) }, []string{"cuts[4]", "two of these"}},
		"rate above 1":                     {func(r *Request) { r.Results.Candidates[1].Primary = new(89.0) }, []string{"candidates[1] (rb1 c=2 s=2).top1 is 89"}},
		"a loss that is another":           {func(r *Request) { r.Results.Candidates[1].Loss -= 1 }, []string{"candidates[1] (rb1 c=2 s=2).loss is", "make it"}},
		"NaN of a loss":                    {func(r *Request) { r.Results.Candidates[1].Loss = math.NaN() }, []string{"loss is NaN"}},
		"unknown status":                   {func(r *Request) { r.Results.Candidates[1].Status = "good" }, []string{`status is "good"`, "trained"}},
		"nothing trained":                  {func(r *Request) { r.Results.Candidates = r.Results.Candidates[4:] }, []string{"none of the 1 candidates"}},
		"negative load":                    {func(r *Request) { r.Load.Cloud = -1 }, []string{"load of the cloud is -1"}},
		"NaN of a weight":                  {func(r *Request) { r.Target.Latency = math.NaN() }, []string{"weight of latency is NaN"}},
		"NaN of a limit":                   {func(r *Request) { r.Limits.LatencyMS = new(math.NaN()) }, []string{"latency is NaN"}},
		"no weights":                       {func(r *Request) { r.Target = Target{} }, []string{"no weights"}},
		"no network":                       {func(r *Request) { r.Networks = nil }, []string{"no network"}},
		"network twice":                    {func(r *Request) { r.Networks = append(r.Networks, r.Networks[0]) }, []string{`"3g": given twice`}},
		"dead network":                     {func(r *Request) { r.Networks = []Network{{Name: "off"}} }, []string{`"off"`, "nothing passes"}},
		"energy without the network's": {func(r *Request) { r.Target, r.Networks = Target{Energy: 1}, []Network{{Name: "1Mbit", Uplink: 1e6}} },
			[]string{`"1Mbit"`, "alpha_mw_per_mbps"}},
		"energy without the device's": {func(r *Request) { r.Target, r.Mobile.Power = Target{Energy: 1}, Power{} }, []string{"rb1", "source of power"}},
		"no profile":                  {func(r *Request) { r.Mobile = nil }, []string{"no profile"}},
	} {
		r := Request{Mobile: small(), Results: found(), Networks: Networks[:1], Target: Target{Latency: 1}}
		c.change(&r)
		_, err := Select(r)
		for _, want := range c.want {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v; want %q in it", name, err, want)
			}
		}
	}
}

// TestOpenRefuses: files.
func TestOpenRefuses(t *testing.T) {
	dir := t.TempDir()
	write := func(text string) string {
		path := filepath.Join(dir, "file.json")
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	open := map[string]func(string) error{
		"profile": func(s string) error { _, err := OpenProfile(s); return err },
		"results": func(s string) error { _, err := OpenResults(s); return err },
		"network": func(s string) error { _, err := OpenNetwork(s); return err },
	}
	for _, c := range []struct{ kind, text, want string }{
		{"profile", `{"format": 2, "kind": "profile"}`, "this version reads 1"},
		{"profile", `{"format": 1, "kind": "search"}`, `expected "profile"`},
		{"profile", `{"format": 1, "kind": "profile"}`, "nothing was measured"},
		{"profile", `{"format": 1, "kind": "profile", "cuts": [{"cut": "rb1"}]}`, "cuts[0] (rb1 plain): neither mobile nor cloud"},
		{"profile", `{"format": 1, "kind": "profile", "cuts": [{"mobile": {"median_ms": 1}}]}`, "cut is missing"},
		{"profile", `{"format": 1, "kind": "profile", "cuts": [{"cut": "rb1", "mobile": {"medain_ms": 30}}]}`, "median_ms is missing in"},
		{"profile", `{"format": `, "file.json"},
		{"results", `{"format": 1, "kind": "profile"}`, `expected "search"`},
		{"network", `{"format": 1, "kind": "network", "name": "x"}`, "uplink_mbps is missing"},
		{"network", `{"format": 1, "kind": "network", "name": "x", "uplink_mbps": -3}`, "uplink_mbps is -3"},
		{"network", `{"format": 1, "kind": "network", "uplink_mbps": 3}`, "name is missing"},
		{"network", `[]`, "file.json"},
	} {
		if err := open[c.kind](write(c.text)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s %s: %v; want %q in it", c.kind, c.text, err, c.want)
		}
	}
	if _, err := OpenProfile("papers"); err == nil || !strings.Contains(err.Error(), "paper") || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v", err)
	}
	if _, err := OpenNetwork("6g"); err == nil || !strings.Contains(err.Error(), "known names are 3g") {
		t.Errorf("%v", err)
	}
	n, err := OpenNetwork(write(`{"format": 1, "kind": "network", "name": "campus", "uplink_mbps": 12, "rtt_ms": 20.5, "alpha_mw_per_mbps": 3,
		"beta_mw": 4, "downlink_mbps": 40, "response_bytes": 4000, "tail_mj": 5, "unknown": 1}`))
	want := Network{Name: "campus", Uplink: 12e6, RTT: 20500 * 1000, Alpha: 3, Beta: 4, Downlink: 40e6, ResponseBytes: 4000, TailMJ: 5}
	if err != nil || n != want {
		t.Errorf("%+v, %v", n, err)
	}
}

// TestMergeProfiles: several bundles of one model, and no others.
func TestMergeProfiles(t *testing.T) {
	a, b := small(), small()
	a.Cuts, b.Cuts, a.Power, a.Whole = a.Cuts[:1], b.Cuts[1:], Power{}, nil
	joined, err := MergeProfiles(a, b)
	if err != nil || len(joined.Cuts) != 4 || joined.Power != b.Power || joined.Whole != b.Whole || len(a.Cuts) != 1 {
		t.Fatalf("%+v, %v", joined, err)
	}
	for want, change := range map[string]func(p *Profile){
		"two of these":  func(p *Profile) { p.Cuts = small().Cuts },
		"source_sha256": func(p *Profile) { p.SourceSHA256 = "02" },
		"device":        func(p *Profile) { p.Device = "other" },
		"threads":       func(p *Profile) { p.Threads = 3 },
	} {
		b := small()
		b.Cuts = b.Cuts[1:]
		change(b)
		if _, err := MergeProfiles(a, b); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v; want %q in it", err, want)
		}
	}
}
