package bnc

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime/debug"
	"time"

	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/compiler/onnx"
	"github.com/bottlenet/bnc/compiler/shape"
	"github.com/bottlenet/bnc/passes"
	"github.com/bottlenet/bnc/passes/bottleneck"
	"github.com/bottlenet/bnc/passes/grad"
	"github.com/bottlenet/bnc/passes/opt"
	"github.com/bottlenet/bnc/runtime/data"
	"github.com/bottlenet/bnc/runtime/feed"
	"github.com/bottlenet/bnc/runtime/model"
	"github.com/bottlenet/bnc/runtime/ort"
	"github.com/bottlenet/bnc/runtime/probe"
	"github.com/bottlenet/bnc/runtime/task"
	"github.com/bottlenet/bnc/runtime/tensor"
	"github.com/bottlenet/bnc/runtime/train"
)

// trainingStep is a compiled step with its sessions.
type trainingStep struct {
	*train.Sessions
	feeder *feed.Feeder
	id     string // of graph and first weights
	batch  int
	rate   float64
	heads  []grad.Judged
	taught task.Judge // the teacher's, of the images to judge by; nil for none
}

func (s *trainingStep) close() { s.Sessions.Close() }

// compile makes the step graph and opens the sessions.
func (t *training) compile(ctx context.Context, sets *trainingSets) (*trainingStep, error) {
	p, err := grad.Build(ctx, t.source, t.teacher, t.build(sets))
	if fault := (*grad.BuildError)(nil); errors.As(err, &fault) {
		return nil, unusable("%s: %w", t.path, err)
	}
	if err != nil {
		return nil, err
	}
	t.heads, t.teaching = p.Judged, p.Teacher
	return t.open(ctx, p, sets)
}

// build are the options of the step.
func (t *training) build(sets *trainingSets) grad.BuildOptions {
	return grad.BuildOptions{
		Loss: t.loss(), Output: t.Scores, Outputs: t.meta.Outputs, Classes: len(sets.train.Classes()), Distilled: t.Distill, OwnTeacher: t.Teacher == "",
		Bottleneck: t.bottleneck, Original: t.meta.Backbone, Cut: t.meta.Tensor, Quality: t.meta.Quality, Naive: t.Naive,
		Freeze: t.frozen(), Batch: t.Batch, Images: sets.train.Len(), Rate: t.LR, Decay: t.WeightDecay, Clip: t.ClipNorm,
		Opt:        grad.Optimizer{Kind: t.Optimizer, Momentum: orElse(t.Momentum, 0.9), Nesterov: t.Nesterov, DecayAll: t.DecayAll, EMA: t.EMA},
		Statistics: t.Statistics, Layout: grad.Layout(cmp.Or(t.Layout, "auto")),
		Compute: t.compute, Notice: t.notice,
		Fit: func(first *grad.Scores) error { return t.fit(sets, first) },
	}
}

// fit compares the labels with the output that they are of.
func (t *training) fit(sets *trainingSets, first *grad.Scores) error {
	if err := sets.fit(first.Output.Name(), int(first.Classes), t.Distill, t.progress); err != nil {
		return err
	}
	if t.Labels != "" && len(t.labels) != int(first.Classes) {
		return unusable("option labels: %d names, the model's output %q is %d wide: give as many, one a line", len(t.labels), first.Output.Name(), first.Classes)
	}
	return nil
}

// compute runs a network that computes weights.
func (t *training) compute(ctx context.Context, m *ir.Model) (map[string]*ir.Tensor, error) {
	session, err := t.session(m, "computed weights")
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

// session opens a session of a model in memory.
func (t *training) session(m *ir.Model, name string) (*ort.Session, error) {
	b, err := onnx.Marshal(m)
	if err != nil {
		return nil, err
	}
	return ort.OpenBytes(name, b, t.running)
}

// open makes the sessions of a program.
func (t *training) open(ctx context.Context, p *grad.Program, sets *trainingSets) (*trainingStep, error) {
	s := &trainingStep{heads: p.Judged, batch: int(p.Manifest.Batch), rate: p.Rate}
	var err error
	graphs := &train.Graphs{Initial: p.Initial}
	for _, part := range []struct {
		m  *ir.Model
		to *[]byte
	}{{p.Step, &graphs.Step}, {p.Eval, &graphs.Eval}, {p.Statistics, &graphs.Statistics}} {
		if part.m == nil {
			continue
		}
		if *part.to, err = onnx.Marshal(part.m); err != nil {
			return nil, err
		}
	}
	if t.Dump != "" {
		if err := graphs.Write(t.Dump); err != nil {
			return nil, err
		}
	}
	s.id = graphs.ID()
	if s.Sessions, err = graphs.Open(t.running); err != nil {
		return nil, err
	}
	debug.FreeOSMemory() // what compiling took
	if s.feeder, err = feed.New([]model.Port{inputPort(p.Eval.Graph.Value(p.Manifest.Input))}, sets.choose); err != nil {
		s.close()
		return nil, unusable("%w", err)
	}
	return s, context.Cause(ctx)
}

// run trains.
func (s *trainingStep) run(ctx context.Context, dir train.Folder, t *training, sets *trainingSets) (*train.History, error) {
	augment, err := t.augment(sets.preprocess != nil, sets.whole)
	if err != nil {
		return nil, err
	}
	loader, err := feed.NewLoader(s.feeder, sets.train, feed.LoaderOptions{
		Batch: s.batch, Seed: t.Seed, Shuffle: true, Augment: augment, Labels: s.Trainer.Labelled(),
		OnSkip: func(name string, err error) { t.notice("left out: %v", err) },
	})
	if err != nil {
		return nil, unusable("option data: %w", err)
	}
	if err := s.teach(ctx, t, sets); err != nil {
		return nil, err
	}
	steps := loader.Batches()
	settings, err := t.identity(s, augment, sets)
	if err != nil {
		return nil, err
	}
	shown := &shownTraining{progress: t.progress}
	epochs := t.epochs()
	options := train.Options{
		Epochs:   epochs,
		Schedule: train.Schedule{Kind: cmp.Or(t.Schedule, train.Cosine), Rate: s.rate, Warmup: int(math.Round(orElse(t.Warmup, 0.5) * float64(steps))), Total: epochs * steps},
		Loader:   loader, Patience: t.Patience, KeepBest: !t.KeepLast,
		Checkpoint: dir.Checkpoint(), Every: orElse(t.CheckpointEvery, time.Minute), Settings: settings, Resume: t.Resume,
		Log: dir.Log(), Step: shown.step, Notice: t.notice, Start: shown.start, Epoch: shown.epoch,
		Hopeless: t.hopeless,
	}
	if epochs == 0 { // log and checkpoint of another training stay
		options.Log, options.Checkpoint = "", ""
	}
	if sets.val != nil {
		options.Validate = func(ctx context.Context, weights ort.Feed) (train.Validation, error) {
			return s.validate(ctx, sets, s.batch, weights)
		}
	}
	if held, _ := dir.HasCheckpoint(); held && options.Checkpoint != "" && !t.Resume {
		t.notice("the checkpoint of an interrupted training in %s is replaced: option resume would have gone on from it", dir)
	}
	if options.Log != "" {
		if err := os.MkdirAll(string(dir), 0o777); err != nil {
			return nil, err
		}
	}
	history, err := train.Run(ctx, s.Trainer, options)
	var unfit *train.DataError
	switch {
	case errors.Is(err, train.ErrOtherTraining):
		return nil, usage("resume", ": %w: give the flags, data and bundle of the training that was interrupted, or start without option resume", err)
	case errors.As(err, &unfit):
		return nil, unusable("option data: %w", err)
	case errors.Is(err, context.Canceled):
		return nil, interrupted(dir)
	}
	return history, err
}

// identity is what a checkpoint must share with the training that goes on from
// it: all that decides about the result.
func (o *TrainOptions) identity(s *trainingStep, a feed.Augment, sets *trainingSets) (string, error) {
	b, err := json.Marshal(struct {
		Graph, Train, Val string
		Seed              uint64
		Epochs            int
		Rate, Warmup      float64
		Schedule          string
		Augment           feed.Augment
		Preprocess        any
		KeepLast          bool
		Patience          int
	}{s.id, itemsID(sets.train), itemsID(sets.val), o.Seed, o.epochs(), s.rate, orElse(o.Warmup, 0.5), cmp.Or(o.Schedule, train.Cosine), a, sets.preprocess, o.KeepLast, o.Patience})
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:]), nil
}

// itemsID tells sets apart by their classes and the names and labels of their items,
// wherever their folders are.
func itemsID(sets ...*data.Set) string {
	h := sha256.New()
	for _, set := range sets {
		if set == nil {
			continue
		}
		fmt.Fprintln(h, set.Len(), set.Classes())
		for i := range set.Len() {
			fmt.Fprintln(h, filepath.Base(set.Name(i)), set.Label(i))
		}
	}
	return hex.EncodeToString(h.Sum(nil))
}

// measureRange returns the range of what the trained quantiser reads on the
// training images, but for its tails.
func (t *training) measureRange(ctx context.Context, trained *ir.Model, sets *trainingSets) (lo, hi float32, err error) {
	m := trained.Clone()
	anatomy, err := bottleneck.Anatomy(m)
	if err != nil {
		return 0, 0, err
	}
	m.Graph.SetOutputs(anatomy.Reduced)
	if _, err := passes.RunContext(ctx, m, []passes.Pass{opt.DeadCode, opt.DropUnusedDomains}, nil); err != nil {
		return 0, 0, err
	}
	if _, err := shape.Infer(m, shape.Options{}); err != nil {
		return 0, 0, err
	}
	session, err := t.session(m, "reduction")
	if err != nil {
		return 0, 0, err
	}
	defer session.Close()
	feeder, err := feed.New(session.Inputs(), sets.choose)
	if err != nil {
		return 0, 0, unusable("%w", err)
	}
	var r bottleneck.ValueRange
	_, err = probe.Run(ctx, session, probe.Options{Set: sets.train, Feeder: feeder}, func(_ string, x *tensor.Tensor) error { // what is left out was told when it was trained on
		values, err := x.Float32s()
		r.Add(values)
		return err
	})
	if err != nil {
		return 0, 0, err
	}
	return r.Bounds()
}
