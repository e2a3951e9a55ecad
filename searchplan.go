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
	"github.com/bottlenet/bnc/runtime/data"
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

// openPlan reads the plan in a folder.
func openPlan(dir string) (*search.Plan, error) {
	file := search.Dir(dir).PlanFile()
	p, err := search.OpenPlan(file)
	if err != nil {
		return nil, unusable("%w", err)
	}
	if err := upgradePlan(p); err != nil {
		return nil, unusable("%s: %w", file, err)
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
	training := trainingOf(settings, plan.Candidate{Seed: o.Seed}, o.Threads)
	if err := checkTraining(&training); err != nil {
		return nil, err
	}
	for _, size := range o.sizes() {
		split := splittingOf(settings, plan.Candidate{Tensor: "each", C: 1, S: 1, Coding: size.Coding})
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
	if err := o.judge(ctx, path, training, p); err != nil {
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

// judge opens the images of a plan and evaluates the model itself.
func (o *SearchOptions) judge(ctx context.Context, path string, t TrainOptions, p *search.Plan) error {
	to := progress.Progress{To: o.Reporter}
	sets, err := openSearchSets(ctx, path, t, to)
	if err != nil {
		return err
	}
	if t.Batch > sets.Train.Len() {
		return usage("batch", "%d: there are %d images to train on", t.Batch, sets.Train.Len())
	}
	if sets.Val == nil {
		return usage("", "there are no images to judge by: give option val DATA, or a option val_split larger than 0")
	}
	whole, err := wholeOf(path, t, sets, ort.Options{Threads: o.Threads})
	if err != nil {
		return err
	}
	baseline, kind, measure, err := whole.Baseline(ctx, !p.Exhaustive, to.Notice, func(images int) func(int) { return to.Phase("evaluating the model", images).Step })
	if err != nil {
		return err
	}
	if p.Baseline, p.Measure = baseline, measure; measure != nil {
		p.Task = kind.Kind
	}
	p.DataSHA256 = data.ID(sets.Train, sets.Val)
	return nil
}

// trainingOf are the options of a candidate's training. What a codec is fitted by is what the
// outputs feel, unless something else is said.
func trainingOf(s searchSettings, c plan.Candidate, threads int) TrainOptions {
	o := s.Train
	o.Seed, o.Threads = c.Seed, threads
	if o.CalibrateBy == "" && bottleneck.FittedNamed(c.Codec) {
		o.CalibrateBy = BySensitivity
	}
	return o
}

// splittingOf are the options of a candidate's split.
func splittingOf(s searchSettings, c plan.Candidate) SplitOptions {
	o := s.Split
	o.After, o.Channels, o.Stride, o.Seed = c.Tensor, Each[Channels]{Channels(c.C)}, Each[int]{c.S}, c.Seed
	o.Codec, o.Quality = c.Codec, cmp.Or(c.Quality, o.Quality)
	if c.C == 0 {
		o.Channels = Each[Channels]{Full}
	}
	o.Input, o.TaskOptions, o.ImageOptions, o.FeedOptions = s.Train.Input, s.Train.TaskOptions, s.Train.ImageOptions, s.Train.FeedOptions
	return o
}

// openSearchSets opens the images of a search, prepared for the model itself.
func openSearchSets(ctx context.Context, path string, o TrainOptions, p progress.Progress) (*train.Sets, error) {
	subject, err := openSubject(path, ort.Options{})
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
	kind.Adapt(&o.Overrides, subject.Meta.Preprocess, p.Notice)
	t := &training{TrainOptions: o, Progress: p, path: path, meta: subject.Meta, source: source}
	if t.given, err = o.OpenGiven(subject.Inputs); err != nil {
		return nil, err
	}
	return t.openSets()
}

// wholeOf is the model of a search, beside which its bundles are measured.
func wholeOf(path string, o TrainOptions, sets *train.Sets, session ort.Options) (*train.Whole, error) {
	subject, err := openSubject(path, session)
	if err != nil {
		return nil, err
	}
	return &train.Whole{Subject: subject, Sets: sets, Options: o.TaskOptions, Scores: o.Scores, Data: o.Data, Taught: o.Distill}, nil
}
