package search

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/bottlenet/bnc/runtime/plan"
)

// TestPrunedChoosesTheSame compares the pruned search with one that trains
// everything, over accuracies of many kinds that are monotone and whose
// screenings lose at most the margin more.
func TestPrunedChoosesTheSame(t *testing.T) {
	models := []model{gentle, {lost: func(d, c, s int) float64 { return 0.5 }, screened: func(d, c, s int) float64 { return 3 }}}
	for seed := range uint64(12) {
		r := rand.New(rand.NewPCG(seed, 1))
		a, b, e := 1+9*r.Float64(), 0.2+2*r.Float64(), 8*r.Float64()
		lost := func(d, c, s int) float64 { return a / math.Pow(float64(c), b) * float64(s) / float64(d) }
		models = append(models, model{lost, func(d, c, s int) float64 { return lost(d, c, s) + e }})
	}
	trained, all := 0, 0
	for i, m := range models {
		fast, full := &trainer{model: m}, &trainer{model: m}
		small := func(exhaustive bool) *Plan {
			p := testPlan(exhaustive)
			p.Candidates = Candidates([]Place{{"rb1", "t1", 8}, {"rb3", "t3", 8}}, []Size{{C: 1, S: 1}, {C: 1, S: 2}, {C: 2, S: 1}, {C: 2, S: 2}, {C: 4, S: 1}, {C: 4, S: 2}}, 7)
			return p
		}
		pruned, exhaustive := begin(t, small(false), fast), begin(t, small(true), full)
		must(t, pruned.All(t.Context()))
		must(t, exhaustive.All(t.Context()))
		a, _ := collected(t, pruned)
		b, _ := collected(t, exhaustive)
		if got, want := chosen(a, 2), chosen(b, 2); !maps.Equal(got, want) {
			t.Errorf("model %d: the pruned search chooses %v, the exhaustive one %v", i, got, want)
		}
		for _, c := range b.Candidates {
			if c.Status != plan.StatusTrained {
				t.Errorf("model %d: the exhaustive search left %s %s: %s", i, c, c.Status, c.Reason)
			}
		}
		for _, c := range a.Candidates {
			if c.Status != plan.StatusTrained && c.Reason == "" {
				t.Errorf("model %d: %s is %s without a reason", i, c, c.Status)
			}
		}
		for _, call := range fast.calls {
			if strings.HasPrefix(call, "train ") {
				trained++
			}
		}
		all += len(full.calls)
	}
	if trained*3 > all*2 {
		t.Errorf("the pruned searches trained %d of %d candidates: not much was pruned", trained, all)
	}
}

// TestRules gives what becomes of each candidate of a worked example: place by
// place, what was called, and the reasons.
func TestRules(t *testing.T) {
	tr := &trainer{model: model{
		lost: func(d, c, s int) float64 { return map[int]float64{1: 30, 2: 1, 4: 0.5}[c] },
		screened: func(d, c, s int) float64 {
			return map[Size]float64{{C: 1, S: 1}: 25, {C: 2, S: 1}: 8, {C: 4, S: 1}: 5, {C: 1, S: 2}: 60, {C: 2, S: 2}: 9, {C: 4, S: 2}: 40}[Size{C: c, S: s}]
		},
	}}
	p := testPlan(false)
	p.Candidates = Candidates([]Place{{"rb1", "t", 8}}, []Size{{C: 1, S: 1}, {C: 1, S: 2}, {C: 2, S: 1}, {C: 2, S: 2}, {C: 4, S: 1}, {C: 4, S: 2}}, 1)
	p.Candidates[0].Reason = "c 1: not possible here" // c1 s2
	s := begin(t, p, tr)
	must(t, s.All(t.Context()))
	want := []string{
		"screen rb1 c=4 s=1", "screen rb1 c=2 s=1", "screen rb1 c=1 s=1", "screen rb1 c=4 s=2", // c2 s2 is skipped: 40 > 2 + 8
		"train rb1 c=2 s=1", "train rb1 c=4 s=1",
	}
	if !slices.Equal(tr.calls, want) {
		t.Errorf("called\n%q\nexpected\n%q", tr.calls, want)
	}
	r, _ := collected(t, s)
	for _, c := range []struct{ name, status, reason string }{
		{"rb1 c=1 s=2", plan.StatusSkipped, "not possible here"},
		{"rb1 c=2 s=2", plan.StatusSkipped, "rb1 c=4 s=2 loses 40.0 points in the screening"},
		{"rb1 c=4 s=2", plan.StatusScreened, "loses 40.0 points in the screening: more than 10.0"},
		{"rb1 c=1 s=1", plan.StatusScreened, "loses 25.0 points"},
		{"rb1 c=2 s=1", plan.StatusTrained, ""},
		{"rb1 c=4 s=1", plan.StatusTrained, ""},
	} {
		i := slices.IndexFunc(r.Candidates, func(k plan.Candidate) bool { return k.String() == c.name })
		if got := r.Candidates[i]; got.Status != c.status || !strings.Contains(got.Reason, c.reason) || (got.Reason == "") != (c.reason == "") {
			t.Errorf("%s is %s (%s), expected %s (%s)", c.name, got.Status, got.Reason, c.status, c.reason)
		}
	}
	if !maps.Equal(tr.warm, map[string]string{"rb1 c=4 s=1": "rb1 c=2 s=1"}) {
		t.Errorf("warm starts %v", tr.warm)
	}
	if len(tr.freed) == 0 {
		t.Error("the trainer was not told that the screenings are over")
	}
}

// coded is a trainer whose second codec takes a quarter of the bytes, and at lower
// qualities loses more and takes fewer.
type coded struct{ *trainer }

func (c coded) outcome(of plan.Candidate, o Outcome) Outcome {
	if of.Codec == "other" {
		*o.Primary -= 0.1 * (50 - float64(of.Quality)) / 50
		o.PayloadBytes *= float64(of.Quality) / 200
	}
	return o
}

func (c coded) Screen(ctx context.Context, of plan.Candidate) (Outcome, error) {
	o, err := c.trainer.Screen(ctx, of)
	return c.outcome(of, o), err
}

func (c coded) Train(ctx context.Context, of plan.Candidate, from *plan.Candidate) (Outcome, error) {
	o, err := c.trainer.Train(ctx, of, from)
	return c.outcome(of, o), err
}

// TestCodecs: at a place the best of all codecs is found. What loses too much in the
// screening rules out less of the same codec, channels or quality, and nothing of another.
func TestCodecs(t *testing.T) {
	flat := func(d, c, s int) float64 { return map[int]float64{1: 30, 2: 1.5, 4: 1}[c] }
	tr := &trainer{model: model{flat, flat}}
	p := testPlan(false)
	sizes := []Size{{C: 1, S: 1}, {C: 2, S: 1}}
	for _, c := range []int{1, 2, 4} {
		for _, q := range []int{5, 10, 45, 50} {
			sizes = append(sizes, Size{c, 1, plan.Coding{Codec: "other", Quality: q}})
		}
	}
	p.MaxLoss, p.Margin = 2, 7.5
	p.Candidates = Candidates([]Place{{"rb1", "t", 4}}, sizes, 1)
	s := begin(t, p, tr)
	s.Trainer = coded{tr}
	must(t, s.All(t.Context()))
	want := []string{
		"screen rb1 c=4 s=1 other q=50", "screen rb1 c=4 s=1 other q=45", "screen rb1 c=4 s=1 other q=10", "screen rb1 c=4 s=1 other q=5",
		"screen rb1 c=2 s=1 other q=50", "screen rb1 c=2 s=1 other q=45", "screen rb1 c=2 s=1 other q=10", "screen rb1 c=2 s=1", "screen rb1 c=1 s=1 other q=50", "screen rb1 c=1 s=1",
	}
	if got := tr.calls[:min(len(want), len(tr.calls))]; !slices.Equal(got, want) {
		t.Errorf("called\n%q\nexpected\n%q", got, want)
	}
	r, _ := collected(t, s)
	if best := p.Found(r)[0].Smallest; best == nil || best.String() != "rb1 c=2 s=1 other q=50" {
		t.Errorf("found %v", best)
	}
	for _, c := range []struct{ name, status, reason string }{
		{"rb1 c=2 s=1 other q=5", plan.StatusSkipped, "rb1 c=4 s=1 other q=5 loses 10.0 points in the screening, more than 9.5: fewer channels lose no less"},
		{"rb1 c=1 s=1 other q=45", plan.StatusSkipped, "rb1 c=1 s=1 other q=50 loses 30.0 points in the screening, more than 9.5: a lower quality loses no less"},
		{"rb1 c=1 s=1", plan.StatusScreened, "loses 30.0 points"},
	} {
		i := slices.IndexFunc(r.Candidates, func(k plan.Candidate) bool { return k.String() == c.name })
		if got := r.Candidates[i]; got.Status != c.status || !strings.Contains(got.Reason, c.reason) {
			t.Errorf("%s is %s (%s), expected %s (%s)", c.name, got.Status, got.Reason, c.status, c.reason)
		}
	}
}

// TestNoSurvivor: where every screening is hopeless, the best is trained all the
// same, so that a wrong margin costs no place.
func TestNoSurvivor(t *testing.T) {
	tr := &trainer{model: model{gentle.lost, func(d, c, s int) float64 { return 15 + float64(s) - float64(c)/10 }}}
	s := begin(t, testPlan(false), tr)
	must(t, s.All(t.Context()))
	r, _ := collected(t, s)
	for _, cut := range []string{"rb1", "rb2", "rb3", "rb8"} {
		if !slices.Contains(tr.calls, "train "+cut+" c=4 s=1") {
			t.Errorf("%s: the best was not trained", cut)
		}
	}
	for _, c := range r.Candidates {
		if c.Status != plan.StatusTrained && c.Reason == "" {
			t.Errorf("%s is %s without a reason", c, c.Status)
		}
	}
}

// TestLimitIsKept: what loses exactly the limit keeps it, whatever floating point makes of
// the difference.
func TestLimitIsKept(t *testing.T) {
	for base := 50; base <= 100; base++ {
		p := &Plan{MaxLoss: 2, Baseline: plan.Accuracy{Primary: new(float64(base) / 100)}}
		top1 := float64(base-2) / 100
		var c plan.Candidate
		p.judge(&c, Outcome{Accuracy: plan.Accuracy{Primary: &top1}}, task{}, 0)
		if c.Loss > p.MaxLoss || top1 < p.Goal() {
			t.Errorf("%d%%: loses %v, reached %v of %v", base, c.Loss, top1, p.Goal())
		}
	}
}

// TestResume ends a search at each of its calls, as a kill does, and goes on with
// another process: nothing that was finished is done again, and the results are
// those of one go.
func TestResume(t *testing.T) {
	planned := func() *Plan {
		p := testPlan(false)
		p.Candidates = Candidates([]Place{{"rb1", "t1", 8}, {"rb8", "t8", 8}}, []Size{{C: 1, S: 1}, {C: 1, S: 2}, {C: 2, S: 1}, {C: 2, S: 2}, {C: 4, S: 2}}, 7)
		return p
	}
	whole := &trainer{model: gentle}
	s := begin(t, planned(), whole)
	must(t, s.All(t.Context()))
	_, want := collected(t, s)
	for at := 1; at <= len(whole.calls); at++ {
		first, second := &trainer{model: gentle, dieAt: at}, &trainer{model: gentle}
		s := begin(t, planned(), first)
		if err := s.All(t.Context()); !errors.Is(err, errKilled) {
			t.Fatalf("call %d: %v", at, err)
		}
		if _, missing, err := s.Dir.Collect(s.Plan); err != nil || missing == 0 {
			t.Fatalf("call %d: %d missing, %v", at, missing, err)
		}
		must(t, s.Dir.WritePlan(planned(), asItIs)) // the same search
		s.Trainer = second
		must(t, s.All(t.Context()))
		if _, got := collected(t, s); got != want {
			t.Errorf("killed at call %d: results\n%s\nexpected\n%s", at, got, want)
		}
		if calls := slices.Concat(first.calls[:at-1], second.calls); !slices.Equal(calls, whole.calls) {
			t.Errorf("killed at call %d: called %q, expected %q", at, calls, whole.calls)
		}
		noLeftovers(t, s.Dir)
	}
}

// TestTasks runs candidates by index, in several orders, one by one and at once:
// the results are those of the single process, and nothing is done twice.
func TestTasks(t *testing.T) {
	for _, exhaustive := range []bool{false, true} {
		single := &trainer{model: gentle}
		s := begin(t, testPlan(exhaustive), single)
		must(t, s.All(t.Context()))
		_, want := collected(t, s)
		slices.Sort(single.calls)
		n := len(s.Plan.Candidates)
		for name, order := range map[string][]int{
			"backwards": backwards(n), "shuffled": rand.New(rand.NewPCG(3, 3)).Perm(n),
		} {
			for _, workers := range []int{1, 4} {
				tr := &trainer{model: gentle}
				dir := begin(t, testPlan(exhaustive), tr).Dir
				runTasks(t, dir, tr, order, workers)
				if _, got := collected(t, &Search{Plan: s.Plan, Dir: dir}); got != want {
					t.Errorf("%s, %d workers: results\n%s\nexpected\n%s", name, workers, got, want)
				}
				slices.Sort(tr.calls)
				if !slices.Equal(tr.calls, single.calls) {
					t.Errorf("%s, %d workers: called %q, expected %q", name, workers, tr.calls, single.calls)
				}
			}
		}
	}
}

// TestParallel finishes candidates with several workers of one process: as one does, and
// the first error ends them all.
func TestParallel(t *testing.T) {
	single := &trainer{model: gentle}
	s := begin(t, testPlan(false), single)
	must(t, s.All(t.Context()))
	_, want := collected(t, s)
	slices.Sort(single.calls)
	for _, workers := range []int{1, 3, 9} {
		tr := &trainer{model: gentle}
		s := begin(t, testPlan(false), tr)
		var opened, closed atomic.Int64
		open := func() (*Search, func(), error) {
			opened.Add(1)
			return &Search{Plan: s.Plan, Dir: s.Dir, Trainer: tr}, func() { closed.Add(1) }, nil
		}
		must(t, Parallel(t.Context(), s.Plan, workers, open))
		if _, got := collected(t, s); got != want {
			t.Errorf("%d workers: results\n%s\nexpected\n%s", workers, got, want)
		}
		slices.Sort(tr.calls)
		if !slices.Equal(tr.calls, single.calls) {
			t.Errorf("%d workers: called %q, expected %q", workers, tr.calls, single.calls)
		}
		if n := int64(min(workers, len(s.Plan.Places()))); opened.Load() != n || closed.Load() != n {
			t.Errorf("%d workers: %d opened, %d closed, expected %d", workers, opened.Load(), closed.Load(), n)
		}
		tr.dieAt = len(tr.calls) + 1
		s.Dir = begin(t, testPlan(false), tr).Dir
		if err := Parallel(t.Context(), s.Plan, workers, open); !errors.Is(err, errKilled) {
			t.Errorf("%d workers: %v, expected the first error", workers, err)
		}
	}
}

// runTasks is an array job: each task opens the plan and does one index.
func runTasks(t *testing.T, dir Dir, tr *trainer, order []int, workers int) {
	tasks := make(chan int, len(order))
	for _, i := range order {
		tasks <- i
	}
	close(tasks)
	var group sync.WaitGroup
	for range workers {
		group.Go(func() {
			for i := range tasks {
				p, err := OpenPlan(dir.PlanFile())
				if err == nil {
					err = (&Search{Plan: p, Dir: dir, Trainer: tr}).Run(t.Context(), i)
				}
				if err != nil {
					t.Errorf("task %d: %v", i, err)
				}
			}
		})
	}
	group.Wait()
}

func indices(n int) (list []int) {
	for i := range n {
		list = append(list, i)
	}
	return list
}

func backwards(n int) []int {
	list := indices(n)
	slices.Reverse(list)
	return list
}

// broken fails at its own candidates.
type broken struct{ *trainer }

func (b broken) Train(ctx context.Context, c plan.Candidate, from *plan.Candidate) (Outcome, error) {
	if c.C == 2 {
		b.did("train", c)
		return Outcome{}, &CandidateError{errors.New("loss is no number")}
	}
	o, err := b.trainer.Train(ctx, c, from)
	if c.C == 4 {
		o.Hopeless = "89% after epoch 2 of 3"
	}
	return o, err
}

// TestFailures: a candidate's own failure is a result, and the search goes on; so
// is a training that ended early.
func TestFailures(t *testing.T) {
	s := begin(t, testPlan(true), &trainer{model: gentle})
	s.Trainer = broken{s.Trainer.(*trainer)}
	must(t, s.All(t.Context()))
	r, _ := collected(t, s)
	for _, c := range r.Candidates {
		want, reason := plan.StatusTrained, ""
		switch c.C {
		case 2:
			want, reason = plan.StatusFailed, "loss is no number"
		case 4:
			want, reason = plan.StatusFailed, "89% after epoch 2 of 3"
		}
		if c.Status != want || c.Reason != reason {
			t.Errorf("%s is %s (%s), expected %s (%s)", c, c.Status, c.Reason, want, reason)
		}
	}
}

// TestCancel: what is interrupted has no result.
func TestCancel(t *testing.T) {
	tr := &trainer{model: gentle}
	s := begin(t, testPlan(false), tr)
	ctx, cancel := context.WithCancel(t.Context())
	s.Event = func(e Event) {
		if e.What == "training" {
			cancel()
		}
	}
	if err := s.All(ctx); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	known, err := s.Dir.all(s.Plan)
	must(t, err)
	for _, c := range known {
		if c.Status == plan.StatusTrained {
			t.Errorf("%s is trained", c)
		}
	}
}

// TestEvents: the count of what is done grows to all, and the estimate ends at 0.
func TestEvents(t *testing.T) {
	s := begin(t, testPlan(false), &trainer{model: gentle})
	last, estimates := Event{}, 0
	s.Event = func(e Event) {
		if e.Done < last.Done || e.Total != 24 {
			t.Errorf("%d of %d after %d", e.Done, e.Total, last.Done)
		}
		if e.Left != nil {
			estimates++
		}
		last = e
	}
	must(t, s.All(t.Context()))
	if last.Done != last.Total || last.Left == nil || *last.Left != 0 || estimates < 10 {
		t.Errorf("last event %+v, %d estimates", last, estimates)
	}
}

// TestLeftBeforeTheEnd: as long as something is still to be done the estimate is not 0,
// and once a place is finished it is near what is really to come: also where the last
// place needs more trainings than the two that every place has.
func TestLeftBeforeTheEnd(t *testing.T) {
	for _, exhaustive := range []bool{false, true} {
		// At rb8 the smallest that is good enough is the largest of six.
		hard := model{
			lost: func(d, c, s int) float64 {
				if d == 8 && !(c == 4 && s == 1) {
					return 3
				}
				return 1
			},
			screened: func(d, c, s int) float64 { return 7 },
		}
		tr := &trainer{model: hard}
		s := begin(t, testPlan(exhaustive), tr)
		type moment struct {
			left  *float64
			calls int // before it
		}
		var moments []moment
		s.Event = func(e Event) { moments = append(moments, moment{e.Left, len(tr.calls)}) }
		must(t, s.All(t.Context()))
		for i, m := range moments {
			if m.left != nil && (*m.left == 0) != (m.calls == len(tr.calls)) {
				t.Errorf("exhaustive %v, event %d: %v seconds left after %d of %d tasks", exhaustive, i, *m.left, m.calls, len(tr.calls))
			}
		}
	}
}

// TestLeftCounts estimates a search that is as far as said, with screenings of 10 seconds
// and trainings of 100.
func TestLeftCounts(t *testing.T) {
	p := testPlan(false)
	s := begin(t, p, &trainer{model: gentle})
	must(t, s.All(t.Context()))
	all, err := s.Dir.all(p)
	must(t, err)
	for i := range all {
		c := &all[i]
		if at, ok := c.Settings[screening].(map[string]any); ok {
			at["seconds"] = 10.0
			c.Seconds = 10
		}
		if c.Status == plan.StatusTrained {
			c.Seconds = 110
		}
	}
	fresh := func(known []plan.Candidate, cut string) []plan.Candidate {
		known = slices.Clone(known)
		for i, c := range p.Candidates {
			if c.Cut == cut {
				known[i] = c
			}
		}
		return known
	}
	if _, left := p.progress(all); *left != 0 {
		t.Errorf("%v seconds left of a finished search", *left)
	}
	trained := map[string]int{}
	for _, c := range all {
		if c.Status == plan.StatusTrained {
			trained[c.Cut]++
		}
	}
	// What a place takes that is not begun: six screenings, and as many trainings as the
	// others took on average, two at least.
	others := float64(trained["rb1"]+trained["rb2"]+trained["rb3"]) / 3
	want := 6*10 + 100*max(2, math.Round(others))
	if _, left := p.progress(fresh(all, "rb8")); *left != want {
		t.Errorf("%v seconds left with one place to go, expected %v (trained %v)", *left, want, trained)
	}
}

// TestOtherPlan: a folder is one search's only, and says what is different.
func TestOtherPlan(t *testing.T) {
	s := begin(t, testPlan(false), nil)
	other := testPlan(false)
	other.MaxLoss = 3
	var refused *OtherPlanError
	if err := s.Dir.WritePlan(other, asItIs); !errors.As(err, &refused) || !strings.Contains(err.Error(), "max_loss is 2 there and 3 now") {
		t.Errorf("%v", err)
	}
}

func TestBadFiles(t *testing.T) {
	for name, change := range map[string]func(d Dir) error{
		"kind":              func(d Dir) error { return os.WriteFile(d.PlanFile(), []byte(`{"format":1,"kind":"search"}`), 0o644) },
		"unexpected end":    func(d Dir) error { return os.WriteFile(d.PlanFile(), []byte(`{"format":1,`), 0o644) },
		"is of candidate":   func(d Dir) error { return os.WriteFile(d.file(0), []byte(`{"index":3}`), 0o644) },
		"0000.json":         func(d Dir) error { return os.WriteFile(d.file(0), []byte(`{`), 0o644) },
		"the plan has 0 to": func(d Dir) error { return nil },
	} {
		d := begin(t, testPlan(false), nil).Dir
		must(t, change(d))
		p, err := OpenPlan(d.PlanFile())
		index := 0
		if name == "the plan has 0 to" {
			index = 24
		}
		if err == nil {
			err = (&Search{Plan: p, Dir: d, Trainer: &trainer{model: gentle}}).Run(t.Context(), index)
		}
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestHopeless(t *testing.T) {
	for _, c := range []struct {
		scores []float64
		want   bool
	}{
		{nil, false},
		{[]float64{0.1}, false},             // no gain is known yet
		{[]float64{0.6, 0.7}, false},        // twice 0.1 for one more epoch reaches 0.88
		{[]float64{0.6, 0.65}, true},        // 0.75 at most
		{[]float64{0.86, 0.86}, false},      // near
		{[]float64{0.7, 0.6}, false},        // a leap down
		{[]float64{0.7, 0.69}, true},        // nothing moves
		{[]float64{0.6, 0.65, 0.66}, false}, // it has ended anyway
	} {
		if got := hopeless(c.scores, 0.88, 0.03, 3); got != c.want {
			t.Errorf("%v: %v", c.scores, got)
		}
	}
}

// TestCandidates: sizes from the smallest payload, each at all places.
func TestCandidates(t *testing.T) {
	var got []string
	fine, coarse := plan.Coding{Codec: "other", Quality: 50}, plan.Coding{Codec: "other", Quality: 20}
	sizes := []Size{{C: 2, S: 1}, {C: 1, S: 1}, {C: 2, S: 2}, {AllChannels, 1, fine}, {AllChannels, 1, coarse}}
	for _, c := range Candidates([]Place{{"a", "x", 8}, {"b", "y", 16}}, sizes, 5) {
		got = append(got, fmt.Sprintf("%d %s %s %d", c.Index, c, c.Tensor, c.Seed))
		if (c.Codec == plan.JPEG) != (c.C < 8) {
			t.Errorf("%s: codec %q", c, c.Codec)
		}
	}
	want := []string{"0 a c=2 s=2 x 5", "1 b c=2 s=2 y 5", "2 a c=1 s=1 x 5", "3 b c=1 s=1 y 5", "4 a c=2 s=1 x 5", "5 b c=2 s=1 y 5",
		"6 a c=8 s=1 other q=20 x 5", "7 b c=16 s=1 other q=20 y 5", "8 a c=8 s=1 other q=50 x 5", "9 b c=16 s=1 other q=50 y 5"}
	if !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}
