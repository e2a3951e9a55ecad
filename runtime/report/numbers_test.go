package report_test

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/bottlenet/bnc/runtime/plan"
	"github.com/bottlenet/bnc/runtime/report"
)

// record is a row of a table on the page: numbers and texts by the columns' names
// and, of columns that are called alike, the first.
type record struct {
	number map[string]float64
	text   map[string]string
}

func records(t *testing.T, r *report.Report, id string) []record {
	t.Helper()
	rows := tables(t, page(t, r))[id]
	if len(rows) < 2 {
		t.Fatalf("no table %s", id)
	}
	var all []record
	for _, row := range rows[1:] {
		one := record{map[string]float64{}, map[string]string{}}
		for _, c := range row {
			if _, there := one.text[c.column]; !there {
				one.number[c.column], one.text[c.column] = c.value, c.text
			}
		}
		all = append(all, one)
	}
	return all
}

var place = regexp.MustCompile(`F(\d+) (\w+)\[(\d+)\]`)

// index returns the index that a source names in a list of file F.
func (r record) index(t *testing.T, file int, list string) int {
	t.Helper()
	for _, m := range place.FindAllStringSubmatch(r.text["source"], -1) {
		if m[1] == strconv.Itoa(file) && m[2] == list {
			i, err := strconv.Atoi(m[3])
			if err != nil {
				t.Fatal(err)
			}
			return i
		}
	}
	t.Fatalf("source %q names no F%d %s", r.text["source"], file, list)
	return 0
}

func (r record) is(t *testing.T, column string, want float64) {
	t.Helper()
	got, there := r.number[column]
	if !there || !(math.Abs(got-want) <= 1e-9*math.Abs(want)) { // sums in another order
		t.Errorf("%s, %s: %v, expected %v", r.text["source"], column, got, want)
	}
}

// TestLatencyAndEnergy computes every row anew from the entries that it names.
func TestLatencyAndEnergy(t *testing.T) {
	in := full(t)
	all := records(t, made(t, in), "latency")
	if len(all) != 16 {
		t.Fatalf("%d rows for 4 cuts and 4 networks", len(all))
	}
	for _, r := range all {
		mobile, cloud := in.Profiles[0].Value.Cuts[r.index(t, 1, "cuts")], in.Cloud.Value.Cuts[r.index(t, 2, "cuts")]
		candidate := in.Results.Value.Candidates[r.index(t, 3, "candidates")]
		if mobile.Cut != r.text["cut"] || cloud.Cut != r.text["cut"] || candidate.Cut != r.text["cut"] || mobile.Plain() || cloud.Plain() {
			t.Errorf("row of %s: from %s, %s and %s", r.text["cut"], mobile, cloud, candidate)
		}
		i := slices.IndexFunc(in.Networks, func(n report.From[plan.Network]) bool { return n.Value.Name == r.text["network"] })
		n := in.Networks[i].Value
		send := candidate.PayloadBytes * 8 / n.Uplink // s
		// Times of a link are whole nanoseconds.
		link := math.Trunc((send+n.RTT.Seconds())*1e9) / 1e6
		if math.Abs(r.number["link, ms"]-link) > 2e-6 {
			t.Errorf("%s: link %v ms, expected %v", r.text["source"], r.number["link, ms"], link)
		}
		r.is(t, "mobile, ms", mobile.Mobile.MedianMS)
		r.is(t, "cloud, ms", cloud.Cloud.MedianMS)
		r.is(t, "latency, ms", mobile.Mobile.MedianMS+r.number["link, ms"]+cloud.Cloud.MedianMS)
		energy := 2500*mobile.Mobile.MedianMS/1e3 + (n.Alpha*n.Uplink/1e6+n.Beta)*send + n.TailMJ
		if math.Abs(r.number["energy, mJ"]-energy) > 1e-4*energy { // nanoseconds again
			t.Errorf("%s: energy %v mJ, expected %v", r.text["source"], r.number["energy, mJ"], energy)
		}
	}
}

// TestCutsAreTheLatencies: the wide table has the numbers of the long one.
func TestCutsAreTheLatencies(t *testing.T) {
	r := made(t, full(t))
	long := records(t, r, "latency")
	for i, row := range records(t, r, "cuts") {
		for n, name := range []string{"3g", "4g", "wifi", "campus"} {
			row.is(t, name+", ms", long[4*i+n].number["latency, ms"])
			row.is(t, name+", mJ", long[4*i+n].number["energy, mJ"])
		}
	}
}

// TestCandidates: every candidate is there once, with its own numbers, and the front
// is what comparing all with all gives.
func TestCandidates(t *testing.T) {
	in := full(t)
	r := made(t, in)
	candidates := in.Results.Value.Candidates
	seen := map[int]bool{}
	for _, row := range records(t, r, "candidates") {
		i := row.index(t, 3, "candidates")
		c := candidates[i]
		seen[i] = true
		for column, want := range map[string]float64{"payload, bytes": c.PayloadBytes, "top-1, %": 100 * *c.Primary, "loss, points": c.Loss,
			"c": float64(c.C), "s": float64(c.S), "seed": float64(c.Seed), "training, s": c.Seconds} {
			row.is(t, column, want)
		}
		front := !slices.ContainsFunc(candidates, func(o plan.Candidate) bool {
			return o.Status == plan.StatusTrained && o.PayloadBytes <= c.PayloadBytes && *o.Primary >= *c.Primary && (o.PayloadBytes < c.PayloadBytes || *o.Primary > *c.Primary)
		})
		if c.Status != plan.StatusTrained || (row.text["on the front"] == "yes") != front {
			t.Errorf("candidate %d (%s, %s): on the front %q, expected %v", i, c, c.Status, row.text["on the front"], front)
		}
	}
	for _, row := range records(t, r, "skipped") {
		i := row.index(t, 3, "candidates")
		seen[i] = true
		if row.text["reason"] != candidates[i].Reason || row.text["what"] != candidates[i].Status {
			t.Errorf("candidate %d: %q %q", i, row.text["what"], row.text["reason"])
		}
	}
	if len(seen) != len(candidates) {
		t.Errorf("%d of %d candidates are in the tables", len(seen), len(candidates))
	}
}

// TestMeasured: the entries are the profiles'.
func TestMeasured(t *testing.T) {
	in := full(t)
	all := records(t, made(t, in), "entries")
	if len(all) != 16 {
		t.Fatalf("%d rows for 2 profiles of 8 entries", len(all))
	}
	for i, row := range all {
		p := in.Profiles[0].Value
		if i >= 8 {
			p = in.Cloud.Value
		}
		c := p.Cuts[row.index(t, 1+i/8, "cuts")]
		row.is(t, "mobile, ms", c.Mobile.MedianMS)
		row.is(t, "±, ms", c.Mobile.HalfWidthMS)
		row.is(t, "95%, ms", c.Mobile.P95MS)
		row.is(t, "cloud, ms", c.Cloud.MedianMS)
		row.is(t, "runs", float64(c.Mobile.Runs))
		if c.MobileParams > 0 {
			row.is(t, "mobile parameters", float64(c.MobileParams))
		}
	}
}

// TestBitsAndSizes: the paper's Fig. 7 and Fig. 6.
func TestBitsAndSizes(t *testing.T) {
	in := full(t)
	r := made(t, in)
	rows := records(t, r, "bits")
	if len(rows) != 6 {
		t.Fatalf("%d rows for 2 sweeps of 3", len(rows))
	}
	for i, row := range rows {
		point := in.Evals[i/3].Value.Sweep[row.index(t, 5+i/3, "sweep")]
		row.is(t, "quality", float64(point.Quality))
		row.is(t, "bits an image", 8*point.PayloadBytes)
		row.is(t, "top-1, %", 100**point.Top1)
		row.is(t, "loss, points", 100*(0.9307-*point.Top1))
	}
	want := map[string]float64{"rb1": 80000, "rb2": 40000, "rb3": 80000. / 3, "rb4": 20000} // two of the model, two of plain splits
	for i, row := range records(t, r, "sizes") {
		cut := fmt.Sprintf("rb%d", i+1)
		row.is(t, "tensor, bytes", want[cut])
		row.is(t, "of the input", want[cut]/12288)
		row.is(t, "times smaller", want[cut]/row.number["sent, bytes"])
		if from := row.text["source"]; strings.HasPrefix(from, "F4 tensor t") != (i < 2) {
			t.Errorf("%s is from %s", cut, from)
		}
	}
	// An evaluation of the whole model is the reference, before the results' baseline.
	in.Evals = append(in.Evals, from("whole.json", parsed(t, "whole", map[string]any{"n": 5, "top1": 0.95})))
	for i, row := range records(t, made(t, in), "bits") {
		row.is(t, "loss, points", 100*(0.95-*in.Evals[i/3].Value.Sweep[i%3].Top1))
	}
}

// TestWays: gains are those of the other ways over the choice, and the accuracy of
// ways without a bottleneck is the model's.
func TestWays(t *testing.T) {
	choice := map[string]record{}
	n := 0
	for _, row := range records(t, made(t, full(t)), "ways") {
		if row.text["way"] == "split" {
			choice[row.text["network"]] = row
			continue
		}
		n++
		best := choice[row.text["network"]]
		row.is(t, "accuracy, %", 93.07)
		for _, q := range [][2]string{{"latency, ms", "latency gain"}, {"energy, mJ", "energy gain"}} {
			row.is(t, q[1], row.number[q[0]]/best.number[q[0]])
		}
	}
	if n != 12 {
		t.Errorf("%d other ways for 4 networks", n)
	}
}

// paper is the report of the built-in profile alone.
func paper(t *testing.T) *report.Report {
	t.Helper()
	p, err := plan.OpenProfile("paper")
	if err != nil {
		t.Fatal(err)
	}
	in := report.Input{Profiles: []report.From[*plan.Profile]{from("paper", p)}}
	for _, n := range plan.Networks[:3] {
		in.Networks = append(in.Networks, report.From[plan.Network]{Value: n})
	}
	return made(t, in)
}

// TestPaper: the paper's numbers stand beside the model's, and where they do not
// follow from it the report says so. Cloud-only's energies are 0.90, 1.19 and 1.78
// times what power and time give; 63x is 53x by bytes and rates; 21x and 8x follow.
func TestPaper(t *testing.T) {
	r := paper(t)
	type key struct{ network, way, quantity string }
	want := map[key]struct {
		printed, ratio float64
		follows        string
	}{
		{"3g", "cloud-only", "energy, mJ"}:     {310.1, 0.90, "no"},
		{"4g", "cloud-only", "energy, mJ"}:     {168.3, 1.19, "no"},
		{"wifi", "cloud-only", "energy, mJ"}:   {110.7, 1.78, "no"},
		{"3g", "cloud-only", "latency, ms"}:    {196.2, 1.00, "yes"},
		{"4g", "cloud-only", "latency, ms"}:    {37.9, 0.99, "yes"},
		{"wifi", "cloud-only", "latency, ms"}:  {13.1, 1.00, "yes"},
		{"3g", "cloud-only", "latency gain"}:   {63, 63 / 52.9, "no"},
		{"4g", "cloud-only", "latency gain"}:   {21, 21 / 20.8, "yes"},
		{"wifi", "cloud-only", "latency gain"}: {8, 8 / 8.47, "yes"},
		{"3g", "rb1", "energy, mJ"}:            {6.6, 6.6 / 5.85, "no"},
		{"any", "mobile-only", "latency, ms"}:  {15.7, 1, "yes"},
	}
	found := 0
	for _, row := range records(t, r, "printed") {
		w, there := want[key{row.text["network"], row.text["way"], row.text["quantity"]}]
		if !there {
			continue
		}
		found++
		row.is(t, "printed", w.printed)
		if got := row.number["printed / model"]; math.Abs(got-w.ratio) > 0.006 { // two decimals are known
			t.Errorf("%v of %s on %s: printed / model is %v, expected %.2f", row.text["quantity"], row.text["way"], row.text["network"], got, w.ratio)
		}
		if row.text["follows"] != w.follows {
			t.Errorf("%v of %s on %s: follows %q, expected %q", row.text["quantity"], row.text["way"], row.text["network"], row.text["follows"], w.follows)
		}
	}
	if found != len(want) {
		t.Errorf("%d of %d printed numbers are in the table", found, len(want))
	}
	for _, c := range r.Summary {
		if c.Division != "rb1 c=1 s=2" || c.Aspect != "latency and energy" {
			t.Errorf("%s: %s for %s", c.Network, c.Division, c.Aspect)
		}
	}
}

// TestWithoutPower: a device whose power is not known has latencies and no energies.
func TestWithoutPower(t *testing.T) {
	in := full(t)
	in.Profiles[0].Value.Power = plan.Power{Source: plan.PowerNone}
	r := made(t, in)
	for _, row := range records(t, r, "latency") {
		if _, there := row.text["energy, mJ"]; there {
			t.Error("there are energies")
		}
		if row.text["best for"] == "energy" {
			t.Error("best for energy")
		}
	}
	if !strings.Contains(page(t, r), "Energies are not known") {
		t.Error("nothing says that there are no energies")
	}
}

// TestNothingKeepsTheLimits: the report says so and is whole otherwise.
func TestNothingKeepsTheLimits(t *testing.T) {
	in := full(t)
	in.Limits.LossPoints = ptr(0.01)
	r := made(t, in)
	if len(r.Summary) != 4 || r.Summary[0].Division != "none" {
		t.Errorf("summary %+v", r.Summary)
	}
	for _, row := range records(t, r, "cuts") {
		if !strings.Contains(row.text["breaks a limit"], "accuracy lost") {
			t.Errorf("%s breaks %q", row.text["cut"], row.text["breaks a limit"])
		}
	}
}
