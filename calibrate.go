package bnc

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/bottlenet/bnc/compiler/cut"
	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/compiler/onnx"
	"github.com/bottlenet/bnc/internal/fault"
	"github.com/bottlenet/bnc/internal/files"
	"github.com/bottlenet/bnc/internal/progress"
	"github.com/bottlenet/bnc/passes/bottleneck"
	"github.com/bottlenet/bnc/passes/split"
	"github.com/bottlenet/bnc/runtime/bundle"
	"github.com/bottlenet/bnc/runtime/data"
	"github.com/bottlenet/bnc/runtime/feed"
	"github.com/bottlenet/bnc/runtime/imagein"
	"github.com/bottlenet/bnc/runtime/ort"
	"github.com/bottlenet/bnc/runtime/probe"
	"github.com/bottlenet/bnc/runtime/tensor"
	"github.com/bottlenet/bnc/runtime/train"
)

// calibrationSource is what a bottleneck is calibrated on.
type calibrationSource struct {
	// analyse loads the model, anew each time: a split takes it over.
	analyse func() (*cut.Analysis, error)
	path    string   // of the model, for errors
	tensors []string // of the cut
	set     *data.Set
	choose  feed.Chooser
	given   feed.Given
	option  string // that named the images, for errors
	// felt tells that channels are chosen by how much the outputs feel them, else by their
	// variance; raw that no output is scores of classes.
	felt, raw bool
	// onSkip is told of images that cannot be used and are left out; nil for nobody.
	onSkip  func(name string, err error)
	session ort.Options
}

// calibrate runs the model up to the cut on real images and gives the settings units and
// ranges that fit what the cut's tensors hold there.
func calibrate(ctx context.Context, p progress.Progress, src calibrationSource, s *split.Settings) (*calibration, error) {
	halves, err := src.divide(ctx)
	if err != nil {
		return nil, err
	}
	session, err := src.openPrefix(ctx, halves)
	if err != nil {
		return nil, err
	}
	defer session.Close()
	run, err := src.collect(ctx, p, session, halves.Cloud, s.Tensors)
	if err != nil {
		return nil, err
	}
	return &run.calibration, s.Calibrate(run.tensors, src.unfit)
}

// collect runs the model up to the cut on real images, and what is behind it, which is used
// up, where it is felt how errors matter.
func (src calibrationSource) collect(ctx context.Context, p progress.Progress, session *ort.Session, behind *ir.Model, tensors []split.Tensor) (*collected, error) {
	feeder, err := src.given.New(session.Inputs(), src.choose)
	if err != nil {
		return nil, unusable("%w", err)
	}
	if in := feeder.Port(); len(in.Shape) > 0 && in.Shape[0].Size > 1 {
		return nil, unusable("option %s: a batch of %d is built into input %q of %s, and calibration takes single images: fix it at 1 by option input %s=1,...", src.option, in.Shape[0].Size, in.Name, src.path, in.Name)
	}
	run := &collected{feeder: feeder}
	for _, t := range tensors {
		run.tensors = append(run.tensors, bottleneck.NewCalibration(t.Geometry))
	}
	bar := p.Phase("calibrating", probe.Images(src.set, probe.MostImages))
	seen, err := probe.Run(ctx, session, probe.Options{Set: src.set, Feeder: feeder, LeftOut: src.onSkip, Step: func() { bar.Step(1) }}, func(name string, xs []*tensor.Tensor) error {
		for i, c := range run.tensors {
			activations, err := xs[i].Float32s()
			if err != nil {
				return err
			}
			if err := c.Add(activations); err != nil {
				return unusable("%s: %w", name, src.of(i, err))
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if seen.Images == 0 {
		return nil, unusable("option %s: none of %d images can be used: %w", src.option, probe.Images(src.set, probe.MostImages), seen.Damage)
	}
	run.calibration = calibration{seen.Preprocess, seen.Files}
	if src.felt {
		if err := src.feel(ctx, p, behind, session, feeder, run.tensors); err != nil {
			if ctx.Err() != nil {
				return nil, err
			}
			p.Notice("channels are chosen by their variance, not by what the outputs feel: %v", err)
			for _, c := range run.tensors {
				c.Forget()
			}
		}
	}
	return run, nil
}

// calibration is what a run over real images gives.
type calibration struct {
	preprocess *imagein.Preprocess // how the images were prepared, nil for tensors
	files      []string            // that were read
}

// read adds the files of a set to those that were read.
func (c *calibration) read(set *data.Set) {
	for i := range set.Len() {
		if file := set.File(i); file != "" && !slices.Contains(c.files, file) {
			c.files = append(c.files, file)
		}
	}
}

// collected is what bottlenecks of any size at a cut are calibrated by.
type collected struct {
	calibration
	feeder  *feed.Feeder
	tensors []*bottleneck.Calibration // of the cut
}

// unfit is the error of a tensor that cannot be calibrated.
func (src calibrationSource) unfit(i int, err error) error {
	return unusable("option %s: %w", src.option, src.of(i, err))
}

// of says which of several tensors an error is about.
func (src calibrationSource) of(i int, err error) error {
	if len(src.tensors) > 1 {
		return fmt.Errorf("tensor %q: %w", src.tensors[i], err)
	}
	return err
}

// divide divides the model at the cut.
func (src calibrationSource) divide(ctx context.Context) (*split.Bundle, error) {
	a, err := src.analyse()
	if err != nil {
		return nil, err
	}
	c, err := split.CutAt(a, src.tensors)
	if err != nil {
		return nil, err
	}
	b, _, err := split.Split(ctx, a, c, split.Settings{Plain: true}, nil)
	return b, err
}

// openPrefix opens a session of what is before the cut.
func (src calibrationSource) openPrefix(ctx context.Context, b *split.Bundle) (*ort.Session, error) {
	return src.openHalf(ctx, b.Mobile)
}

// openHalf opens a session of a half of the model.
func (src calibrationSource) openHalf(ctx context.Context, half *ir.Model) (*ort.Session, error) {
	scratch, err := files.Scratch()
	if err != nil {
		return nil, err
	}
	defer scratch.Discard() // ONNX Runtime has read the file by then
	file := filepath.Join(scratch.Temp, "half.onnx")
	if err := onnx.Save(ctx, file, half, onnx.SaveOptions{}); err != nil {
		return nil, err
	}
	session, err := ort.Open(file, src.session)
	if refused := (*ort.ModelError)(nil); errors.As(err, &refused) {
		return nil, unusable("%s: %w", src.path, refused) // not the file that is gone
	}
	return session, err
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
	if err := t.write(ctx, path, nil, sets, nil); err != nil {
		return nil, err
	}
	return &CalibrateResult{Bundle: path, Range: t.meta.Range, Lo: t.ranges.Lo, Hi: t.ranges.Hi}, nil
}
