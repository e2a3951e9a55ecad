package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/bottlenet/bnc/compiler/cut"
	"github.com/bottlenet/bnc/compiler/onnx"
	"github.com/bottlenet/bnc/internal/files"
	"github.com/bottlenet/bnc/passes/bottleneck"
	splitter "github.com/bottlenet/bnc/passes/split"
	"github.com/bottlenet/bnc/runtime/data"
	"github.com/bottlenet/bnc/runtime/feed"
	"github.com/bottlenet/bnc/runtime/imagein"
	"github.com/bottlenet/bnc/runtime/ort"
	"github.com/bottlenet/bnc/runtime/tensor"
)

// maxCalibration is the number of images that are looked at, spread over the
// set: covariances do not change with more.
const maxCalibration = 256

// calibrationSource is what a bottleneck is calibrated on.
type calibrationSource struct {
	// analyse loads the model, anew each time: a split takes it over.
	analyse func() (*cut.Analysis, error)
	path    string // of the model, for errors
	after   string // the cut
	set     *data.Set
	choose  feed.Chooser
	flag    string // that named the images, for errors
	// onSkip is told of images that cannot be used and are left out.
	onSkip  func(name string, err error)
	session ort.Options
}

// calibrate runs the model up to the cut on real images and returns the units
// that fit what the cut tensor holds there.
func calibrate(ctx context.Context, s streams, src calibrationSource, g bottleneck.Geometry) (*calibration, error) {
	set := src.set
	session, err := src.openPrefix(ctx)
	if err != nil {
		return nil, err
	}
	defer session.Close()
	feeder, err := feed.New(session.Inputs(), src.choose)
	if err != nil {
		return nil, unusableError{err}
	}
	if in := session.Inputs()[0]; len(in.Shape) > 0 && in.Shape[0].Size > 1 {
		return nil, unusablef("%s: a batch of %d is built into input %q of %s, and calibration takes single images: fix it at 1 by --input %s=1,...", src.flag, in.Shape[0].Size, in.Name, src.path, in.Name)
	}
	n := min(set.Len(), maxCalibration)
	c := bottleneck.NewCalibration(g)
	bar := newProgress(s.err, "calibrating", n)
	defer bar.done()
	var used []string
	var prepared *imagein.Preprocess
	var damage error // of the first image that was left out
	good := 0
	for i := range n {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		index := i * set.Len() / n
		if f := set.File(index); f != "" && (len(used) == 0 || used[len(used)-1] != f) {
			used = append(used, f)
		}
		item, err := set.Item(index)
		var x *tensor.Tensor
		if err == nil {
			if x, err = feeder.One(item); err != nil {
				err = fmt.Errorf("%s: %w", set.Name(index), err)
			}
		}
		if err != nil {
			if damage == nil {
				damage = err
			}
			src.onSkip(set.Name(index), err)
			continue
		}
		if item.Image != nil && prepared == nil {
			prepared = feeder.Preprocess(item.Image)
		}
		results, err := session.Run(ctx, ort.Feed{feeder.Input(): x})
		if err != nil {
			return nil, fmt.Errorf("%s: %s: %w", src.flag, set.Name(index), err)
		}
		activations, err := floats(results[0].Tensor)
		if err != nil {
			return nil, err
		}
		if err := c.Add(activations); err != nil {
			return nil, unusablef("%s: %w", set.Name(index), err)
		}
		good++
		bar.step()
	}
	if good == 0 {
		return nil, unusablef("%s: none of %d images can be used: %w", src.flag, n, damage)
	}
	u, err := c.Units()
	if err != nil {
		return nil, unusablef("%s: %w", src.flag, err)
	}
	return &calibration{u, prepared, used}, nil
}

// calibration is what a run over real images gives.
type calibration struct {
	units      *bottleneck.Units
	preprocess *imagein.Preprocess // how the images were prepared, nil for tensors
	files      []string            // that were read
}

// openPrefix opens a session of what is before the cut.
func (src calibrationSource) openPrefix(ctx context.Context) (*ort.Session, error) {
	a, err := src.analyse()
	if err != nil {
		return nil, err
	}
	c, err := a.Resolve(src.after)
	if err != nil {
		return nil, err
	}
	b, _, err := splitter.Split(ctx, a, c, splitter.Settings{Plain: true}, nil)
	if err != nil {
		return nil, err
	}
	scratch, err := files.Scratch()
	if err != nil {
		return nil, err
	}
	defer scratch.Discard() // ONNX Runtime has read the file by then
	file := filepath.Join(scratch.Temp, "prefix.onnx")
	if err := onnx.Save(ctx, file, b.Mobile, onnx.SaveOptions{}); err != nil {
		return nil, err
	}
	session, err := ort.Open(file, src.session)
	if refused := (*ort.ModelError)(nil); errors.As(err, &refused) {
		return nil, unusablef("%s: %w", src.path, refused) // not the file that is gone
	}
	return session, err
}

// floats returns a tensor's elements as float32.
func floats(t *tensor.Tensor) ([]float32, error) {
	if t.DType == tensor.Float32 {
		return tensor.Slice[float32](t), nil
	}
	wide, err := t.Floats()
	if err != nil {
		return nil, err
	}
	out := make([]float32, len(wide))
	for i, v := range wide {
		out[i] = float32(v)
	}
	return out, nil
}
