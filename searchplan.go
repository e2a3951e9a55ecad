package bnc

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"path/filepath"

	"github.com/bottlenet/bnc/compiler/cut"
	"github.com/bottlenet/bnc/compiler/onnx"
	"github.com/bottlenet/bnc/internal/progress"
	"github.com/bottlenet/bnc/passes/bottleneck"
	"github.com/bottlenet/bnc/runtime/budget"
	"github.com/bottlenet/bnc/runtime/ort"
	"github.com/bottlenet/bnc/runtime/plan"
	"github.com/bottlenet/bnc/runtime/search"
	"github.com/bottlenet/bnc/runtime/train"
)

// searchSettings is what a plan tells its trainers.
type searchSettings = search.Settings[TrainOptions, SplitOptions]

// PlanSearch writes the plan of a search for the model at path into the folder o.Out,
// which takes an evaluation of the model. The same search may be there.
func PlanSearch(ctx context.Context, path string, o SearchOptions) (*search.Plan, error) {
	p, err := o.plan(ctx, path)
	if err != nil {
		return nil, err
	}
	var other *search.OtherPlanError
	if err := search.Dir(o.Out).WritePlan(p, upgradePlan); errors.As(err, &other) {
		return nil, usage("", "%w", err)
	} else if err != nil {
		return nil, err
	}
	return p, nil
}

// upgradePlan makes a plan of an older format one of today's.
func upgradePlan(p *search.Plan) error {
	return search.Upgrade[TrainOptions, SplitOptions](p, (*TrainOptions).Plain)
}

// plan makes the plan of a search.
func (o *SearchOptions) plan(ctx context.Context, path string) (*search.Plan, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	settings := searchSettings{Model: path, Train: o.Train, Split: o.Split, ScreenImages: o.ScreenImages, CacheBytes: o.CacheBytes}
	settings.Train.Plain()
	m := maker{settings, o.Threads}
	training := m.Options(plan.Candidate{Seed: o.Seed})
	if err := checkTraining(&training); err != nil {
		return nil, err
	}
	for _, size := range o.sizes() {
		split := m.splitting(plan.Candidate{Tensor: "each", C: 1, S: 1, Coding: size.Coding})
		if _, err := split.request(); err != nil {
			return nil, err
		}
	}
	hash := onnx.StartHash(ctx, path)
	a, err := analyse(ctx, path, training.Input)
	if err != nil {
		return nil, err
	}
	p := &search.Plan{
		Format: search.PlanFormat, Kind: search.KindPlan, Model: filepath.Base(path), MaxLoss: *o.MaxLoss, Margin: *o.Margin, Exhaustive: o.Exhaustive,
	}
	if p.Settings, err = json.Marshal(settings); err != nil {
		return nil, err
	}
	if p.Candidates, err = o.candidates(a); err != nil {
		return nil, err
	}
	to := progress.Progress{To: o.Reporter}
	whole, err := openWhole(ctx, path, training, to)
	if err != nil {
		return nil, err
	}
	if err := whole.Plan(ctx, p, training.Batch, to); err != nil {
		return nil, err
	}
	p.SourceSHA256, err = hash()
	return p, err
}

// candidates lists the cuts times the sizes, with a reason where one cannot be.
func (o *SearchOptions) candidates(a *cut.Analysis) ([]plan.Candidate, error) {
	cuts, err := a.Choose(o.Cuts)
	if err != nil {
		return nil, err
	}
	if len(cuts) == 0 {
		return nil, unusable("no cut of the model takes a bottleneck: bnc inspect tells why")
	}
	var places []search.Place
	at := map[string]*cut.Cut{}
	for _, c := range cuts {
		fewest := int64(budget.MostChannels)
		for _, t := range c.Tensors {
			n, _ := t.Type.Dims[1].Int() // known where a bottleneck fits
			fewest = min(fewest, n)
		}
		places = append(places, search.Place{Cut: c.Name(), Tensor: c.Tensor(), Channels: int(fewest)})
		at[c.Name()] = c
	}
	all := search.Candidates(places, o.sizes(), o.Seed)
	for i, c := range all {
		if _, err := bottleneck.Geometries(at[c.Cut], []int64{int64(c.C)}, []int64{int64(c.S)}); err != nil {
			all[i].Reason = err.Error()
		}
	}
	return all, nil
}

// sizes are what is tried at each cut.
func (o *SearchOptions) sizes() (all []search.Size) {
	channels := make([]int, len(o.Channels)) // Full is 0 there
	for i, c := range o.Channels {
		channels[i] = int(max(c, 0))
	}
	codecs := []string{cmp.Or(o.Split.Codec, DefaultCodec)}
	if o.Split.Codec == CodecAuto {
		codecs = o.Split.codecs()
	}
	for _, codec := range codecs {
		all = append(all, o.Sizes(channels, codec, bottleneck.FittedNamed(codec))...)
	}
	return all
}

// openWhole opens the model of a search, with the images as it takes them.
func openWhole(ctx context.Context, path string, o TrainOptions, p progress.Progress) (*train.Whole, error) {
	subject, err := openSubject(path, ort.Options{Threads: o.Threads})
	if err != nil {
		return nil, err
	}
	if subject.Pair != nil || subject.Joined != "" {
		return nil, usage("", "%s is of a bundle: a search begins with the whole model", path)
	}
	source, err := loadLearnable(ctx, path, o.Input)
	if err != nil {
		return nil, err
	}
	kind, err := subject.OpenTask(o.TaskOptions, nil)
	if err != nil {
		return nil, err
	}
	whole := &train.Whole{Subject: subject, Options: o.TaskOptions, Scores: o.Scores, Data: o.Data, Taught: o.Distill}
	kind.Adapt(&o.Overrides, subject.Meta.Preprocess, p.Notice)
	t := &training{TrainOptions: o, Progress: p, path: path, meta: subject.Meta, source: source}
	if t.given, err = o.OpenGiven(subject.Inputs); err == nil {
		whole.Sets, err = t.openSets()
	}
	return whole, err
}
