package split

import (
	"context"

	"github.com/bottlenet/bnc/compiler/cut"
	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/compiler/shape"
	"github.com/bottlenet/bnc/passes"
	"github.com/bottlenet/bnc/passes/bottleneck"
)

// Original analyses a joined network without its bottleneck.
func Original(joined *ir.Model) (*cut.Analysis, error) {
	m := joined.Clone()
	if err := bottleneck.Bypass(m); err != nil {
		return nil, err
	}
	info, err := shape.Infer(m, shape.Options{})
	if err != nil {
		return nil, err
	}
	return cut.Find(m, info), nil
}

// Rebuild splits a joined network again as it was, but for what change makes of the
// settings: other units, or another range. Lowered says what the network does not record:
// where its codec is, and what its halves were lowered to.
func Rebuild(ctx context.Context, joined *ir.Model, lowered Settings, change func(*Settings) error) (*Bundle, *cut.Cut, Settings, error) {
	settings := lowered
	fail := func(err error) (*Bundle, *cut.Cut, Settings, error) { return nil, nil, settings, err }
	records, err := bottleneck.Records(joined)
	if err != nil {
		return fail(err)
	}
	if len(records) != 1 {
		return fail(passes.Unsuitable("model", "expected a bottleneck of one tensor, found %d", len(records)))
	}
	for _, r := range records {
		settings.Geometry, settings.Quantiser, settings.Codec = r.Spec.Geometry, r.Spec.Quantiser, r.Spec.Codec
		if settings.Units, err = bottleneck.UnitsOf(joined, r); err != nil {
			return fail(err)
		}
	}
	a, err := Original(joined)
	if err != nil {
		return fail(err)
	}
	var c *cut.Cut
	for _, r := range records {
		if c, err = a.Resolve(r.Sites.Cut); err != nil {
			return fail(err)
		}
	}
	if err := change(&settings); err != nil {
		return fail(err)
	}
	b, _, err := Split(ctx, a, c, settings, nil)
	return b, c, settings, err
}
