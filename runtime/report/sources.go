package report

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/bottlenet/bnc/runtime/plan"
)

// skipped lists the candidates that were not trained, with the reasons.
func (b *builder) skipped() Section {
	s := Section{ID: "skipped", Title: "Not trained"}
	if b.Results == nil {
		return s
	}
	t := Table{ID: "skipped", Title: "Candidates that were not trained",
		Columns: []string{"cut", "c", "s", "codec", "what", "reason", b.screened().Heading(), "payload, bytes", "source"},
		Text:    "Screened: judged by a short training of the bottleneck alone, whose accuracy this is."}
	for i := range b.Results.Value.Candidates {
		c := &b.Results.Value.Candidates[i]
		if c.Status == plan.StatusTrained {
			continue
		}
		t.Rows = append(t.Rows, []Cell{text(c.Cut), channels(c.C), stride(c.S), text(c.Coding.String()), text(c.Status), text(c.Reason), maybe(b.screenedBy(c), in(b.screened())), positive(c.PayloadBytes, byteCount),
			refs(b.candidate(c))})
	}
	if len(t.Rows) > 0 {
		s.Tables = []Table{t.dense()}
	}
	return s
}

// measured lists what the profiles hold.
func (b *builder) measured() Section {
	s := Section{ID: "measured", Title: "Profiles", Text: b.latency.Notes}
	devices := Table{ID: "devices", Title: "Devices",
		Columns: []string{"side", "device", "model", "provider", "threads", "whole model, ms", "±, ms", "power from", "computing, mW", "idle, mW", "source"}}
	entries := Table{ID: "entries", Title: "Measured times", Text: "Medians of batch 1, warm; ± is half of the 95% confidence interval. The mobile part includes reduction and encoder, the cloud part decoder and restoration.",
		Columns: []string{"side", "cut", "c", "s", "codec", "method", "payload, bytes", "mobile, ms", "±, ms", "5%, ms", "95%, ms", "runs", "cloud, ms", "±, ms", "5%, ms", "95%, ms", "runs",
			"energy, mJ", "mobile parameters", "mobile weights, bytes", "source"}}
	add := func(side string, file int, p *plan.Profile) {
		threads := text("one a core")
		if p.Threads > 0 {
			threads = integer(p.Threads)
		}
		w := timing(p.Whole)
		devices.Rows = append(devices.Rows, []Cell{text(side), text(p.Device), text(p.Model), text(p.Provider), threads, w[0], w[1], text(p.Power.Source),
			positive(p.Power.ComputeMW, fine), positive(p.Power.IdleMW, fine), refs(Ref{file, ""})})
		for i, c := range p.Cuts {
			row := []Cell{text(side), text(c.Cut), channels(c.C), stride(c.S), text(c.Codec), text(c.Method), positive(c.PayloadBytes, byteCount)}
			row = append(append(row, timing(c.Mobile)...), timing(c.Cloud)...)
			entries.Rows = append(entries.Rows, append(row, maybe(c.EnergyMJ, fine), positive(float64(c.MobileParams), byteCount), positive(float64(c.MobileBytes), byteCount),
				refs(Ref{file, fmt.Sprintf("cuts[%d]", i)})))
		}
	}
	for i, p := range b.Profiles {
		add("mobile", i, p.Value)
	}
	if b.Cloud != nil {
		add("cloud", b.cloudFile, b.Cloud.Value)
	}
	s.Tables = []Table{devices.dense(), entries.dense()}
	return s
}

// timing returns cells of median, half width, 5%, 95% and runs. What was not
// measured but derived has a median only.
func timing(t *plan.Timing) []Cell {
	cells := []Cell{text(""), text(""), text(""), text(""), text("")}
	if t == nil {
		return cells
	}
	cells[0] = fine(t.MedianMS)
	if t.Runs > 0 {
		return []Cell{cells[0], fine(t.HalfWidthMS), fine(t.P5MS), fine(t.P95MS), integer(t.Runs)}
	}
	return cells
}

// filesTable is the ID of the table that sources link to.
const filesTable = "files"

// sources lists networks, settings of the search, and files.
func (b *builder) sources() Section {
	networks := Table{ID: "networks", Title: "Networks", Text: "Sending takes alpha * uplink + beta. Built-in 3g, 4g and wifi are the paper's Table 3, the others fits to published measurements of a phone.",
		Columns: []string{"network", "uplink, Mbit/s", "round trip, ms", "alpha, mW per Mbit/s", "beta, mW", "sending, mW", "downlink, Mbit/s", "response, bytes", "tail, mJ", "source"}}
	file := b.evals + len(b.Evals)
	for _, n := range b.Networks {
		v, from := n.Value, text("given by rate")
		switch {
		case n.Name != "":
			from = refs(Ref{file, ""})
			file++
		case slices.Contains(plan.Networks, v):
			from = text("built in")
		}
		networks.Rows = append(networks.Rows, []Cell{text(v.Name), number("%.4g", v.Uplink/1e6), fine(float64(v.RTT) / float64(time.Millisecond)), positive(v.Alpha, fine),
			positive(v.Beta, fine), positive(v.Power(), fine), positive(v.Downlink/1e6, fine), positive(v.ResponseBytes, byteCount), positive(v.TailMJ, fine), from})
	}
	s := Section{ID: "sources", Title: "Sources", Tables: []Table{networks.dense()}}
	if b.Results != nil && len(b.Results.Value.Settings) > 0 {
		settings := Table{ID: "settings", Title: "Settings of the search", Columns: []string{"setting", "value", "source"}}
		for _, name := range slices.Sorted(maps.Keys(b.Results.Value.Settings)) {
			value, err := json.Marshal(b.Results.Value.Settings[name])
			if err != nil {
				panic("BUG: settings that were read from JSON: " + err.Error())
			}
			settings.Rows = append(settings.Rows, []Cell{text(name), text(string(value)), refs(Ref{b.results, "settings"})})
		}
		s.Tables = append(s.Tables, settings)
	}
	files := Table{ID: filesTable, Title: "Files", Columns: []string{"", "file", "SHA-256"}, Text: "F1 cuts[3] is the fourth element of the list cuts in the first file."}
	for i, f := range b.files {
		files.Rows = append(files.Rows, []Cell{refs(Ref{i, ""}), text(f.Name), text(f.SHA256)})
	}
	s.Tables = append(s.Tables, files)
	return s
}

// screened is the measure of what was screened: top-1, where the task has no other.
func (b *builder) screened() plan.Measure {
	if named := b.Results.Value.Measure; named != nil {
		return *named
	}
	return plan.Top1
}

// screenedBy is a candidate's value of it.
func (b *builder) screenedBy(c *plan.Candidate) *float64 {
	if b.Results.Value.Measure != nil {
		return c.Accuracy().Best()
	}
	return c.Primary
}
