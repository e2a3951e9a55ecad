package bnc

import (
	"cmp"
	"context"
	"fmt"
	"os"

	"github.com/bottlenet/bnc/compiler/cut"
	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/compiler/onnx"
	"github.com/bottlenet/bnc/internal/progress"
	"github.com/bottlenet/bnc/passes"
	"github.com/bottlenet/bnc/passes/bottleneck"
	"github.com/bottlenet/bnc/passes/grad"
	"github.com/bottlenet/bnc/passes/opt"
	"github.com/bottlenet/bnc/passes/output"
	"github.com/bottlenet/bnc/passes/split"
	"github.com/bottlenet/bnc/runtime/bundle"
	"github.com/bottlenet/bnc/runtime/feed"
	"github.com/bottlenet/bnc/runtime/imagein"
	"github.com/bottlenet/bnc/runtime/ort"
	"github.com/bottlenet/bnc/runtime/probe"
	"github.com/bottlenet/bnc/runtime/task"
	"github.com/bottlenet/bnc/runtime/train"
)

// training is a bundle or a model that is to be trained, a train.Network.
type training struct {
	TrainOptions
	progress.Progress
	path string // of the joined network, or the model
	meta bundle.Meta
	// source is what trained weights go into: the joined network of a bundle, or
	// the model.
	source     *ir.Model
	bottleneck bool
	external   bool // weights in files of their own
	// calibrated tells that the quantiser's static range is that of real images.
	calibrated bool
	ranges     bottleneck.Meta // says what the quantisers were calibrated to
	teacher    *ir.Model       // of option distill, or of the outputs that labels are not of; nil for none
	// taught is how the teacher's own file prepares images, nil for unknown.
	taught *imagein.Preprocess
	given  feed.Given    // what inputs are given that get no images
	labels []string      // names of the classes, nil for unknown
	kind   *task.Chosen  // what the outputs are
	known  task.Model    // what is known of them
	heads  []grad.Judged // what is trained and judged, which compile chooses
	said   task.Judge    // what the teacher says of the images to judge by
	// running is how graphs run: with every optimisation, which gives layers whose
	// weights are constants, frozen ones and the teacher's, a blocked layout.
	running ort.Options
}

// openTraining loads what is at path and, where one is to teach, its teacher.
func openTraining(ctx context.Context, path string, o TrainOptions) (*training, error) {
	session := ort.Options{Threads: o.Threads, TensorByTensor: true}
	subject, err := openSubject(path, session)
	if err != nil {
		return nil, err
	}
	t := &training{TrainOptions: o, Progress: progress.Progress{To: o.Reporter}, meta: subject.Meta, bottleneck: subject.Joined != "", running: session}
	if t.path, err = t.For(subject); err != nil {
		return nil, err
	}
	if err := output.Fits(t.Destination(path), t.bottleneck); err != nil {
		return nil, err
	}
	if t.labels, err = subject.Labels(o.Labels); err != nil {
		return nil, err
	}
	if t.kind, err = subject.OpenTask(o.TaskOptions, t.labels); err != nil {
		return nil, err
	}
	t.known = subject.AllKnown()
	t.kind.Adapt(&t.Overrides, t.meta.Preprocess, t.Notice)
	if t.given, err = o.OpenGiven(subject.Inputs); err != nil {
		return nil, err
	}
	if t.source, err = loadLearnable(ctx, t.path, o.Input); err != nil {
		return nil, err
	}
	if o.Quality > 0 {
		t.meta.Quality = o.Quality
		if err := bottleneck.SetQuality(t.source, int64(o.Quality)); err != nil {
			return nil, err
		}
	}
	if o.Counting() != "" {
		if err := t.rateKnown(); err != nil {
			return nil, err
		}
	}
	_, err = os.Stat(t.path + ".data")
	t.external = err == nil
	t.calibrated = t.bottleneck && t.meta.Range == bundle.RangeStatic
	if o.Distill {
		if t.teacher, err = t.openTeacher(ctx); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// rateKnown refuses what lets payloads count where a codec cannot estimate its payloads.
func (t *training) rateKnown() error {
	records, err := bottleneck.Records(t.source)
	if err != nil {
		return err
	}
	switch codec, err := bottleneck.Unrated(records); {
	case err != nil:
		return unusable("%s: %w", t.path, err)
	case codec != "":
		return usage(t.Counting(), "has no meaning for codec %s: how many bits it takes cannot be estimated", codec)
	}
	return nil
}

// loadLearnable loads a model, gives inputs the shapes of option input and makes it
// learnable.
func loadLearnable(ctx context.Context, path string, fix map[string][]int64) (*ir.Model, error) {
	a, err := analyse(ctx, path, fix)
	if err != nil {
		return nil, err
	}
	if _, err := passes.RunContext(ctx, a.Model, grad.Learnable, nil); err != nil {
		return nil, unusable("%s: %w", path, err)
	}
	return a.Model, nil
}

// openTeacher returns the model whose answers teach.
func (t *training) openTeacher(ctx context.Context) (*ir.Model, error) {
	if t.Teacher == "" {
		if !t.meta.Backbone {
			return nil, usage("distill", ": the bundle's weights are not the original's any more; name the original model by option teacher MODEL")
		}
		m := t.source.Clone()
		return m, bottleneck.Bypass(m)
	}
	m, err := loadLearnable(ctx, t.Teacher, t.Input)
	if err != nil {
		return nil, fmt.Errorf("option teacher: %w", err)
	}
	subject, err := openSubject(t.Teacher, t.running)
	if err != nil {
		return nil, fmt.Errorf("option teacher: %w", err)
	}
	t.taught = subject.Meta.Preprocess
	if t.bottleneck {
		hash, err := onnx.Hash(t.Teacher)
		if err != nil {
			return nil, err
		}
		if hash != t.meta.SourceSHA256 {
			return nil, unusable("option teacher %s: its SHA-256 is %.12s, the bundle was made from %.12s: give the model that was split", t.Teacher, hash, t.meta.SourceSHA256)
		}
	}
	return m, nil
}

// lowered are the settings that the bundle's halves were made with.
func (t *training) lowered() split.Settings {
	return split.Settings{CodecAt: t.meta.CodecAt, FP16: t.meta.FP16, Target: t.meta.Target}
}

// measured are the images to train on, for what is measured of them. What cannot be used is told
// when it is trained on.
func (t *training) measured(sets *train.Sets) *probe.Source {
	return &probe.Source{Path: t.path, Tensors: t.meta.Tensors, Set: sets.Train, Choose: sets.Choose, Given: sets.Given, Option: "data", Session: t.running}
}

// calibrate replaces a bottleneck that was neither calibrated nor trained by one
// that fits the training images.
func (t *training) calibrate(ctx context.Context, sets *train.Sets) error {
	if !t.bottleneck || t.NoCalib || t.meta.Calibrated || t.calibrated {
		return nil
	}
	b, _, settings, err := split.Rebuild(ctx, t.source, t.lowered(), func(settings *split.Settings) error {
		_, err := calibrate(ctx, t.Progress, calibrationSource{
			Source: *t.measured(sets), analyse: func() (*cut.Analysis, error) { return split.Original(t.source) },
			felt: t.CalibrateBy == BySensitivity, raw: !task.OfScores(t.kind.Task),
		}, settings)
		settings.SetDynamic(t.Range == "dynamic")
		return err
	})
	if err != nil {
		return err
	}
	t.source, t.calibrated = b.Bottlenet, true
	t.ranges = settings.Meta()
	if t.Range != bundle.RangeDynamic {
		t.meta.Range = bundle.RangeStatic
	}
	return nil
}

// Write implements train.Network. Before may be nil.
func (t *training) Write(ctx context.Context, path string, weights map[string][]float32, sets *train.Sets, before func(pair string, requantised bool) error) error {
	trained := t.source.Clone()
	if err := grad.SetWeights(trained, weights); err != nil {
		return err
	}
	t.source = trained
	if !t.bottleneck {
		if _, err := passes.RunContext(ctx, trained, []passes.Pass{opt.DeadCode}, nil); err != nil { // of what weights were computed
			return err
		}
		about := bottleneck.ModelMeta{Labels: sets.Names(t.labels, t.Distill), Preprocess: t.preprocess(sets)}
		about.Task, about.Decoder = t.kind.Recorded()
		if err := bottleneck.DescribeModel(trained, about); err != nil {
			return err
		}
		return onnx.Save(ctx, t.Output, trained, onnx.SaveOptions{External: t.external})
	}
	backbone, units := false, bottleneck.Weights(trained)
	for name := range weights {
		backbone = backbone || !units[name]
	}
	dynamic := t.Range == "dynamic" || t.Range == "" && t.meta.Dynamic() && t.meta.Calibrated
	crossed, refitted, err := t.settleCodec(ctx, sets, t.EpochsToRun() > 0)
	if err != nil {
		return err
	}
	requantised := !dynamic && (t.Naive || t.meta.Dynamic()) || dynamic && !t.meta.Dynamic()
	b, c, settings, err := split.Rebuild(ctx, trained, t.lowered(), func(settings *split.Settings) error {
		settings.SetDynamic(dynamic)
		if requantised && !dynamic {
			if err := t.measureRanges(ctx, trained, sets, settings.Tensors); err != nil {
				return err
			}
		}
		if requantised && crossed != nil {
			if err := settings.Refit(crossed); err != nil {
				return err
			}
		}
		if t.EpochsToRun() > 0 {
			if gone := settings.Trim(); gone > 0 {
				t.Notice("%d channels tell nothing any more, and are taken out", gone)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for i := range settings.Tensors {
		x := &settings.Tensors[i]
		x.Units.Lo, x.Units.Hi = x.Lo, x.Hi
	}
	meta := settings.Meta()
	meta.Cut, meta.Tensor, meta.Inputs, meta.Outputs, meta.SourceSHA256 = t.meta.Cut, t.meta.Tensors, t.meta.Inputs, t.meta.Outputs, t.meta.SourceSHA256
	if t.kind.Why == "" { // a bundle of before stays as it was
		meta.Task, meta.Decoder = t.kind.Recorded()
	}
	meta.Calibrated, meta.Labels, meta.Preprocess, meta.Backbone = true, sets.Names(t.labels, t.Distill), t.preprocess(sets), t.meta.Backbone && !backbone
	if meta.Pair, err = split.PairID(t.meta.SourceSHA256+grad.WeightsID(weights), c, settings); err != nil {
		return err
	}
	if rates, err := t.rates(ctx, b.Bottlenet, sets); err != nil {
		return err
	} else if rates != nil {
		meta.Rates = rates
	}
	dest, err := output.Create(t.Destination(path))
	if err != nil {
		return err
	}
	defer dest.Discard()
	if before != nil {
		if err := before(meta.Pair, requantised || refitted); err != nil {
			return err
		}
	}
	t.source = b.Bottlenet
	return dest.Save(ctx, b, onnx.SaveOptions{External: t.external}, func() (bottleneck.Meta, error) { return meta, nil })
}

// preprocess is how images become inputs: as in the training, or as it was known
// before where tensors were trained on; nil for unknown.
func (t *training) preprocess(sets *train.Sets) any {
	if p := cmp.Or(sets.Preprocess, t.meta.Preprocess); p != nil {
		return p
	}
	return nil
}

// rates measures a pair of many rates again, for which that was asked at its split; nil where
// nothing tells.
func (t *training) rates(ctx context.Context, joined *ir.Model, sets *train.Sets) (*Rates, error) {
	if t.meta.Rates == nil {
		return nil, nil
	}
	pair, err := openSubject(t.path, t.running)
	if err != nil {
		return nil, err
	}
	pair.Change = func(_ string, quality int) ([]byte, error) {
		m := joined.Clone()
		if err := bottleneck.SetQuality(m, int64(quality)); err != nil {
			return nil, err
		}
		return onnx.Marshal(m)
	}
	return sets.Rates(ctx, pair, t.kind.Task, t.Scores, t.Progress)
}
