package split

import (
	"context"

	"github.com/bottlenet/bnc/compiler/cut"
	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/compiler/shape"
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
	settings.Tensors = nil
	for _, r := range records {
		units, err := bottleneck.UnitsOf(joined, r)
		if err != nil {
			return fail(err)
		}
		settings.Tensors = append(settings.Tensors, Tensor{r.Spec, units})
	}
	a, err := Original(joined)
	if err != nil {
		return fail(err)
	}
	var names []string
	for _, r := range records {
		names = append(names, r.Sites.Cut)
	}
	c, err := CutAt(a, names)
	if err != nil {
		return fail(err)
	}
	if err := change(&settings); err != nil {
		return fail(err)
	}
	b, _, err := Split(ctx, a, c, settings, nil)
	return b, c, settings, err
}

// PlainAt divides an analysed model, which is used up, at the cut of those tensors, without a
// bottleneck.
func PlainAt(ctx context.Context, a *cut.Analysis, tensors []string) (*Bundle, error) {
	c, err := CutAt(a, tensors)
	if err != nil {
		return nil, err
	}
	b, _, err := Split(ctx, a, c, Settings{Plain: true}, nil)
	return b, err
}

// CutAt finds the cut of one tensor, or of several.
func CutAt(a *cut.Analysis, names []string) (*cut.Cut, error) {
	if len(names) == 1 {
		return a.Resolve(names[0])
	}
	tensors, err := Named(names...)(a.Model)
	if err != nil {
		return nil, err
	}
	return a.Of(tensors...)
}
