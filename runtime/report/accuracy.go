package report

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

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

// trainedCandidates returns the trained candidates that have top-1 or, where none has one,
// agreement, the smallest first; of another task those that have its measure. The second
// result says which.
func (b *builder) trainedCandidates() ([]trained, plan.Measure) {
	type kind struct {
		measure plan.Measure
		of      func(*plan.Candidate) *float64
	}
	kinds := []kind{
		{plan.Top1, func(c *plan.Candidate) *float64 { return c.Primary }},
		{plan.Agreement, func(c *plan.Candidate) *float64 { return c.Agreement }},
	}
	if named := b.Results.Value.Measure; named != nil {
		kinds = []kind{{*named, func(c *plan.Candidate) *float64 { return c.Accuracy().Best() }}}
	}
	for _, kind := range kinds {
		var all []trained
		for i := range b.Results.Value.Candidates {
			c := &b.Results.Value.Candidates[i]
			if c.Status == plan.StatusTrained && kind.of(c) != nil {
				all = append(all, trained{Candidate: c, accuracy: *kind.of(c)})
			}
		}
		if len(all) > 0 {
			mark(all, kind.measure)
			return all, kind.measure
		}
	}
	return nil, plan.Measure{}
}

// mark sorts by size and marks the Pareto front.
func mark(all []trained, m plan.Measure) {
	slices.SortStableFunc(all, func(a, b trained) int {
		return cmp.Or(cmp.Compare(a.PayloadBytes, b.PayloadBytes), cmp.Compare(m.Rate(b.accuracy), m.Rate(a.accuracy)))
	})
	best := math.Inf(-1)
	for i := range all {
		if rate := m.Rate(all[i].accuracy); rate > best {
			best, all[i].front = rate, true
		}
	}
}

// accuracyColumns are the headings of what labels say and of the agreement, and their cells.
func (b *builder) accuracyColumns() (headings []string, cells func(plan.Accuracy) []Cell) {
	m := b.Results.Value.Measure
	switch {
	case m == nil:
		return []string{"top-1, %", "agreement, %"}, func(a plan.Accuracy) []Cell { return []Cell{maybe(a.Primary, percent), maybe(a.Agreement, percent)} }
	case b.Results.Value.Baseline.Labels() != nil:
		return []string{m.Heading()}, func(a plan.Accuracy) []Cell { return []Cell{maybe(a.Labels(), in(*m))} }
	}
	return []string{"agreement: " + m.Heading()}, func(a plan.Accuracy) []Cell { return []Cell{maybe(a.Agreement, in(*m))} }
}

// onDevice says a share of the multiply-adds, nothing where it is not known.
func onDevice(share *float64) []string {
	if share == nil {
		return nil
	}
	return []string{fmt.Sprintf("%.1f%% of the multiply-adds on the device", 100**share)}
}

// between is a cell of an interval in points.
func between(i *[2]float64, points float64) Cell {
	if i == nil {
		return text("")
	}
	return text(fmt.Sprintf("%.2f to %.2f", points*i[0], points*i[1]))
}

// in makes cells of values of a measure.
func in(m plan.Measure) func(float64) Cell {
	return func(v float64) Cell { return number("%.2f", m.Points*v) }
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
	much := "much"
	if kind.Lower {
		much = "little"
	}
	headings, accuracy := b.accuracyColumns()
	t := Table{ID: "candidates", Title: "Candidates that were trained",
		Columns: slices.Concat([]string{"cut", "c", "s", "codec", "payload, bytes", "p95", "max"}, headings, []string{"95% interval", "loss, points", "loss, 95% interval", "device, multiply-adds", "device, % of multiply-adds", "on the front", "chosen", "seed", "training, s", "bundle", "source"}),
		Text:    fmt.Sprintf("The front: no other candidate sends as little with as %s %s. Loss is against the model without a bottleneck.", much, kind.Text)}
	if slices.ContainsFunc(all, func(c trained) bool { return c.LossInterval != nil }) {
		t.Text += " Its interval is of 95% confidence, image by image."
	}
	for _, c := range all {
		at := chart.Point{X: c.PayloadBytes, Y: kind.Points * c.accuracy, Label: strings.Join(append([]string{c.String()}, onDevice(c.DeviceShare)...), ", ")}
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
		t.Rows = append(t.Rows, slices.Concat([]Cell{text(c.Cut), channels(c.C), stride(c.S), text(c.Coding.String()), byteCount(c.PayloadBytes), positive(c.PayloadP95, byteCount), positive(float64(c.PayloadMax), byteCount)}, accuracy(c.Accuracy()), []Cell{
			between(c.Interval, kind.Points), points(c.Loss), between(c.LossInterval, 1), maybe(macs(c.Candidate), byteCount), maybe(c.DeviceShare, percent), yes(c.front), yes(chosen[c.Candidate]), integer(c.Seed), positive(c.Seconds, fine), text(c.Bundle), refs(b.candidate(c.Candidate))}))
	}
	series := []chart.Series{others, front, best}
	if whole := b.Results.Value.Baseline.Labels(); whole != nil && kind != plan.Agreement {
		series = append(series, chart.Series{Name: "no bottleneck", Dashed: true, Points: []chart.Point{
			{X: all[0].PayloadBytes, Y: kind.Points * *whole}, {X: all[len(all)-1].PayloadBytes, Y: kind.Points * *whole}}})
	}
	better := "Up"
	if kind.Lower {
		better = "Down"
	}
	c := chart.Chart{Title: "Accuracy against size", X: "payload, bytes an image", Y: kind.Heading(), LogX: true, Width: figureWidth, Height: 340,
		Series: slices.DeleteFunc(series, func(s chart.Series) bool { return len(s.Points) == 0 })}
	s.Figures = append(s.Figures, drawn(c.Title, c, better+" and to the left is better."))
	s.Figures = append(s.Figures, deviceFigure(all, kind, better)...)
	s.Tables = append(s.Tables, t.dense())
}

// macs are a candidate's multiply-adds on the device, nil where they are not known.
func macs(c *plan.Candidate) *float64 {
	if c.DeviceMACs == nil {
		return nil
	}
	return new(float64(*c.DeviceMACs))
}

// deviceFigure shows accuracy against what the device computes, none where that is not known.
func deviceFigure(all []trained, kind plan.Measure, better string) []Figure {
	front, others := chart.Series{Name: "Pareto front of accuracy and size", Scatter: true}, chart.Series{Name: "other candidates", Scatter: true}
	for _, t := range all {
		if t.DeviceShare == nil {
			continue
		}
		at := chart.Point{X: 100 * *t.DeviceShare, Y: kind.Points * t.accuracy, Label: fmt.Sprintf("%s, %s bytes", t.Candidate, byteCount(t.PayloadBytes).Text)}
		if t.front {
			at.Text = t.Cut
			front.Points = append(front.Points, at)
		} else {
			others.Points = append(others.Points, at)
		}
	}
	c := chart.Chart{Title: "Accuracy against what the device computes", X: "multiply-adds on the device, % of the model's", Y: kind.Heading(), Width: figureWidth, Height: 340,
		Series: slices.DeleteFunc([]chart.Series{others, front}, func(s chart.Series) bool { return len(s.Points) == 0 })}
	if len(c.Series) == 0 {
		return nil
	}
	return []Figure{drawn(c.Title, c, better+" and to the left is better; what crosses is the third axis, at each mark.")}
}

// reference returns how good the model as it is is, by what the evaluations tell, and where
// that is said: an agreement's is that of equal answers.
func (b *builder) reference(m plan.Measure) (float64, []Ref, bool) {
	for i, e := range b.Evals {
		if v := e.Value.value(); e.Value.whole() && e.Value.measure() == m {
			return v, []Ref{{b.evals + i, e.Value.entry()}}, true
		}
	}
	if b.Results != nil {
		if r := b.Results.Value; r.Measured() == m && r.Baseline.Labels() != nil {
			entry := "baseline.top1"
			if r.Measure != nil {
				entry = "baseline.labelled"
			}
			return *r.Baseline.Labels(), []Ref{{b.results, entry}}, true
		}
	}
	for i, e := range b.Evals {
		if p := e.Value.Paired; p != nil && e.Value.measure() == m {
			return p.Teacher, []Ref{{b.evals + i, "paired.teacher"}}, true
		}
	}
	if slices.ContainsFunc(b.Evals, func(e From[*Eval]) bool { return e.Value.measure() == m && e.Value.taught() }) {
		return m.Perfect(), nil, true
	}
	return 0, nil, false
}

// evaluations adds the paper's Fig. 7: accuracy lost against bits, of each measure.
func (b *builder) evaluations(s *Section) error {
	var measures []plan.Measure
	for _, e := range b.Evals {
		if m := e.Value.measure(); !e.Value.whole() && !slices.Contains(measures, m) {
			measures = append(measures, m)
		}
	}
	for _, m := range measures {
		if err := b.lost(s, m); err != nil {
			return err
		}
	}
	b.besideImages(s)
	return nil
}

// lost adds what evaluations by a measure lose.
func (b *builder) lost(s *Section, of plan.Measure) error {
	best, from, known := b.reference(of)
	if !known {
		return errors.New("evaluations of bundles need the accuracy of the model as it is: add what bnc eval --json prints of it")
	}
	id, title := "bits", "Accuracy lost against bits"
	if of != plan.Top1 {
		id, title = "bits-"+of.Name, of.Text+" lost against bits"
	}
	t := Table{ID: id, Title: title + " (the paper's Fig. 7)",
		Columns: []string{"evaluation", "quality", "bits an image", "bytes an image", "p95", "max", of.Heading(), "95% interval", "loss, points", "beside the teacher, points", "device, % of multiply-adds", "images", "source"}}
	c := chart.Chart{Title: title, X: "bits an image", Y: of.Text + " lost, points", LogX: true, Width: figureWidth, Height: 340}
	for i, e := range b.Evals {
		if e.Value.whole() || e.Value.measure() != of {
			continue
		}
		line := chart.Series{Name: e.Value.Name}
		for _, m := range e.Value.measurements() {
			if m.paired != nil {
				t.Text = "Beside the teacher: image by image, with its 95% interval."
			}
			lost, intervals := 100*(of.Rate(best)-of.Rate(m.value)), m.intervals(of)
			var label []string
			if m.quality > 0 {
				label = append(label, fmt.Sprintf("quality %d", m.quality))
			}
			line.Points = append(line.Points, chart.Point{X: 8 * m.bytes, Y: lost, Label: strings.Join(append(label, onDevice(e.Value.DeviceShare)...), ", ")})
			t.Rows = append(t.Rows, []Cell{text(e.Value.Name), m.at(), byteCount(8 * m.bytes), byteCount(m.bytes), positive(m.p95, byteCount), positive(m.max, byteCount), in(of)(m.value), intervals[0],
				points(lost), intervals[1], maybe(e.Value.DeviceShare, percent), integer(e.Value.N), refs(append([]Ref{{b.evals + i, m.entry}}, from...)...)})
		}
		c.Series = append(c.Series, line)
	}
	against := "Against the answers of the model as it is."
	if len(from) > 0 {
		against = fmt.Sprintf("Against %s of %s of the model as it is (%s).", of.Text, of.Format(best), from[0])
	}
	s.Figures = append(s.Figures, drawn(c.Title, c, against))
	s.Tables = append(s.Tables, t.dense())
	return nil
}
