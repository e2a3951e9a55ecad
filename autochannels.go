package bnc

import (
	"context"
	"slices"

	"github.com/bottlenet/bnc/compiler/cut"
	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/compiler/onnx"
	"github.com/bottlenet/bnc/passes/bottleneck"
	"github.com/bottlenet/bnc/passes/split"
	"github.com/bottlenet/bnc/runtime/ort"
	"github.com/bottlenet/bnc/runtime/tensor"
)

// measuredImages is how many calibration images tell what a payload takes: its mean is
// known to a few percent then.
const measuredImages = 32

// share gives the tensors of the cut as many channels as make payloads of at most so many
// bytes in the mean, in the order of what they are worth; one each where that is too much
// already. It returns the mean.
func (src calibrationSource) share(ctx context.Context, s *split.Settings, all []*bottleneck.Calibration) (float64, error) {
	order, err := bottleneck.Order(all)
	if err != nil {
		return 0, err
	}
	measure := func(n int) (float64, error) {
		for i, one := range all {
			channels := int64(1)
			for _, tensor := range order[:n] {
				if tensor == i {
					channels++
				}
			}
			s.Tensors[i].Geometry = one.Reduce(channels)
		}
		if err := src.settle(s, all); err != nil {
			return 0, err
		}
		return payloadOf(ctx, src.at, *s, all, src.session)
	}
	low, high := 0, len(order)+1 // low takes few enough bytes, or is the least; high too many
	for high-low > 1 {
		at := (low + high) / 2
		mean, err := measure(at)
		if err != nil {
			return 0, err
		}
		if mean <= float64(src.bytes) {
			low = at
		} else {
			high = at
		}
	}
	return measure(low)
}

// settle gives the settings the units and ranges of calibrations.
func (src calibrationSource) settle(s *split.Settings, all []*bottleneck.Calibration) error {
	var units []*bottleneck.Units
	felt := true
	for i, c := range all {
		u, err := c.Units()
		if err != nil {
			return unusable("option %s: %w", src.option, src.of(i, err))
		}
		units, felt = append(units, u), felt && c.Felt()
	}
	if felt {
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

// payloadOf runs the bottlenecks alone on what was kept of the calibration images, and
// returns the mean bytes of a payload.
func payloadOf(ctx context.Context, c *cut.Cut, s split.Settings, all []*bottleneck.Calibration, o ort.Options) (float64, error) {
	at := *c
	at.Tensors = slices.Clone(c.Tensors)
	for i := range at.Tensors {
		at.Tensors[i].Type.DType = ir.Float32
	}
	s.CodecAt, s.FP16, s.Target = bottleneck.CodecInGraph, false, ""
	unit, err := split.Unit(ctx, &at, s)
	if err != nil {
		return 0, err
	}
	graph, err := onnx.Marshal(unit.Mobile)
	if err != nil {
		return 0, err
	}
	session, err := ort.OpenBytes("bottlenecks", graph, o)
	if err != nil {
		return 0, err
	}
	defer session.Close()
	images, sum := measuredImages, 0
	for _, one := range all {
		images = min(images, len(one.Kept()))
	}
	for image := range images {
		feed := ort.Feed{}
		for i, v := range unit.Mobile.Graph.Feeds() {
			g := s.Tensors[i].Geometry
			feed[v.Name()] = tensor.Of([]int64{1, g.C, g.H, g.W}, all[i].Kept()[image])
		}
		out, err := session.Run(ctx, feed)
		if err != nil {
			return 0, err
		}
		sum += len(out[0].Tensor.Data)
	}
	return float64(sum) / float64(images), nil
}
