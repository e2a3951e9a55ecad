package main

import (
	"context"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strings"

	"github.com/bottlenet/bnc/compiler/cut"
	"github.com/bottlenet/bnc/compiler/onnx"
	"github.com/bottlenet/bnc/passes/bottleneck"
	"github.com/bottlenet/bnc/passes/grad"
	"github.com/bottlenet/bnc/runtime/feed"
	"github.com/bottlenet/bnc/runtime/ort"
	"github.com/bottlenet/bnc/runtime/plan"
	"github.com/bottlenet/bnc/runtime/search"
	"github.com/spf13/pflag"
)

// plan makes the plan of a search, which takes an evaluation of the model.
func (o *searchOptions) plan(ctx context.Context, s streams, path string) (*search.Plan, error) {
	sizes, cacheBytes, err := o.check()
	if err != nil {
		return nil, err
	}
	settings := searchSettings{
		Model: path, Train: given(o.flags, passedToTrain), Split: given(o.flags, passedToSplit),
		ScreenImages: o.screenImages, CacheBytes: int64(min(cacheBytes, math.MaxInt64)),
	}
	if !o.flags.Changed("epochs") {
		settings.Train = append(settings.Train, "--epochs="+o.trainFlags.Lookup("epochs").DefValue)
	}
	options, err := parseTrain(append(settings.Train, fmt.Sprintf("--seed=%d", o.seed), fmt.Sprintf("--threads=%d", o.threads)))
	if err != nil {
		return nil, err
	}
	if err := checkSplit(settings.Split); err != nil {
		return nil, err
	}
	hash := startHash(ctx, path)
	a, err := analyse(ctx, path, options.inputs)
	if err != nil {
		return nil, err
	}
	cuts, err := o.chooseCuts(a)
	if err != nil {
		return nil, err
	}
	var places []search.Place
	at := map[string]*cut.Cut{}
	for _, c := range cuts {
		places = append(places, search.Place{Cut: c.Name(), Tensor: c.Value.Name()})
		at[c.Name()] = c
	}
	p := &search.Plan{
		Format: plan.FileFormat, Kind: search.KindPlan, Model: filepath.Base(path), MaxLoss: o.maxLoss, Margin: o.margin, Exhaustive: o.exhaustive,
		Candidates: search.Candidates(places, sizes, o.seed),
		Settings: map[string]any{
			"model_file": settings.Model, "train": settings.Train, "split": settings.Split, "screen_images": settings.ScreenImages, "cache_bytes": settings.CacheBytes,
		},
	}
	for i, c := range p.Candidates {
		if _, err := bottleneck.CutGeometry(at[c.Cut], int64(c.C), int64(c.S)); err != nil {
			p.Candidates[i].Reason = err.Error()
		}
	}
	sets, err := openSearchSets(ctx, path, options, s)
	if err != nil {
		return nil, err
	}
	if options.batch > sets.train.Len() {
		return nil, usagef("--batch %d: there are %d images to train on", options.batch, sets.train.Len())
	}
	if sets.val == nil {
		return nil, usagef("there are no images to judge by: give --val DATA, or a --val-split larger than 0")
	}
	if p.Baseline.Top1, err = wholeTop1(ctx, s, path, options.scores, sets, ort.Options{Threads: o.threads}); err != nil {
		return nil, err
	}
	if options.distill {
		p.Baseline.Agreement = new(1.0)
	}
	p.DataSHA256 = itemsID(sets.train, sets.val)
	p.SourceSHA256, err = hash()
	return p, err
}

// checkSplit finds wrong flags of bnc split before a plan with them is written.
func checkSplit(args []string) error {
	fs := pflag.NewFlagSet("split", pflag.ContinueOnError)
	var o splitOptions
	o.declare(fs)
	if err := fs.Parse(append(slices.Clone(args), "--after=each")); err != nil {
		return usageError{err}
	}
	return o.check(fs)
}

// chooseCuts returns the cuts of --cuts.
func (o *searchOptions) chooseCuts(a *cut.Analysis) ([]*cut.Cut, error) {
	var all, residual, chosen []*cut.Cut
	for i := range a.Cuts {
		c := &a.Cuts[i]
		if c.NoBottleneck != "" {
			continue
		}
		all = append(all, c)
		if strings.HasPrefix(c.Name(), "rb") {
			residual = append(residual, c)
		}
	}
	switch {
	case o.cuts == "" && residual != nil:
		return residual, nil
	case (o.cuts == "" || o.cuts == "all") && all == nil:
		return nil, unusablef("no cut of the model takes a bottleneck: bnc inspect tells why")
	case o.cuts == "" || o.cuts == "all":
		return all, nil
	}
	known := map[string]bool{}
	for name := range strings.SplitSeq(o.cuts, ",") {
		c, err := a.Resolve(name)
		if err != nil {
			return nil, err
		}
		if c.NoBottleneck != "" {
			return nil, unusablef("--cuts: %s takes no bottleneck: %s", name, c.NoBottleneck)
		}
		if !known[c.ID] {
			known[c.ID] = true
			chosen = append(chosen, c)
		}
	}
	return chosen, nil
}

// parseTrain reads flags of bnc train.
func parseTrain(args []string) (trainOptions, error) {
	fs := pflag.NewFlagSet("train", pflag.ContinueOnError)
	var o trainOptions
	o.declare(fs)
	if err := fs.Parse(args); err != nil {
		return o, usageError{err}
	}
	return o, o.check()
}

// openSearchSets opens the images of a search, prepared for the model itself.
func openSearchSets(ctx context.Context, path string, o trainOptions, s streams) (*trainingSets, error) {
	subject, err := openSubject(path, ort.Options{})
	if err != nil {
		return nil, err
	}
	if subject.pair != nil || subject.joined != "" {
		return nil, usagef("%s is of a bundle: a search begins with the whole model", path)
	}
	source, err := loadLearnable(ctx, path, o.inputs)
	if err != nil {
		return nil, err
	}
	return openTrainingSets(&trainable{path: path, meta: subject.meta, source: source}, &o, s.notice)
}

// wholeTop1 is the model's own accuracy, nil without labels.
func wholeTop1(ctx context.Context, s streams, path, scores string, sets *trainingSets, session ort.Options) (*float64, error) {
	if !sets.val.Labelled() {
		return nil, nil
	}
	subject, err := openSubject(path, session)
	if err != nil {
		return nil, err
	}
	feeder, err := feed.New(subject.inputs, sets.choose)
	if err != nil {
		return nil, unusableError{err}
	}
	bar := newProgress(s.err, "evaluating the model", sets.val.Len())
	defer bar.done()
	options := subject.options(0)
	heads, _, except, err := subject.heads(grad.Want{Output: scores, Classes: len(sets.val.Classes())})
	if err != nil {
		return nil, err
	}
	options.Scores, options.Except = scoresOf(heads[:1]), except
	options.Step = func(n int) {
		for range n {
			bar.step()
		}
	}
	r, err := subject.run(ctx, 0, evalInput{set: sets.val, feeder: feeder}, options)
	if err != nil {
		return nil, err
	}
	return rate(r.Top1), nil
}

// checkSearch makes sure that model and images are those of the plan.
func checkSearch(p *search.Plan, settings searchSettings, sets *trainingSets) error {
	hash, err := onnx.Hash(settings.Model)
	if err != nil {
		return err
	}
	if hash != p.SourceSHA256 {
		return unusablef("%s: its SHA-256 is %.12s, the plan is for %.12s: give the model that was planned with, or plan anew", settings.Model, hash, p.SourceSHA256)
	}
	if id := itemsID(sets.train, sets.val); id != p.DataSHA256 {
		return unusablef("--data: names and labels of the images are others than those that were planned with: plan anew, into another folder")
	}
	return nil
}
