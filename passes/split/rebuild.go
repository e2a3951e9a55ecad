package split

import (
	"context"

	"github.com/bottlenet/bnc/compiler/cut"
	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/compiler/shape"
	"github.com/bottlenet/bnc/passes/bottleneck"
)

// Joined is what the metadata of a joined network say of how it was split.
type Joined struct {
	Settings        // but for Geometry and Units, which the network tells
	Tensor   string // that it was split at
	Channels int64  // that cross
	Stride   int64
}

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
// settings: other units, or another range.
func Rebuild(ctx context.Context, joined *ir.Model, k Joined, change func(*Settings) error) (*Bundle, *cut.Cut, Settings, error) {
	a, err := Original(joined)
	if err != nil {
		return nil, nil, Settings{}, err
	}
	c, err := a.Resolve(k.Tensor)
	if err != nil {
		return nil, nil, Settings{}, err
	}
	settings := k.Settings
	if settings.Geometry, err = k.geometry(joined, c); err != nil {
		return nil, nil, settings, err
	}
	if settings.Units, err = bottleneck.UnitsOf(joined, settings.Geometry); err != nil {
		return nil, nil, settings, err
	}
	if err := change(&settings); err != nil {
		return nil, nil, settings, err
	}
	b, _, err := Split(ctx, a, c, settings, nil)
	return b, c, settings, err
}

// geometry is that of the joined network's bottleneck.
func (k Joined) geometry(joined *ir.Model, c *cut.Cut) (bottleneck.Geometry, error) {
	channels := k.Channels
	if joined.Graph.Value("bnc.reduce.channel.weight") == nil {
		channels = 0 // full
	}
	g, err := bottleneck.CutGeometry(c, channels, k.Stride)
	if err != nil {
		return g, err
	}
	anatomy, err := bottleneck.Anatomy(joined)
	if err != nil {
		return g, err
	}
	g.Signed = anatomy.Signed()
	if w := joined.Graph.Value("bnc.restore.residual.conv1.weight"); w != nil && w.Init() != nil {
		g.Width = w.Init().Dims()[0]
	}
	return g, nil
}
