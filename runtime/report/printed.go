package report

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/bottlenet/bnc/runtime/plan"
)

// printed sets what the profile's source prints itself beside what follows from the
// model of latency and energy.
func (b *builder) printed() Section {
	t := Table{ID: "printed", Title: "What the profile's source prints, and what its own model gives",
		Columns: []string{"network", "way", "quantity", "printed", "model", "printed / model", "follows", "source"}}
	seen := map[*plan.Published]bool{}
	without := 0
	add := func(way, network string, p *plan.Published, latency, energy, latencyGain, energyGain *float64) {
		if p == nil || seen[p] {
			return
		}
		seen[p] = true
		if p.Network == "" {
			network = "any"
		}
		for _, q := range []struct {
			name    string
			printed float64
			model   *float64
		}{
			{"latency, ms", p.LatencyMS, latency}, {"energy, mJ", p.EnergyMJ, energy},
			{"latency gain", p.LatencyGain, latencyGain}, {"energy gain", p.EnergyGain, energyGain},
		} {
			if q.printed == 0 || q.model == nil {
				continue
			}
			verdict := Cell{Text: "yes"}
			if !follows(q.printed, *q.model) {
				verdict = Cell{Text: "no", Chosen: true}
				without++
			}
			t.Rows = append(t.Rows, []Cell{text(network), text(way), text(q.name), number("%v", q.printed), fine(*q.model), fine(q.printed / *q.model), verdict, refs(b.published(p))})
		}
	}
	for _, n := range b.Networks {
		for i := range b.latency.Table {
			if r := &b.latency.Table[i]; r.Network == n.Value.Name {
				add(r.Cut, r.Network, r.Published, &r.LatencyMS, r.EnergyMJ, nil, nil)
			}
		}
		for _, base := range b.baselines(n.Value.Name) {
			add(base.Way, base.Network, base.Published, &base.LatencyMS, base.EnergyMJ, base.LatencyGain, base.EnergyGain)
		}
	}
	s := Section{ID: "printed", Title: "Printed and computed"}
	if len(t.Rows) > 0 {
		t.Text = fmt.Sprintf("%d of %d printed numbers do not follow from the model: they are more than %d%% away from it, and that is not the rounding of the printed number.",
			without, len(t.Rows), nearPercent)
		s.Tables = []Table{t}
	}
	return s
}

// nearPercent is how far a printed number may be away from the model that it follows
// from: the model's own numbers are derived from printed ones of two digits.
const nearPercent = 5

// follows tells whether a printed number is what the model gives, within nearPercent
// and half a unit of the last digit printed.
func follows(printed, model float64) bool {
	unit := 1.0
	if _, decimals, ok := strings.Cut(strconv.FormatFloat(printed, 'f', -1, 64), "."); ok {
		unit = math.Pow(10, -float64(len(decimals)))
	}
	return math.Abs(printed-model) <= nearPercent*model/100+unit/2
}
