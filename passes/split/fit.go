package split

import "github.com/bottlenet/bnc/passes/bottleneck"

// Calibrations begins calibrations of the settings' bottlenecks, one a tensor.
func (s *Settings) Calibrations() (all []*bottleneck.Calibration) {
	for _, t := range s.Tensors {
		all = append(all, bottleneck.NewCalibration(t.Geometry))
	}
	return all
}

// Calibrate gives the settings the units and ranges of calibrations, one a tensor, and their
// codecs what suits the tiles that these make. Unfit makes the error of a tensor that cannot
// be calibrated.
func (s *Settings) Calibrate(all []*bottleneck.Calibration, unfit func(tensor int, err error) error) error {
	var units []*bottleneck.Units
	share := true
	for i, c := range all {
		fitted := s.Tensors[i].Codec.Fitted()
		u, err := c.Units(fitted)
		if err != nil {
			return unfit(i, err)
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
	return s.fit(tiles)
}

// Fit gives the codecs parameters that suit what is not known of the tiles yet.
func (s *Settings) Fit() error { return s.Refit(make([]bottleneck.Tiles, len(s.Tensors))) }

// Refit makes the codecs suit tiles, whatever range these had.
func (s *Settings) Refit(tiles []bottleneck.Tiles) error {
	for i := range tiles {
		tiles[i].Spec = s.Tensors[i].Spec
	}
	return s.fit(tiles)
}

func (s *Settings) fit(tiles []bottleneck.Tiles) error {
	codecs, err := bottleneck.Fit(tiles)
	for i, codec := range codecs {
		s.Tensors[i].Codec = codec
	}
	return err
}

// SetQuality gives the codecs that have a quality another.
func (s *Settings) SetQuality(quality int) {
	for i := range s.Tensors {
		s.Tensors[i].Codec = s.Tensors[i].Codec.AtQuality(quality)
	}
}

// Trim takes the planes out that the codecs never send, and returns how many these are.
func (s *Settings) Trim() (gone int) {
	for i := range s.Tensors {
		spec, n := bottleneck.Trim(s.Tensors[i].Spec, s.Tensors[i].Units)
		s.Tensors[i].Spec, gone = spec, gone+n
	}
	return gone
}
