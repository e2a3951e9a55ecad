package bnc

import (
	"context"
	"errors"

	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/compiler/onnx"
	"github.com/bottlenet/bnc/internal/progress"
	"github.com/bottlenet/bnc/passes"
	"github.com/bottlenet/bnc/passes/bottleneck"
	"github.com/bottlenet/bnc/passes/grad"
	"github.com/bottlenet/bnc/passes/split"
	"github.com/bottlenet/bnc/runtime/feed"
	"github.com/bottlenet/bnc/runtime/ort"
	"github.com/bottlenet/bnc/runtime/probe"
	"github.com/bottlenet/bnc/runtime/tensor"
)

// What a calibration by sensitivity takes: images whose outputs say how much they vary,
// images whose gradients are computed, and random directions of each.
const (
	scaleImages = 32
	feltImages  = 128
	draws       = 2
)

// By which channels are chosen in a calibration.
const (
	BySensitivity = "sensitivity" // what the outputs feel most
	ByVariance    = "variance"    // what varies most
)

// openFeeling opens a network that tells how much the outputs feel the cut's tensors; nil
// where channels are chosen by their variance, as where no gradient passes, which is told.
func (src calibrationSource) openFeeling(ctx context.Context, p progress.Progress, behind *ir.Model, s *split.Settings) (*probe.Feeling, func(), error) {
	none := func() {}
	if !src.felt {
		return nil, none, nil
	}
	compute := func(ctx context.Context, m *ir.Model) (map[string]*ir.Tensor, error) {
		return computed(ctx, m, src.session)
	}
	felt, err := grad.FeelInputs(ctx, behind, src.tensors, src.raw, compute)
	unfit, node := (*passes.UnsuitableError)(nil), (*grad.Error)(nil)
	if errors.As(err, &unfit) || errors.As(err, &node) {
		p.Notice("channels are chosen by their variance, not by what the outputs feel: %v", err)
		return nil, none, nil
	}
	if err != nil {
		return nil, none, err
	}
	file, err := onnx.Marshal(felt.Model)
	if err != nil {
		return nil, none, err
	}
	session, err := ort.OpenBytes("gradients at the cut", file, src.session)
	if err != nil {
		return nil, none, err
	}
	var directions []probe.Direction
	for _, d := range felt.Directions {
		directions = append(directions, probe.Direction(d))
	}
	given, err := src.given.ForOne(session.Inputs())
	if err != nil {
		session.Close()
		return nil, none, err
	}
	return probe.NewFeeling(session, src.tensors, given, directions, s.Tensors[0].Seed), func() { session.Close() }, nil
}

// feel gives the calibrations gradients of the images.
func (src calibrationSource) feel(ctx context.Context, p progress.Progress, prefix *ort.Session, feeder *feed.Feeder, feeling *probe.Feeling, calibrations []*bottleneck.Calibration) error {
	bar := p.Phase("what the outputs feel", probe.Images(src.set, feltImages))
	o := probe.Options{Set: src.set, Feeder: feeder, Step: func() { bar.Step(1) }, Most: feltImages}
	_, err := probe.Run(ctx, prefix, o, func(name string, xs []*tensor.Tensor) error {
		for range draws {
			gradients, err := feeling.Gradients(ctx, xs)
			if err != nil {
				return err
			}
			for i, c := range calibrations {
				g, err := gradients[i].Float32s()
				if err != nil {
					return err
				}
				if err := c.Feel(g); err != nil {
					return unusable("%s: %w", name, src.of(i, err))
				}
			}
		}
		return nil
	})
	return err
}

// computed are the outputs of a network that computes weights.
func computed(ctx context.Context, m *ir.Model, o ort.Options) (map[string]*ir.Tensor, error) {
	file, err := onnx.Marshal(m)
	if err != nil {
		return nil, err
	}
	session, err := ort.OpenBytes("computed weights", file, o)
	if err != nil {
		return nil, err
	}
	defer session.Close()
	results, err := session.Run(ctx, ort.Feed{session.Inputs()[0].Name: tensor.Of([]int64{1}, []float32{0})})
	values := map[string]*ir.Tensor{}
	for _, r := range results {
		values[r.Name] = ir.NewTensor(ir.Float32, r.Tensor.Shape, ir.Memory(r.Tensor.Data))
	}
	return values, err
}
