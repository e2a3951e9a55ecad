package bnc

import (
	"cmp"
	"context"

	"github.com/bottlenet/bnc/compiler/cut"
	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/compiler/onnx"
	"github.com/bottlenet/bnc/internal/fault"
	"github.com/bottlenet/bnc/internal/progress"
	"github.com/bottlenet/bnc/passes/bottleneck"
	"github.com/bottlenet/bnc/passes/split"
	"github.com/bottlenet/bnc/runtime/bundle"
	"github.com/bottlenet/bnc/runtime/data"
	"github.com/bottlenet/bnc/runtime/ort"
	"github.com/bottlenet/bnc/runtime/probe"
	"github.com/bottlenet/bnc/runtime/train"
)

// calibrationSource is what a bottleneck is calibrated on.
type calibrationSource struct {
	probe.Source
	// analyse loads the model, anew each time: a split takes it over.
	analyse func() (*cut.Analysis, error)
	// felt tells that channels are chosen by how much the outputs feel them, else by their
	// variance; raw that no output is scores of classes.
	felt, raw bool
}

// calibrate runs the model up to the cut on real images and gives the settings units and
// ranges that fit what the cut's tensors hold there.
func calibrate(ctx context.Context, p progress.Progress, src calibrationSource, s *split.Settings) (*probe.Seen, error) {
	halves, err := src.divide(ctx)
	if err != nil {
		return nil, err
	}
	before, err := src.Open(saving(ctx, halves.Mobile))
	if err != nil {
		return nil, err
	}
	defer before.Close()
	all := s.Calibrations()
	run, err := src.collect(ctx, p, before, halves.Cloud, all)
	if err != nil {
		return nil, err
	}
	return run.Seen, s.Calibrate(all, src.Unfit)
}

// collect runs the model up to the cut on real images, and what is behind it, which is used
// up, where it is felt how errors matter.
func (src *calibrationSource) collect(ctx context.Context, p progress.Progress, before *ort.Session, behind *ir.Model, all []*bottleneck.Calibration) (*probe.Calibrated, error) {
	var felt func() (*probe.Gradients, error)
	if src.felt {
		felt = func() (*probe.Gradients, error) { return src.gradients(ctx, behind) }
	}
	return probe.Calibrate(ctx, p, &src.Source, before, all, felt)
}

// divide divides the model at the cut.
func (src *calibrationSource) divide(ctx context.Context) (*split.Bundle, error) {
	a, err := src.analyse()
	if err != nil {
		return nil, err
	}
	return split.PlainAt(ctx, a, src.Tensors)
}

// saving writes a model to a file.
func saving(ctx context.Context, m *ir.Model) func(file string) error {
	return func(file string) error { return onnx.Save(ctx, file, m, onnx.SaveOptions{}) }
}

// CalibrateOptions say how a bundle's bottleneck is fitted to images.
type CalibrateOptions struct {
	Data  string             `json:"data"`               // images to calibrate on: a folder, classes or flat, IDX or .npy
	Range string             `json:"range,omitempty"`    // quantiser's: static, or dynamic, each image's own; "" for static
	By    string             `json:"calib_by,omitempty"` // BySensitivity or ByVariance: how channels are chosen; "" for the first
	Input map[string][]int64 `json:"input,omitempty"`    // shapes of inputs that the model leaves open, by name
	ImageOptions
	FeedOptions
	Reporter Reporter `json:"-"`
}

// CalibrateResult is what Calibrate wrote.
type CalibrateResult struct {
	Bundle string        `json:"bundle"`
	Range  string        `json:"range"`
	Lo     Each[float32] `json:"lo"` // of a static range
	Hi     Each[float32] `json:"hi"`
}

// Calibrate fits the bottleneck of the bundle at path to images, as a split with Calibrate
// does and a training of a bundle that was split without. The bundle's three files are
// replaced together. One that is calibrated or trained is refused: that would be lost.
func Calibrate(ctx context.Context, path string, o CalibrateOptions) (*CalibrateResult, error) {
	switch {
	case o.Data == "":
		return nil, usage("data", "is missing: the images to calibrate on")
	case !bundle.IsBundle(path):
		return nil, usage("", "%s is no bundle: what is calibrated is a bottleneck", path)
	}
	if err := cmp.Or(fault.OneOf("range", o.Range, "", bundle.RangeStatic, bundle.RangeDynamic), fault.OneOf("calib_by", o.By, "", BySensitivity, ByVariance)); err != nil {
		return nil, err
	}
	t, err := openTraining(ctx, path, TrainOptions{Data: o.Data, CalibrateBy: cmp.Or(o.By, BySensitivity), Range: o.Range, Input: o.Input, ImageOptions: o.ImageOptions, FeedOptions: o.FeedOptions, Reporter: o.Reporter})
	if err != nil {
		return nil, err
	}
	if t.meta.Calibrated || t.calibrated {
		return nil, usage("", "%s is calibrated or trained: calibrating it would lose that; split the model again", path)
	}
	set, err := data.OpenOption("data", o.Data, data.Train, t.Progress.Notice)
	if err != nil {
		return nil, err
	}
	sets := &train.Sets{Train: set.Unlabelled(), Given: t.given}
	if err := t.prepare(sets); err != nil {
		return nil, err
	}
	if err := t.calibrate(ctx, sets); err != nil {
		return nil, err
	}
	if err := t.Write(ctx, path, nil, sets, nil); err != nil {
		return nil, err
	}
	return &CalibrateResult{Bundle: path, Range: t.meta.Range, Lo: t.ranges.Lo, Hi: t.ranges.Hi}, nil
}
