package report

import (
	"fmt"

	"github.com/bottlenet/bnc/runtime/plan"
)

// entry tells where a profile's entry is; it is one of the device's or the server's.
func (b *builder) entry(e *plan.CutProfile) Ref {
	for i := range b.mobile.Cuts {
		if &b.mobile.Cuts[i] == e {
			return b.joined("cuts", i, func(p *plan.Profile) int { return len(p.Cuts) })
		}
	}
	for i := range b.Cloud.Value.Cuts {
		if &b.Cloud.Value.Cuts[i] == e {
			return Ref{b.cloudFile, fmt.Sprintf("cuts[%d]", i)}
		}
	}
	panic("BUG: an entry of no profile: " + e.String())
}

// joined tells where the element i of a list of all profiles of the device is.
func (b *builder) joined(list string, i int, count func(*plan.Profile) int) Ref {
	for file, p := range b.Profiles {
		if i < count(p.Value) {
			return Ref{file, fmt.Sprintf("%s[%d]", list, i)}
		}
		i -= count(p.Value)
	}
	panic("BUG: no profile has " + list)
}

// published tells where a printed number is.
func (b *builder) published(p *plan.Published) Ref {
	for i := range b.mobile.Published {
		if &b.mobile.Published[i] == p {
			return b.joined("published", i, func(p *plan.Profile) int { return len(p.Published) })
		}
	}
	panic("BUG: printed in no profile")
}

// candidate tells where a candidate of the search is.
func (b *builder) candidate(c *plan.Candidate) Ref {
	for i := range b.Results.Value.Candidates {
		if &b.Results.Value.Candidates[i] == c {
			return Ref{b.results, fmt.Sprintf("candidates[%d]", i)}
		}
	}
	panic("BUG: a candidate of no search: " + c.String())
}

// first tells in which of the device's profiles a field is, which one of them has.
func (b *builder) first(field string, has func(*plan.Profile) bool) Ref {
	for file, p := range b.Profiles {
		if has(p.Value) {
			return Ref{file, field}
		}
	}
	panic("BUG: no profile has " + field)
}

// origin tells where the numbers of a division come from.
func (b *builder) origin(o plan.Origin, energy *float64) []Ref {
	all := []Ref{b.entry(o.Mobile)}
	if o.Cloud != o.Mobile {
		all = append(all, b.entry(o.Cloud))
	}
	if o.Candidate != nil {
		all = append(all, b.candidate(o.Candidate))
	}
	if energy != nil && o.Mobile.EnergyMJ == nil {
		all = append(all, b.power())
	}
	return all
}

// power tells where the device's power is.
func (b *builder) power() Ref {
	return b.first("power.compute_mw", func(p *plan.Profile) bool { return p.Power == b.mobile.Power })
}

// baselineOrigin tells where a baseline's numbers come from.
func (b *builder) baselineOrigin(base plan.Baseline) Cell {
	var all []Ref
	hasWhole := func(p *plan.Profile) bool { return p.Whole != nil }
	switch base.Way {
	case plan.MobileOnly:
		all = append(all, b.first("whole", hasWhole))
		switch {
		case b.mobile.WholeEnergyMJ != nil:
			all = append(all, b.first("whole_energy_mj", func(p *plan.Profile) bool { return p.WholeEnergyMJ != nil }))
		case base.EnergyMJ != nil:
			all = append(all, b.power())
		}
	case plan.CloudOnly:
		switch {
		case b.Cloud != nil:
			all = append(all, Ref{b.cloudFile, "whole"})
		case b.mobile.CloudWhole != nil:
			all = append(all, b.first("cloud_whole", func(p *plan.Profile) bool { return p.CloudWhole != nil }))
		default:
			all = append(all, b.first("whole", hasWhole))
		}
		if b.ImageBytes == 0 {
			all = append(all, b.first("image_bytes", func(p *plan.Profile) bool { return p.ImageBytes != 0 }))
		}
	case plan.PlainSplit:
		all = b.origin(base.Origin, base.EnergyMJ)
	}
	if base.Published != nil {
		all = append(all, b.published(base.Published))
	}
	return refs(all...)
}
