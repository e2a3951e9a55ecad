package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/compiler/onnx"
	"github.com/bottlenet/bnc/passes"
	"github.com/bottlenet/bnc/passes/bottleneck"
	"github.com/bottlenet/bnc/passes/grad"
	"github.com/bottlenet/bnc/runtime/bundle"
	"github.com/bottlenet/bnc/runtime/ort"
	"github.com/bottlenet/bnc/runtime/plan"
	"github.com/bottlenet/bnc/runtime/search"
	"github.com/bottlenet/bnc/runtime/train"
)

// searchTrainer trains a search's candidates with what bnc split and bnc train
// are made of.
type searchTrainer struct {
	streams
	dir      string
	plan     *search.Plan
	settings searchSettings
	threads  int
	sets     *trainingSets // as the model itself takes them
	cached   *activations  // of the place that is screened, nil for none
}

// newSearch opens a plan's model and images. Closing frees what it took.
func newSearch(ctx context.Context, s streams, p *search.Plan, o *searchOptions) (run *search.Search, closing func(), err error) {
	t := &searchTrainer{streams: s, dir: o.dir, plan: p, threads: o.threads}
	if t.settings, err = settingsOf(p); err != nil {
		return nil, nil, err
	}
	options, err := parseTrain(t.flags(t.settings.Train, p.Candidates[0]))
	if err != nil {
		return nil, nil, err
	}
	if t.sets, err = openSearchSets(ctx, t.settings.Model, options, s); err != nil {
		return nil, nil, err
	}
	if err := checkSearch(p, t.settings, t.sets); err != nil {
		return nil, nil, err
	}
	run = &search.Search{Plan: p, Dir: search.Dir(o.dir), Trainer: t, Event: func(e search.Event) { tellEvent(s, e, o.asJSON) }}
	return run, t.free, nil
}

// tellEvent reports an event on a line.
func tellEvent(s streams, e search.Event, asJSON bool) {
	if asJSON {
		if b, err := json.Marshal(e); err == nil {
			s.notice("%s", b)
		}
		return
	}
	c := e.Candidate
	line := fmt.Sprintf("[%d/%d] %s: %s", e.Done, e.Total, c, e.What)
	if c.Status == e.What && c.PayloadBytes > 0 {
		line += fmt.Sprintf(", loses %.2f points, %.1f bytes", c.Loss, c.PayloadBytes)
	}
	if c.Reason != "" {
		line += " (" + c.Reason + ")"
	}
	if e.Left != nil {
		line += fmt.Sprintf("; about %v left", time.Duration(*e.Left*float64(time.Second)).Round(time.Second))
	}
	s.notice("%s", line)
}

// quiet are the streams of steps whose own output is of no interest.
var quiet = streams{io.Discard, io.Discard}

// flags are those of a training of the candidate.
func (t *searchTrainer) flags(args []string, c plan.Candidate) []string {
	return append(slices.Clone(args), fmt.Sprintf("--seed=%d", c.Seed), fmt.Sprintf("--threads=%d", t.threads))
}

// folder is where a candidate's bundle begins its training.
func (t *searchTrainer) folder(c plan.Candidate) string {
	return filepath.Join(t.dir, "work", fmt.Sprintf("%04d", c.Index))
}

// split writes the candidate's bundle, untrained, to dir.
func (t *searchTrainer) split(ctx context.Context, c plan.Candidate, dir string) error {
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	channels := "full"
	if c.C > 0 {
		channels = fmt.Sprint(c.C)
	}
	args := slices.Concat([]string{t.settings.Model}, t.settings.Split, only(t.settings.Train, append([]string{"input"}, preparing...)),
		[]string{"--after=" + c.Tensor, "--c=" + channels, fmt.Sprintf("--s=%d", c.S), fmt.Sprintf("--seed=%d", c.Seed), "-o", dir})
	return splitCommand.execute(ctx, quiet, args)
}

// bundle is where a candidate's trained bundle is, relative to the search's folder.
func (t *searchTrainer) bundle(c plan.Candidate) string {
	return filepath.Join("bundles", fmt.Sprintf("%s-c%d-s%d", c.Cut, c.C, c.S))
}

// Train trains a candidate in full, or goes on where an earlier process ended. What that
// one learnt is given up only where it is of another training, or damaged.
func (t *searchTrainer) Train(ctx context.Context, c plan.Candidate, warmFrom *plan.Candidate) (search.Outcome, error) {
	start, bundleDir := t.folder(c), t.bundle(c)
	o, err := parseTrain(t.flags(t.settings.Train, c))
	if err != nil {
		return search.Outcome{}, err
	}
	o.out, o.asJSON, o.keepCheckpoint = filepath.Join(t.dir, bundleDir), true, true
	_, err = os.Stat(filepath.Join(trainingFolder(o.out), checkpointFile))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return search.Outcome{}, err
	}
	o.resume = err == nil
	if !t.plan.Exhaustive {
		o.hopeless = func(done []train.Epoch) bool {
			return search.Hopeless(t.scores(done), t.plan.Goal(), nearGoal, o.epochs)
		}
	}
	if !o.resume || !bundle.IsBundle(start) {
		if err := t.begin(ctx, c, start, warmFrom, o); err != nil {
			return search.Outcome{}, own(err)
		}
	}
	if o.distill {
		subject, err := openSubject(start, ort.Options{})
		if err != nil {
			return search.Outcome{}, err
		}
		if !subject.meta.Backbone { // after a warm start
			o.teacher = t.settings.Model
		}
	}
	result, err := t.run(ctx, start, o)
	if o.resume && (errors.Is(err, train.ErrOtherTraining) || errors.Is(err, train.ErrDamaged)) {
		t.notice("%s: its checkpoint is of no use, it begins anew: %v", c, err)
		o.resume = false
		if err := t.begin(ctx, c, start, warmFrom, o); err != nil {
			return search.Outcome{}, own(err)
		}
		result, err = t.run(ctx, start, o)
	}
	if err != nil {
		return search.Outcome{}, own(err)
	}
	out := search.Outcome{Top1: result.Top1, Agreement: result.Agreement, Bundle: filepath.ToSlash(bundleDir), Settings: map[string]any{"epochs": len(result.Epochs), "threads": t.threads}}
	if result.PayloadBytes != nil {
		out.PayloadBytes = *result.PayloadBytes
	}
	kept := train.Epoch{Top1: result.Top1, Agreement: result.Agreement}
	if n := len(result.Epochs); n < o.epochs && slices.Max(t.scores([]train.Epoch{kept})) < t.plan.Goal() {
		out.Hopeless = fmt.Sprintf("ended after epoch %d of %d: at %.2f%%, %.2f%% is out of reach", n, o.epochs, 100*slices.Max(t.scores(result.Epochs)), 100*t.plan.Goal())
	}
	return out, nil
}

// Finished removes the checkpoint of a training whose result is written, and what the
// training began with.
func (t *searchTrainer) Finished(c plan.Candidate) error {
	if err := removeCheckpoint(trainingFolder(filepath.Join(t.dir, t.bundle(c)))); err != nil {
		return err
	}
	return os.RemoveAll(t.folder(c))
}

// nearGoal is how much a last epoch is trusted to gain in any case: the learning
// rate falls to 0 in it.
const nearGoal = 0.04

// scores are the accuracies after each epoch that the baseline is compared with.
func (t *searchTrainer) scores(done []train.Epoch) []float64 {
	var list []float64
	for _, e := range done {
		switch {
		case t.plan.Baseline.Top1 != nil && e.Top1 != nil:
			list = append(list, *e.Top1)
		case e.Agreement != nil:
			list = append(list, *e.Agreement)
		}
	}
	return list
}

// begin makes the bundle that a training starts from.
func (t *searchTrainer) begin(ctx context.Context, c plan.Candidate, start string, warmFrom *plan.Candidate, o trainOptions) error {
	if err := t.split(ctx, c, start); err != nil || warmFrom == nil || warmFrom.Bundle == "" {
		return err
	}
	return t.warm(ctx, start, filepath.Join(t.dir, filepath.FromSlash(warmFrom.Bundle), bundle.JoinedFile), o)
}

// run trains the bundle at start.
func (t *searchTrainer) run(ctx context.Context, start string, o trainOptions) (trainResult, error) {
	var out bytes.Buffer
	var r trainResult
	if err := trainPath(ctx, streams{&out, t.err}, start, o); err != nil {
		return r, err
	}
	return r, json.Unmarshal(out.Bytes(), &r)
}

// warm puts the weights of another joined network of the same place into the
// bundle at start, and calibrates its bottleneck for them.
func (t *searchTrainer) warm(ctx context.Context, start, from string, o trainOptions) error {
	o.out, o.distill = start, false
	b, err := openTrainable(ctx, start, o)
	if err != nil {
		return err
	}
	trained, err := onnx.Load(from)
	if err != nil {
		return err
	}
	weights := map[string][]float32{}
	for _, v := range b.source.Graph.Inits() {
		old, other := v.Init(), trained.Graph.Value(v.Name())
		if strings.HasPrefix(v.Name(), bottleneck.UnitName) || v.DType() != ir.Float32 || other == nil || other.Init() == nil || !slices.Equal(old.Dims(), other.Init().Dims()) {
			continue
		}
		was, err := old.Floats()
		if err != nil {
			return err
		}
		is, err := other.Init().Floats()
		if err != nil {
			return err
		}
		if !slices.Equal(was, is) {
			weights[v.Name()] = is
		}
	}
	if len(weights) == 0 {
		return nil // the model's own weights were not trained
	}
	if err := grad.SetWeights(b.source, weights); err != nil {
		return err
	}
	if err := b.calibrate(ctx, quiet, t.sets, o); err != nil {
		return err
	}
	return b.write(ctx, quiet, start, weights, t.sets, o, nil)
}

// own marks errors that are the candidate's own.
func own(err error) error {
	var diverged *train.DivergedError
	var unsuitable *passes.UnsuitableError
	if errors.As(err, &diverged) || errors.As(err, &unsuitable) {
		return &search.CandidateError{Err: err}
	}
	return err
}
