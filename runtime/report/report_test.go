package report_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/bottlenet/bnc/runtime/plan"
	"github.com/bottlenet/bnc/runtime/report"
)

const source = "5a6d0000000000000000000000000000000000000000000000000000000000aa"

// hostile is what a page, a Markdown table or a spreadsheet must not obey.
const hostile = "=1+1</td><script>alert(1)</script><img src=x onerror=alert(2)> | **b** `c` [d](http://example.com)\n| e |"

func ptr(v float64) *float64 { return &v }

func from[T any](name string, v T) report.From[T] {
	return report.From[T]{File: report.File{Name: name, SHA256: strings.Repeat("0", 56) + fmt.Sprintf("%08x", len(name))}, Value: v}
}

func timing(ms float64) *plan.Timing {
	return &plan.Timing{MedianMS: ms, P5MS: ms * 0.9, P95MS: ms * 1.25, MeanMS: ms * 1.01, Runs: 200, HalfWidthMS: ms / 64}
}

// profile makes a profile of four cuts, each with a bottleneck and plain.
func profile(device string, speed, power float64) *plan.Profile {
	p := &plan.Profile{Format: plan.FileFormat, Kind: plan.KindProfile, Name: device, Device: device, Model: "net " + hostile, SourceSHA256: source, Threads: 2, Provider: "cpu",
		Power: plan.Power{Source: plan.PowerConstant, ComputeMW: power}, Whole: timing(speed * 11.3), ImageBytes: 9013}
	for k := 1; k <= 4; k++ {
		cut, tensor := fmt.Sprintf("rb%d", k), fmt.Sprintf("t%d", k)
		at := float64(k)
		p.Cuts = append(p.Cuts,
			plan.CutProfile{Cut: cut, Tensor: tensor, C: 1, S: 2, Mobile: timing(speed * (1.07 + 2*at)), Cloud: timing(speed * (9.13 - 2*at)), Method: plan.MethodNodes, MobileParams: int64(k) * 1001, MobileBytes: int64(k) * 4004},
			plan.CutProfile{Cut: cut, Tensor: tensor, PayloadBytes: 80000 / at, Mobile: timing(speed * (1 + 2*at)), Cloud: timing(speed * (9 - 2*at)), Method: plan.MethodPair})
	}
	return p
}

// results has for every cut two candidates that were trained, one that was screened
// and one that was skipped.
func results() *plan.Results {
	r := &plan.Results{Format: plan.FileFormat, Kind: plan.KindSearch, Model: "net", SourceSHA256: source, Baseline: plan.Accuracy{Primary: ptr(0.9307)},
		Settings: map[string]any{"epochs": 3.0, hostile: "x"}}
	for k := 1; k <= 4; k++ {
		for i, loss := range []float64{2.7, 0.31 + 0.2*float64(k), 0, 0} {
			c := plan.Candidate{Index: len(r.Candidates), Cut: fmt.Sprintf("rb%d", k), Tensor: fmt.Sprintf("t%d", k), C: i + 1, S: 2, Seed: uint64(100 + i)}
			switch i {
			case 2:
				c.Status, c.Primary, c.PayloadBytes, c.Reason = plan.StatusScreened, ptr(0.5), 99.5, "a larger one keeps the limit"
			case 3:
				c.Status, c.Reason = plan.StatusSkipped, hostile
			default:
				c.Status, c.Primary, c.Loss, c.Seconds, c.Bundle = plan.StatusTrained, ptr(0.9307-loss/100), loss, 12.3456+float64(k), "out/"+hostile
				c.PayloadBytes = 41.0625*float64(i+1) + 7/float64(k)
			}
			r.Candidates = append(r.Candidates, c)
		}
	}
	return r
}

func evaluation(t *testing.T, name string, worse float64) *report.Eval {
	t.Helper()
	sweep := []map[string]any{}
	for _, q := range []float64{5, 20, 80} {
		sweep = append(sweep, map[string]any{"quality": q, "top1": 0.93 - worse/q, "payload_bytes": 20 + 3.25*q})
	}
	return parsed(t, name, map[string]any{"n": 10000, "top1": 0.93 - worse/20, "payload_bytes": map[string]any{"mean": 85, "p95": 100}, "sweep": sweep})
}

func parsed(t *testing.T, name string, doc map[string]any) *report.Eval {
	t.Helper()
	data, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	e, err := report.ParseEval(name+".json", name, data)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// full has everything that a report can be made of.
func full(t *testing.T) report.Input {
	t.Helper()
	cloud, found := from("server.json", profile("server", 0.11, 0)), from("search "+hostile+".json", results())
	model := from("net.onnx", &report.Model{InputBytes: 12288, Cuts: []report.CutSize{
		{Names: []string{"cut3", "rb1"}, Tensor: "t1", Bytes: 80000}, {Names: []string{"cut5", "rb2"}, Tensor: "t2", Bytes: 40000}}})
	model.SHA256 = source
	in := report.Input{
		Profiles: []report.From[*plan.Profile]{from("phone.json", profile("phone", 1, 2500))}, Cloud: &cloud, Results: &found, Model: &model,
		Evals:  []report.From[*report.Eval]{from("aware.json", evaluation(t, "aware", 0.05)), from("naive.json", evaluation(t, hostile, 0.5))},
		Limits: plan.Limits{LossPoints: ptr(2)},
	}
	for _, n := range plan.Networks[:3] {
		in.Networks = append(in.Networks, report.From[plan.Network]{Value: n})
	}
	in.Networks = append(in.Networks, from("campus.json", plan.Network{Name: "campus", Uplink: 12e6, RTT: 20e6, Alpha: 283, Beta: 132, TailMJ: 5}))
	return in
}

func made(t *testing.T, in report.Input) *report.Report {
	t.Helper()
	r, err := report.New(in)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func written(t *testing.T, write func(*bytes.Buffer) error) string {
	t.Helper()
	var b bytes.Buffer
	if err := write(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func page(t *testing.T, r *report.Report) string {
	return written(t, func(b *bytes.Buffer) error { return r.WriteHTML(b) })
}

// TestSameBytes: two reports of the same files are the same.
func TestSameBytes(t *testing.T) {
	one, two := made(t, full(t)), made(t, full(t))
	if page(t, one) != page(t, two) {
		t.Error("two pages differ")
	}
	markdown := func(r *report.Report) string {
		return written(t, func(b *bytes.Buffer) error { return r.WriteMarkdown(b) })
	}
	if markdown(one) != markdown(two) {
		t.Error("two Markdown texts differ")
	}
}

// TestErrors: what does not fit together is refused, with names.
func TestErrors(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*report.Input)
		want   string
	}{
		"no profile":       {func(in *report.Input) { in.Profiles = nil }, "no profile"},
		"another model":    {func(in *report.Input) { in.Model.SHA256 = "77" }, "net.onnx"},
		"another search":   {func(in *report.Input) { in.Results.Value.SourceSHA256 = "77" }, "the results are of"},
		"no reference":     {func(in *report.Input) { in.Results.Value.Baseline.Primary = nil }, "the model as it is"},
		"no network":       {func(in *report.Input) { in.Networks = nil }, "no network"},
		"missing entry":    {func(in *report.Input) { in.Cloud.Value.Cuts = in.Cloud.Value.Cuts[2:] }, "rb1"},
		"negative payload": {func(in *report.Input) { in.Results.Value.Candidates[0].PayloadBytes = -1 }, "payload_bytes"},
	} {
		in := full(t)
		c.change(&in)
		if _, err := report.New(in); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, expected %q", name, err, c.want)
		}
	}
}

func TestParseEval(t *testing.T) {
	for doc, want := range map[string]string{
		`[]`:                  "file.json",
		`{}`:                  "n is 0",
		`{"n":5,"top1":null}`: "top1 is missing",
		`{"n":5,"top1":1.5}`:  "from 0 to 1",
		`{"n":5,"top1":0.5,"payload_bytes":{"mean":-1}}`:                                                      "above 0",
		`{"n":5,"top1":0.5,"payload_bytes":{"mean":1},"sweep":[{"quality":5,"top1":0.5,"payload_bytes":0}]}`:  "sweep[0].payload_bytes",
		`{"n":5,"top1":0.5,"payload_bytes":{"mean":1},"sweep":[{"quality":5,"top1":null,"payload_bytes":3}]}`: "sweep[0].top1",
	} {
		if _, err := report.ParseEval("file.json", "x", []byte(doc)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, expected %q", doc, err, want)
		}
	}
}
