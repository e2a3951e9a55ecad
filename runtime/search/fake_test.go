package search

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sync"
	"testing"

	"github.com/bottlenet/bnc/runtime/plan"
)

// model is a synthetic accuracy: what a candidate loses in full training and in a
// screening, in points. Depth is the place's number; both are monotone in c, s.
type model struct {
	lost     func(depth, c, s int) float64
	screened func(depth, c, s int) float64
}

// trainer is a Trainer over a model that notes what it did. It ends with an error
// at the call number dieAt, before that has a result, as a process that is killed.
type trainer struct {
	model
	dieAt    int
	mu       sync.Mutex
	calls    []string
	warm     map[string]string
	freed    []string
	finished []string
}

var errKilled = errors.New("killed")

const base = 0.9

func (t *trainer) did(what string, c plan.Candidate) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.calls = append(t.calls, what+" "+c.String())
	if len(t.calls) == t.dieAt {
		return errKilled
	}
	return nil
}

func (t *trainer) outcome(c plan.Candidate, lost float64) Outcome {
	top1 := base - lost/100
	return Outcome{Accuracy: plan.Accuracy{Primary: &top1}, PayloadBytes: 10 + 100*float64(c.C)/float64(c.S*c.S)}
}

func depth(c plan.Candidate) (d int) {
	fmt.Sscanf(c.Cut, "rb%d", &d)
	return d
}

func (t *trainer) Screen(_ context.Context, c plan.Candidate) (Outcome, error) {
	if err := t.did("screen", c); err != nil {
		return Outcome{}, err
	}
	return t.outcome(c, t.screened(depth(c), c.C, c.S)), nil
}

func (t *trainer) Train(_ context.Context, c plan.Candidate, from *plan.Candidate) (Outcome, error) {
	if err := t.did("train", c); err != nil {
		return Outcome{}, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if from != nil {
		if t.warm == nil {
			t.warm = map[string]string{}
		}
		t.warm[c.String()] = from.String()
	}
	o := t.outcome(c, t.lost(depth(c), c.C, c.S))
	o.Bundle = "bundles/" + c.String()
	return o, nil
}

func (t *trainer) Screened(cut string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.freed = append(t.freed, cut)
	return nil
}

func (t *trainer) Finished(c plan.Candidate) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.finished = append(t.finished, c.String())
	return nil
}

// gentle loses less with more channels and a smaller stride, more in early
// places; a screening loses six points more than a full training.
var gentle = model{
	lost:     func(d, c, s int) float64 { return 8 / float64(c*d) * float64(s) },
	screened: func(d, c, s int) float64 { return 6 + 8/float64(c*d)*float64(s) },
}

func testPlan(exhaustive bool) *Plan {
	places := []Place{{"rb1", "t1", 8}, {"rb2", "t2", 8}, {"rb3", "t3", 8}, {"rb8", "t8", 8}}
	var sizes []Size
	for _, c := range []int{1, 2, 4} {
		for _, s := range []int{1, 2} {
			sizes = append(sizes, Size{C: c, S: s})
		}
	}
	top1 := base
	return &Plan{
		Format: PlanFormat, Kind: KindPlan, Model: "net.onnx", Settings: json.RawMessage(`{"epochs": 3}`), SourceSHA256: "ab", DataSHA256: "cd", MaxLoss: 2, Margin: 8,
		Exhaustive: exhaustive, Baseline: plan.Accuracy{Primary: &top1}, Candidates: Candidates(places, sizes, 7),
	}
}

func begin(t *testing.T, p *Plan, tr *trainer) *Search {
	t.Helper()
	s := &Search{Plan: p, Dir: Dir(t.TempDir()), Trainer: tr}
	if err := s.Dir.WritePlan(p, asItIs); err != nil {
		t.Fatal(err)
	}
	return s
}

// collected returns a finished search's results, and their file without what two
// runs do not share: times.
func collected(t *testing.T, s *Search) (*plan.Results, string) {
	t.Helper()
	r, missing, err := s.Dir.Collect(s.Plan)
	if err != nil || missing != 0 {
		t.Fatalf("%d missing, %v", missing, err)
	}
	again, err := plan.OpenResults(s.Dir.ResultsFile())
	if err != nil {
		t.Fatal(err)
	}
	for i := range again.Candidates {
		c := &again.Candidates[i]
		c.Seconds = 0
		if at, ok := c.Settings[screening].(map[string]any); ok {
			delete(at, "seconds")
		}
	}
	b, err := json.MarshalIndent(again, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return r, string(b)
}

// chosen returns the smallest payload of each place that keeps the loss.
func chosen(r *plan.Results, maxLoss float64) map[string]string {
	best := map[string]plan.Candidate{}
	for _, c := range r.Candidates {
		if c.Status != plan.StatusTrained || c.Loss > maxLoss {
			continue
		}
		if b, ok := best[c.Cut]; !ok || c.PayloadBytes < b.PayloadBytes {
			best[c.Cut] = c
		}
	}
	names := map[string]string{}
	for cut, c := range best {
		names[cut] = c.String()
	}
	return names
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func noLeftovers(t *testing.T, d Dir) {
	t.Helper()
	entries, err := os.ReadDir(string(d) + "/candidates")
	must(t, err)
	for _, e := range entries {
		if len(e.Name()) != len("0000.json") {
			t.Errorf("%s is left over", e.Name())
		}
	}
}

// asItIs upgrades nothing.
func asItIs(*Plan) error { return nil }
