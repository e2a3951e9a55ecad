package bnc

import (
	"cmp"
	"context"
	"encoding/json"
	"maps"
	"slices"

	"github.com/bottlenet/bnc/compiler/onnx"
	"github.com/bottlenet/bnc/internal/progress"
	"github.com/bottlenet/bnc/passes/bottleneck"
	"github.com/bottlenet/bnc/passes/grad"
	"github.com/bottlenet/bnc/passes/split"
	"github.com/bottlenet/bnc/runtime/candidate"
	"github.com/bottlenet/bnc/runtime/data"
	"github.com/bottlenet/bnc/runtime/feed"
	"github.com/bottlenet/bnc/runtime/ort"
	"github.com/bottlenet/bnc/runtime/plan"
	"github.com/bottlenet/bnc/runtime/probe"
	"github.com/bottlenet/bnc/runtime/search"
	"github.com/bottlenet/bnc/runtime/task"
	"github.com/bottlenet/bnc/runtime/train"
)

// trainer opens a plan's model and images for candidates to be trained.
func (o *SearchOptions) trainer(ctx context.Context, p *search.Plan, to progress.Progress) (search.Trainer, func(), error) {
	dir, m := search.Dir(o.Out), maker{threads: o.Threads}
	if err := json.Unmarshal(p.Settings, &m.settings); err != nil {
		return nil, nil, unusable("%s: settings: %w", dir.PlanFile(), err)
	}
	whole, err := openWhole(ctx, m.settings.Model, m.Options(p.Candidates[0]), to)
	if err != nil {
		return nil, nil, err
	}
	hash, err := onnx.Hash(m.settings.Model)
	if err != nil {
		return nil, nil, err
	}
	t := &candidate.Trainer{
		Progress: to, Dir: dir, Plan: p, Maker: m, Whole: whole, Threads: o.Threads, ScreenImages: m.settings.ScreenImages, CacheBytes: m.settings.CacheBytes,
	}
	return t, t.Close, p.Belongs(m.settings.Model, hash, data.ID(whole.Sets.Train, whole.Sets.Val))
}

// maker makes what candidates are trained of with what Split and Train are made of, a
// candidate.Maker.
type maker struct {
	settings searchSettings
	threads  int
}

// Options implements candidate.Maker. What a codec is fitted by is what the outputs feel, unless
// something else is said.
func (m maker) Options(c plan.Candidate) TrainOptions {
	o := m.settings.Train
	o.Seed, o.Threads = c.Seed, m.threads
	if o.CalibrateBy == "" && bottleneck.FittedNamed(c.Codec) {
		o.CalibrateBy = BySensitivity
	}
	return o
}

// splitting are the options of a candidate's split.
func (m maker) splitting(c plan.Candidate) SplitOptions {
	o, t := m.settings.Split, m.settings.Train
	o.After, o.Channels, o.Stride, o.Seed = c.Tensor, Each[Channels]{Channels(c.C)}, Each[int]{c.S}, c.Seed
	o.Codec, o.Quality = c.Codec, cmp.Or(c.Quality, o.Quality)
	if c.C == 0 {
		o.Channels = Each[Channels]{Full}
	}
	o.Input, o.TaskOptions, o.ImageOptions, o.FeedOptions = t.Input, t.TaskOptions, t.ImageOptions, t.FeedOptions
	return o
}

// Split implements candidate.Maker.
func (m maker) Split(ctx context.Context, c plan.Candidate, dir string) error {
	o := m.splitting(c)
	o.Out = dir
	_, err := Split(ctx, m.settings.Model, o)
	return err
}

// Train implements candidate.Maker.
func (maker) Train(ctx context.Context, path string, o TrainOptions, change func(*train.Training)) (*TrainResult, error) {
	return trained(ctx, path, o, change)
}

// Warm implements candidate.Maker.
func (maker) Warm(ctx context.Context, path, joined string, o TrainOptions, sets *train.Sets) error {
	o.Output, o.Distill, o.Epochs = path, false, NoEpochs
	b, err := openTraining(ctx, path, o)
	if err != nil {
		return err
	}
	trained, err := onnx.Load(joined)
	if err != nil {
		return err
	}
	units := bottleneck.Weights(b.source)
	weights, err := grad.ChangedWeights(b.source, trained, func(name string) bool { return !units[name] })
	if err != nil || len(weights) == 0 { // the model's own weights were not trained
		return err
	}
	if err := grad.SetWeights(b.source, weights); err != nil {
		return err
	}
	if err := b.calibrate(ctx, sets); err != nil {
		return err
	}
	return b.Write(ctx, path, weights, sets, nil)
}

// Screening implements candidate.Maker.
func (maker) Screening(ctx context.Context, path string, o TrainOptions, sets *train.Sets, behind func(feed.Given) (*train.Sets, error)) (*train.Training, *train.Job, error) {
	b, err := openTraining(ctx, path, o)
	if err != nil {
		return nil, nil, err
	}
	b.kind = b.kind.WithClasses(b.known, task.ClassesBeside(o.Scores, len(sets.Train.Classes())))
	if err := b.calibrate(ctx, sets); err != nil {
		return nil, nil, err
	}
	if len(b.meta.Tensors) == 1 {
		if sets, err = behind(b.given); err != nil {
			return nil, nil, err
		}
		if err := b.keepBehindCut(ctx); err != nil {
			return nil, nil, err
		}
	}
	job, err := b.compile(ctx, sets)
	return b.around(path), job, err
}

// keepBehindCut makes the training that of what is behind the cut.
func (t *training) keepBehindCut(ctx context.Context) error {
	m := t.source.Clone()
	if err := split.Behind(ctx, m, slices.Sorted(maps.Keys(t.given))...); err != nil {
		return err
	}
	t.source = m
	if t.teacher == nil {
		return nil
	}
	t.teacher = m.Clone()
	return bottleneck.Bypass(t.teacher)
}

// Before implements candidate.Maker.
func (m maker) Before(ctx context.Context, tensor string, session ort.Options) (*ort.Session, error) {
	a, err := analyse(ctx, m.settings.Model, m.settings.Train.Input)
	if err != nil {
		return nil, err
	}
	halves, err := split.PlainAt(ctx, a, []string{tensor})
	if err != nil {
		return nil, err
	}
	src := probe.Source{Path: m.settings.Model, Session: session}
	return src.Open(saving(ctx, halves.Mobile))
}
