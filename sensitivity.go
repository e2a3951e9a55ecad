package bnc

import (
	"context"
	"fmt"
	"slices"

	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/compiler/onnx"
	"github.com/bottlenet/bnc/internal/progress"
	"github.com/bottlenet/bnc/passes/bottleneck"
	"github.com/bottlenet/bnc/passes/grad"
	"github.com/bottlenet/bnc/runtime/feed"
	"github.com/bottlenet/bnc/runtime/ort"
	"github.com/bottlenet/bnc/runtime/probe"
	"github.com/bottlenet/bnc/runtime/tensor"
	"github.com/bottlenet/bnc/runtime/train"
)

// By which channels are chosen in a calibration.
const (
	BySensitivity = train.BySensitivity // what the outputs feel most
	ByVariance    = train.ByVariance    // what varies most
)

// feel gives the calibrations gradients of the images: of random directions of the outputs
// of what is behind the cut, which is used up.
func (src calibrationSource) feel(ctx context.Context, p progress.Progress, behind *ir.Model, prefix *ort.Session, feeder *feed.Feeder, calibrations []*bottleneck.Calibration) error {
	compute := func(ctx context.Context, m *ir.Model) (map[string]*ir.Tensor, error) {
		return computed(ctx, m, src.session)
	}
	for _, v := range behind.Graph.Feeds() {
		if name := v.Name(); !slices.Contains(src.tensors, name) && src.given[name] == nil {
			return fmt.Errorf("input %q is read behind the cut: give it by option feed", name)
		}
	}
	felt, err := grad.FeelInputs(ctx, behind, src.tensors, src.raw, compute)
	if err != nil {
		return err
	}
	file, err := onnx.Marshal(felt.Model)
	if err != nil {
		return err
	}
	session, err := ort.OpenBytes("gradients at the cut", file, src.session)
	if err != nil {
		return err
	}
	defer session.Close()
	given, err := src.given.ForOne(session.Inputs())
	if err != nil {
		return err
	}
	var directions []probe.Direction
	for _, d := range felt.Directions {
		directions = append(directions, probe.Direction(d))
	}
	feeling := probe.NewFeeling(session, src.tensors, given, directions, calibrations[0].Seed())
	o := probe.Options{Set: src.set, Feeder: feeder}
	bar := p.Phase("what the outputs feel", feeling.Steps(o))
	o.Step = func() { bar.Step(1) }
	return feeling.Run(ctx, prefix, o, func(gradients [][]float32) error {
		for i, c := range calibrations {
			if err := c.Feel(gradients[i]); err != nil {
				return src.of(i, err)
			}
		}
		return nil
	})
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
