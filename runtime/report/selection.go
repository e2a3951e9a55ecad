package report

import (
	"fmt"
	"slices"
	"strings"

	"github.com/bottlenet/bnc/runtime/chart"
	"github.com/bottlenet/bnc/runtime/plan"
)

// goals are the selections with what is small in each.
func (b *builder) goals() map[string]*plan.Selection {
	goals := map[string]*plan.Selection{"latency": b.latency}
	if b.energy != nil {
		goals["energy"] = b.energy
	}
	return goals
}

// choice is what one selection has chosen over a network.
type choice struct {
	row  *plan.Row
	best []string // for which it is
}

// choices returns the rows that are best over network i: one, or two where latency
// and energy do not agree.
func (b *builder) choices(i int) []choice {
	var all []choice
	goals := b.goals()
	for _, goal := range []string{"latency", "energy"} {
		s := goals[goal]
		if s == nil || s.Choices[i] == nil {
			continue
		}
		row := s.Choices[i]
		at := slices.IndexFunc(all, func(c choice) bool { return c.row.String() == row.String() })
		if at < 0 {
			at, all = len(all), append(all, choice{row: row})
		}
		all[at].best = append(all[at].best, goal)
	}
	return all
}

// summary says in a few words what is best over each network.
func (b *builder) summary() []Choice {
	var all []Choice
	for i, n := range b.Networks {
		chosen := b.choices(i)
		if len(chosen) == 0 {
			all = append(all, Choice{Network: n.Value.Name, Division: "none", Latency: "no cut keeps the limits"})
		}
		for _, c := range chosen {
			s := Choice{Network: n.Value.Name, Division: c.row.String(), Latency: fine(c.row.LatencyMS).Text + " ms", Aspect: strings.Join(c.best, " and ")}
			if c.row.EnergyMJ != nil {
				s.Energy = fine(*c.row.EnergyMJ).Text + " mJ"
			}
			for _, base := range b.latency.Baselines {
				if base.Network == n.Value.Name {
					s.Remarks = append(s.Remarks, compared(c.row, base)...)
				}
			}
			all = append(all, s)
		}
	}
	return all
}

// compared says how much better a choice is than cloud-only, and in what another way
// is better than the choice.
func compared(r *plan.Row, base plan.Baseline) []string {
	way := strings.TrimSpace(base.Way + " " + base.Cut)
	var all []string
	for _, q := range []struct {
		name, unit string
		choice     *float64
		base       *float64
	}{{"latency", "ms", &r.LatencyMS, &base.LatencyMS}, {"energy", "mJ", r.EnergyMJ, base.EnergyMJ}} {
		switch {
		case q.choice == nil || q.base == nil:
		case *q.base < *q.choice:
			all = append(all, fmt.Sprintf("%s takes less %s: %s %s", way, q.name, fine(*q.base).Text, q.unit))
		case base.Way == plan.CloudOnly && *q.choice > 0:
			all = append(all, fmt.Sprintf("cloud-only takes %s times the %s", gain(*q.base / *q.choice).Text, q.name))
		}
	}
	return all
}

// ways is the paper's Table 5: the choices beside the other ways to run the model.
func (b *builder) ways() Section {
	t := Table{
		ID: "ways", Title: "Choices and other ways to run the model (the paper's Table 5)",
		Columns: []string{"network", "way", "best for", "cut", "c", "s", "codec", "bytes sent", b.accuracyHeading(), "device, % of multiply-adds", "latency, ms", "printed, ms", "energy, mJ", "printed, mJ",
			"latency gain", "printed gain", "energy gain", "printed gain", "source"},
		Text: "Latency is mobile + link + cloud. Link is bytes * 8 / uplink + round trip (and the result's way back where the network tells it). " +
			"Energy is the device's: power of computing times time, and power of sending times time. " +
			"A gain is how many times the best is better than this way. Printed: what the profile's source prints itself; nothing is computed from it.",
	}
	for i, n := range b.Networks {
		for _, c := range b.choices(i) {
			r := c.row
			ms, mj := fine(r.LatencyMS), maybe(r.EnergyMJ, fine)
			ms.Chosen, mj.Chosen = slices.Contains(c.best, "latency"), slices.Contains(c.best, "energy")
			var p plan.Published
			from := b.origin(r.Origin, r.EnergyMJ)
			if r.Published != nil {
				p = *r.Published
				from = append(from, b.published(r.Published))
			}
			t.Rows = append(t.Rows, []Cell{text(n.Value.Name), text("split"), text(strings.Join(c.best, ", ")), text(r.Cut), channels(r.C), stride(r.S), text(r.Coding.String()), byteCount(r.PayloadBytes),
				maybe(r.Accuracy, b.inPoints), maybe(deviceShare(r), percent), ms, positive(p.LatencyMS, fine), mj, positive(p.EnergyMJ, fine), text(""), text(""), text(""), text(""), refs(from...)})
		}
		for _, base := range b.baselines(n.Value.Name) {
			var p plan.Published
			if base.Published != nil {
				p = *base.Published
			}
			t.Rows = append(t.Rows, []Cell{text(n.Value.Name), text(base.Way), text(""), text(base.Cut), text(""), text(""), text(""), byteCount(base.PayloadBytes), b.unsplit(), text(""),
				fine(base.LatencyMS), positive(p.LatencyMS, fine), maybe(base.EnergyMJ, fine), positive(p.EnergyMJ, fine),
				maybe(base.LatencyGain, gain), positive(p.LatencyGain, gain), maybe(base.EnergyGain, gain), positive(p.EnergyGain, gain), b.baselineOrigin(base)})
		}
	}
	return Section{ID: "choice", Title: "The choice", Tables: []Table{t.dense()}}
}

// deviceShare is the device's part of the multiply-adds, nil where it is not known.
func deviceShare(r *plan.Row) *float64 {
	if r.Origin.Candidate == nil {
		return nil
	}
	return r.Origin.Candidate.DeviceShare
}

// inPoints is a cell of an accuracy of the search.
func (b *builder) inPoints(v float64) Cell {
	if b.Results == nil {
		return percent(v)
	}
	return in(b.Results.Value.Measured())(v)
}

// accuracyHeading is what stands over accuracies of the search.
func (b *builder) accuracyHeading() string {
	if b.Results == nil || b.Results.Value.Measure == nil {
		return "accuracy, %"
	}
	return b.Results.Value.Measure.Heading()
}

// unsplit is the accuracy of the model as it is.
func (b *builder) unsplit() Cell {
	if b.Results == nil {
		return text("")
	}
	return maybe(b.Results.Value.Baseline.Labels(), b.inPoints)
}

// baselines returns those of a network, gains in latency against the choice for
// latency and gains in energy against that for energy. A plain split that is best
// for energy only is one of its own.
func (b *builder) baselines(network string) []plan.Baseline {
	var all []plan.Baseline
	for _, base := range b.latency.Baselines {
		if base.Network == network {
			base.EnergyGain = nil
			all = append(all, base)
		}
	}
	if b.energy == nil {
		return all
	}
	for _, base := range b.energy.Baselines {
		if base.Network != network {
			continue
		}
		at := slices.IndexFunc(all, func(o plan.Baseline) bool { return o.Way == base.Way && o.Cut == base.Cut })
		if at < 0 {
			at, all = len(all), append(all, base)
			all[at].LatencyGain = nil
		}
		all[at].EnergyGain = base.EnergyGain
	}
	return all
}

// cuts is the paper's Table 4, and what the latencies are made of.
func (b *builder) cuts() Section {
	s := Section{ID: "cuts", Title: "All cuts"}
	wide := Table{ID: "cuts", Title: "Latency and energy of all cuts (the paper's Table 4)", Text: "In bold the best over a network.",
		Columns: []string{"cut", "c", "s", "codec", "bytes sent", b.accuracyHeading(), "loss, points", "device, % of multiply-adds"}}
	for _, n := range b.Networks {
		wide.Columns = append(wide.Columns, n.Value.Name+", ms", n.Value.Name+", mJ")
	}
	wide.Columns = append(wide.Columns, "best for", "breaks a limit", "source")
	long := Table{ID: "latency", Title: "What the latencies are made of",
		Columns: []string{"cut", "c", "s", "codec", "network", "mobile, ms", "link, ms", "cloud, ms", "latency, ms", "energy, mJ", "best for", "source"}}
	for at := 0; at < len(b.latency.Table); at += len(b.Networks) {
		over := b.latency.Table[at : at+len(b.Networks)]
		f := &over[0]
		row := []Cell{text(f.Cut), channels(f.C), stride(f.S), text(f.Coding.String()), byteCount(f.PayloadBytes), maybe(f.Accuracy, b.inPoints), maybe(f.Loss, points), maybe(deviceShare(f), percent)}
		var fastest, frugal, broken []string
		for i := range over {
			o := &over[i]
			ms, mj := fine(o.LatencyMS), maybe(o.EnergyMJ, fine)
			ms.Chosen = o.Chosen
			mj.Chosen = b.energy != nil && b.energy.Table[at+i].Chosen
			var here []string
			if ms.Chosen {
				here, fastest = append(here, "latency"), append(fastest, o.Network)
			}
			if mj.Chosen {
				here, frugal = append(here, "energy"), append(frugal, o.Network)
			}
			if o.Excluded != "" && !slices.Contains(broken, o.Excluded) {
				broken = append(broken, o.Excluded)
			}
			row = append(row, ms, mj)
			long.Rows = append(long.Rows, []Cell{text(o.Cut), channels(o.C), stride(o.S), text(o.Coding.String()), text(o.Network), fine(o.MobileMS), fine(o.LinkMS), fine(o.CloudMS),
				ms, mj, text(strings.Join(here, ", ")), refs(b.origin(o.Origin, o.EnergyMJ)...)})
		}
		wide.Rows = append(wide.Rows, append(row, text(bestFor(fastest, frugal)), text(strings.Join(broken, ", ")), refs(b.origin(f.Origin, f.EnergyMJ)...)))
	}
	s.Figures = b.latencyFigures()
	if b.energy != nil {
		s.Figures = append(s.Figures, b.energyFigure())
	} else {
		s.Text = append(s.Text, "Energies are not known for every cut and network: profile with a source of power, and give networks that have a power model.")
	}
	s.Tables = []Table{wide.dense(), long.dense()}
	return s
}

// bestFor says over which networks a cut is best.
func bestFor(fastest, frugal []string) string {
	if slices.Equal(fastest, frugal) && len(frugal) > 0 {
		return "latency and energy: " + strings.Join(frugal, ", ")
	}
	var all []string
	if len(fastest) > 0 {
		all = append(all, "latency: "+strings.Join(fastest, ", "))
	}
	if len(frugal) > 0 {
		all = append(all, "energy: "+strings.Join(frugal, ", "))
	}
	return strings.Join(all, "; ")
}

// figureWidth is the width of drawings, in pixels: a phone shows them as they are.
const figureWidth = 400

// latencyFigures has a figure for every network: a bar a cut.
func (b *builder) latencyFigures() []Figure {
	var figures []Figure
	for i, n := range b.Networks {
		c := chart.Rows{Title: "Latency on " + n.Value.Name, X: "ms", Stacked: true, Width: figureWidth, Series: []string{"mobile", "link", "cloud"}}
		for at := i; at < len(b.latency.Table); at += len(b.Networks) {
			r := b.latency.Table[at]
			label := fine(r.LatencyMS).Text
			if r.Chosen {
				label += " best"
			}
			c.Rows = append(c.Rows, chart.Row{Name: rowName(r), Values: []float64{r.MobileMS, r.LinkMS, r.CloudMS}, Text: label, Chosen: r.Chosen})
		}
		var others []string
		for _, base := range b.latency.Baselines {
			if base.Network == n.Value.Name {
				others = append(others, fmt.Sprintf("%s %s ms", strings.TrimSpace(base.Way+" "+base.Cut), fine(base.LatencyMS).Text))
			}
		}
		figures = append(figures, drawn(c.Title, c, strings.Join(others, ", ")))
	}
	return figures
}

// energyFigure has a mark for every cut and network.
func (b *builder) energyFigure() Figure {
	c := chart.Rows{Title: "Energy of the device", X: "mJ an inference", Width: figureWidth}
	for _, n := range b.Networks {
		c.Series = append(c.Series, n.Value.Name)
	}
	for at := 0; at < len(b.energy.Table); at += len(b.Networks) {
		row := chart.Row{Name: rowName(b.energy.Table[at])}
		for _, r := range b.energy.Table[at : at+len(b.Networks)] {
			row.Values = append(row.Values, *r.EnergyMJ)
			row.Chosen = row.Chosen || r.Chosen
		}
		c.Rows = append(c.Rows, row)
	}
	return drawn(c.Title, c, "In bold the best over at least one network.")
}

// rowName is short: a table has the sizes.
func rowName(r plan.Row) string {
	if r.S == 0 {
		return r.Cut + " plain"
	}
	return r.Cut
}
