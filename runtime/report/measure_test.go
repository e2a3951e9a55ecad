package report_test

import (
	"bytes"
	"math"
	"strings"
	"testing"

	"github.com/bottlenet/bnc/runtime/plan"
	"github.com/bottlenet/bnc/runtime/report"
)

// TestOtherMeasures: results and evaluations of another task than classes are shown in its
// measure's words and points; agreement is compared with that of equal answers, and less of
// an error is better.
func TestOtherMeasures(t *testing.T) {
	eval := func(text string) report.From[*report.Eval] {
		e, err := report.ParseEval("e.json", "e", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		return report.From[*report.Eval]{File: report.File{Name: "e.json"}, Value: e}
	}
	in := full(t)
	in.Evals = []report.From[*report.Eval]{
		eval(`{"n": 4, "task": "detect", "top1": null, "agreement": 0.8, "primary": {"name": "ap50", "value": 0.8}, "payload_bytes": {"mean": 1000},
			"measure": {"name": "ap50", "text": "AP50", "points": 100, "unit": "%"},
			"sweep": [{"quality": 50, "top1": null, "primary": {"name": "ap50", "value": 0.9}, "payload_bytes": 2000}]}`),
		eval(`{"n": 4, "task": "regress", "top1": null, "agreement": 0.03, "primary": {"name": "relative_error", "value": 0.03}, "payload_bytes": {"mean": 500},
			"measure": {"name": "relative_error", "text": "relative error", "points": 100, "unit": "%", "lower": true}, "sweep": []}`),
	}
	r := made(t, in)
	near := func(what string, got, want float64) {
		t.Helper()
		if math.Abs(got-want) > 1e-9 {
			t.Errorf("%s: %v, expected %v", what, got, want)
		}
	}
	rows := records(t, r, "bits-ap50")
	near("AP50", rows[0].number["AP50, %"], 80)
	near("lost", rows[0].number["loss, points"], 20)
	near("lost at 50", rows[1].number["loss, points"], 10)
	rows = records(t, r, "bits-relative_error")
	near("error", rows[0].number["relative error, %"], 3)
	near("lost", rows[0].number["loss, points"], 3)

	results := *in.Results
	value := *results.Value
	value.Task, value.Measure = "regress", &plan.Measure{Name: "relative_error", Text: "relative error", Points: 100, Unit: "%", Lower: true}
	value.Baseline = plan.Accuracy{Agreement: new(0.0)}
	value.Candidates = append([]plan.Candidate{}, value.Candidates...)
	for i := range value.Candidates {
		c := &value.Candidates[i]
		if c.Primary, c.Agreement = nil, nil; c.Status == plan.StatusTrained {
			c.Agreement, c.Loss = new(float64(i+1)/100), float64(i+1)
		}
	}
	if err := value.Validate(); err != nil {
		t.Fatal(err)
	}
	results.Value = &value
	in.Results, in.Evals = &results, nil
	r = made(t, in)
	least := math.Inf(1)
	for i, row := range records(t, r, "candidates") { // the smallest first: on the front is what is better than all before
		v := row.number["agreement: relative error, %"]
		if front := row.text["on the front"] != ""; front != (v < least) {
			t.Errorf("row %d: an error of %v behind %v, on the front %v", i, v, least, front)
		}
		least = min(least, v)
	}
	var page bytes.Buffer
	if err := r.WriteHTML(&page); err != nil || !strings.Contains(page.String(), "Down and to the left is better") || strings.Contains(page.String(), "top-1") {
		t.Errorf("the page speaks of top-1, or of an error as of a share (%v)", err)
	}
}
