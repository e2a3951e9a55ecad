package report

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/bottlenet/bnc/runtime/chart"
	"github.com/bottlenet/bnc/runtime/plan"
)

// accuracy shows accuracy against size: of the search's candidates, and of
// evaluations at several qualities of the codec.
func (b *builder) accuracy() (Section, error) {
	s := Section{ID: "accuracy", Title: "Accuracy and size"}
	if b.Results != nil {
		b.candidates(&s)
	}
	return s, b.evaluations(&s)
}

// trained is a candidate with its accuracy.
type trained struct {
	*plan.Candidate
	accuracy float64
	front    bool // no other is as small and as accurate, and better in one
}

// trainedCandidates returns the trained candidates that have top-1 or, where none
// has one, agreement, the smallest first. The second result says which.
func (b *builder) trainedCandidates() ([]trained, string) {
	for _, kind := range []struct {
		name string
		of   func(*plan.Candidate) *float64
	}{
		{"top-1", func(c *plan.Candidate) *float64 { return c.Primary }},
		{"agreement with the model", func(c *plan.Candidate) *float64 { return c.Agreement }},
	} {
		var all []trained
		for i := range b.Results.Value.Candidates {
			c := &b.Results.Value.Candidates[i]
			if c.Status == plan.StatusTrained && kind.of(c) != nil {
				all = append(all, trained{Candidate: c, accuracy: *kind.of(c)})
			}
		}
		if len(all) > 0 {
			mark(all)
			return all, kind.name
		}
	}
	return nil, ""
}

// mark sorts by size and marks the Pareto front.
func mark(all []trained) {
	slices.SortStableFunc(all, func(a, b trained) int {
		return cmp.Or(cmp.Compare(a.PayloadBytes, b.PayloadBytes), cmp.Compare(b.accuracy, a.accuracy))
	})
	best := math.Inf(-1)
	for i := range all {
		if all[i].accuracy > best {
			best, all[i].front = all[i].accuracy, true
		}
	}
}

// candidates adds the front's figure and the table of what was trained.
func (b *builder) candidates(s *Section) {
	all, kind := b.trainedCandidates()
	if len(all) == 0 {
		s.Text = append(s.Text, "The search has trained no candidate.")
		return
	}
	chosen := map[*plan.Candidate]bool{}
	for i := range b.Networks {
		for _, c := range b.choices(i) {
			chosen[c.row.Origin.Candidate] = true
		}
	}
	front, others, best := chart.Series{Name: "Pareto front"}, chart.Series{Name: "other candidates", Scatter: true}, chart.Series{Name: "chosen", Scatter: true}
	t := Table{ID: "candidates", Title: "Candidates that were trained",
		Columns: []string{"cut", "c", "s", "payload, bytes", "top-1, %", "agreement, %", "loss, points", "on the front", "chosen", "seed", "training, s", "bundle", "source"},
		Text:    fmt.Sprintf("The front: no other candidate sends as little with as much %s. Loss is against the model without a bottleneck.", kind)}
	for _, c := range all {
		at := chart.Point{X: c.PayloadBytes, Y: 100 * c.accuracy, Label: c.String()}
		if c.front {
			front.Points = append(front.Points, at)
		}
		switch {
		case chosen[c.Candidate]:
			at.Text = c.String()
			best.Points = append(best.Points, at)
		case !c.front:
			others.Points = append(others.Points, at)
		}
		t.Rows = append(t.Rows, []Cell{text(c.Cut), channels(c.C), stride(c.S), byteCount(c.PayloadBytes), maybe(c.Primary, percent), maybe(c.Agreement, percent),
			points(c.Loss), yes(c.front), yes(chosen[c.Candidate]), integer(c.Seed), positive(c.Seconds, fine), text(c.Bundle), refs(b.candidate(c.Candidate))})
	}
	series := []chart.Series{others, front, best}
	if top1 := b.Results.Value.Baseline.Primary; top1 != nil && kind == "top-1" {
		series = append(series, chart.Series{Name: "no bottleneck", Dashed: true, Points: []chart.Point{
			{X: all[0].PayloadBytes, Y: 100 * *top1}, {X: all[len(all)-1].PayloadBytes, Y: 100 * *top1}}})
	}
	c := chart.Chart{Title: "Accuracy against size", X: "payload, bytes an image", Y: kind + ", %", LogX: true, Width: figureWidth, Height: 340,
		Series: slices.DeleteFunc(series, func(s chart.Series) bool { return len(s.Points) == 0 })}
	s.Figures = append(s.Figures, drawn(c.Title, c, "Up and to the left is better."))
	s.Tables = append(s.Tables, t.dense())
}

// reference returns the accuracy of the model as it is and where that is said.
func (b *builder) reference() (float64, Ref, bool) {
	for i, e := range b.Evals {
		if e.Value.whole() {
			return *e.Value.Primary, Ref{b.evals + i, "top1"}, true
		}
	}
	if b.Results != nil && b.Results.Value.Baseline.Primary != nil {
		return *b.Results.Value.Baseline.Primary, Ref{b.results, "baseline.top1"}, true
	}
	return 0, Ref{}, false
}

// evaluations adds the paper's Fig. 7: accuracy lost against bits.
func (b *builder) evaluations(s *Section) error {
	t := Table{ID: "bits", Title: "Accuracy lost against bits (the paper's Fig. 7)",
		Columns: []string{"evaluation", "quality", "bits an image", "bytes an image", "top-1, %", "loss, points", "images", "source"}}
	c := chart.Chart{Title: "Accuracy lost against bits", X: "bits an image", Y: "top-1 lost, points", LogX: true, Width: figureWidth, Height: 340}
	top1, from, known := b.reference()
	for i, e := range b.Evals {
		if e.Value.whole() {
			continue
		}
		if !known {
			return errors.New("evaluations of bundles need the accuracy of the model as it is: add what bnc eval --json prints of it")
		}
		line := chart.Series{Name: e.Value.Name}
		for _, m := range e.Value.measurements() {
			lost, quality, label := 100*(top1-m.top1), text(""), ""
			if m.quality > 0 {
				quality, label = integer(m.quality), fmt.Sprintf("quality %d", m.quality)
			}
			line.Points = append(line.Points, chart.Point{X: 8 * m.bytes, Y: lost, Label: label})
			t.Rows = append(t.Rows, []Cell{text(e.Value.Name), quality, byteCount(8 * m.bytes), byteCount(m.bytes), percent(m.top1), points(lost), integer(e.Value.N),
				refs(Ref{b.evals + i, m.entry}, from)})
		}
		c.Series = append(c.Series, line)
	}
	if len(c.Series) == 0 {
		return nil
	}
	s.Figures = append(s.Figures, drawn(c.Title, c, fmt.Sprintf("Against top-1 of %.2f%% of the model as it is (%s).", 100*top1, from)))
	s.Tables = append(s.Tables, t.dense())
	return nil
}
