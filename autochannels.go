package bnc

import (
	"github.com/bottlenet/bnc/passes/bottleneck"
	"github.com/bottlenet/bnc/passes/split"
)

// settle gives the settings the units and ranges of calibrations.
func (src calibrationSource) settle(s *split.Settings, all []*bottleneck.Calibration) error {
	var units []*bottleneck.Units
	share := true
	for i, c := range all {
		fitted := s.Tensors[i].Codec.Fitted()
		u, err := c.Units(fitted)
		if err != nil {
			return unusable("option %s: %w", src.option, src.of(i, err))
		}
		units, share = append(units, u), share && c.Felt() && !fitted
	}
	if share {
		bottleneck.Share(units)
	}
	var tiles []bottleneck.Tiles
	for i, u := range units {
		t := &s.Tensors[i]
		t.Units, t.Lo, t.Hi = u, u.Lo, u.Hi
		tiles = append(tiles, all[i].Tiles(t.Spec, u))
	}
	codecs, err := bottleneck.Fit(tiles)
	for i, codec := range codecs {
		s.Tensors[i].Codec = codec
	}
	return err
}
