package cut

import (
	"slices"

	"github.com/bottlenet/bnc/internal/fault"
)

// Choose returns cuts that take a bottleneck: those of the names that option cuts holds;
// all of them where that is "all"; the residual sums where it holds none, or all where
// there are none of these.
func (a *Analysis) Choose(names []string) ([]*Cut, error) {
	var sums, all, named []*Cut
	for i := range a.Cuts {
		c := &a.Cuts[i]
		if c.NoBottleneck() != "" {
			continue
		}
		all = append(all, c)
		if len(c.Aliases) > 0 {
			sums = append(sums, c)
		}
	}
	switch {
	case len(names) == 0 && len(sums) > 0:
		return sums, nil
	case len(names) == 0, len(names) == 1 && names[0] == "all":
		return all, nil
	}
	for _, name := range names {
		c, err := a.Resolve(name)
		if err != nil {
			return nil, err
		}
		if c.NoBottleneck() != "" {
			return nil, fault.Unusable("option cuts: %s takes no bottleneck: %s", name, c.NoBottleneck())
		}
		if !slices.Contains(named, c) {
			named = append(named, c)
		}
	}
	return named, nil
}
