package bnc

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/bottlenet/bnc/compiler/cut"
	"github.com/bottlenet/bnc/compiler/onnx"
	"github.com/bottlenet/bnc/internal/progress"
	"github.com/bottlenet/bnc/passes"
	"github.com/bottlenet/bnc/passes/bottleneck"
	"github.com/bottlenet/bnc/passes/grad"
	"github.com/bottlenet/bnc/passes/split"
	"github.com/bottlenet/bnc/runtime/activations"
	"github.com/bottlenet/bnc/runtime/bundle"
	"github.com/bottlenet/bnc/runtime/data"
	"github.com/bottlenet/bnc/runtime/feed"
	"github.com/bottlenet/bnc/runtime/ort"
	"github.com/bottlenet/bnc/runtime/plan"
	"github.com/bottlenet/bnc/runtime/probe"
	"github.com/bottlenet/bnc/runtime/search"
	"github.com/bottlenet/bnc/runtime/task"
	"github.com/bottlenet/bnc/runtime/train"
)

// searchTrainer trains a search's candidates with what Split and Train are made of.
type searchTrainer struct {
	progress.Progress
	dir      search.Dir
	plan     *search.Plan
	settings searchSettings
	threads  int
	sets     *train.Sets        // as the model itself takes them
	cached   *activations.Place // that is screened, nil for none
	whole    *train.Whole
}

// newSearchTrainer opens a plan's model and images.
func newSearchTrainer(ctx context.Context, p *search.Plan, o *SearchOptions, to progress.Progress) (*searchTrainer, error) {
	t := &searchTrainer{Progress: to, dir: search.Dir(o.Out), plan: p, threads: o.Threads}
	if err := json.Unmarshal(p.Settings, &t.settings); err != nil {
		return nil, unusable("%s: settings: %w", t.dir.PlanFile(), err)
	}
	var err error
	if t.sets, err = openSearchSets(ctx, t.settings.Model, t.training(p.Candidates[0]), to); err != nil {
		return nil, err
	}
	hash, err := onnx.Hash(t.settings.Model)
	if err != nil {
		return nil, err
	}
	if t.whole, err = wholeOf(t.settings.Model, t.training(p.Candidates[0]), t.sets, ort.Options{Threads: t.threads}); err != nil {
		return nil, err
	}
	return t, p.Belongs(t.settings.Model, hash, data.ID(t.sets.Train, t.sets.Val))
}

// training are the options of a candidate's training, which tells nothing.
func (t *searchTrainer) training(c plan.Candidate) TrainOptions {
	return trainingOf(t.settings, c, t.threads)
}

// split writes the candidate's bundle, untrained, to dir.
func (t *searchTrainer) split(ctx context.Context, c plan.Candidate, dir string) error {
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	o := splittingOf(t.settings, c)
	o.Out = dir
	_, err := Split(ctx, t.settings.Model, o)
	return err
}

// Train trains a candidate in full, or goes on where an earlier process ended. What that
// one learnt is given up only where it is of another training, or damaged.
func (t *searchTrainer) Train(ctx context.Context, c plan.Candidate, warmFrom *plan.Candidate) (out search.Outcome, err error) {
	defer func() { err = own(err) }()
	o := t.training(c)
	out.Bundle = filepath.ToSlash(t.dir.Bundle(c))
	o.Output, o.Reporter = filepath.Join(string(t.dir), t.dir.Bundle(c)), t.To
	if o.Resume, err = train.FolderOf(o.Output).HasCheckpoint(); err != nil {
		return out, err
	}
	result, err := t.train(ctx, c, warmFrom, o)
	if o.Resume && (errors.Is(err, train.ErrOtherTraining) || errors.Is(err, train.ErrDamaged)) {
		t.Notice("%s: its checkpoint is of no use, it begins anew: %v", c, err)
		o.Resume = false
		result, err = t.train(ctx, c, warmFrom, o)
	}
	if err != nil {
		return out, err
	}
	out.Accuracy, out.PayloadBytes = result.Accuracy(), orElse(result.PayloadBytes, 0)
	out.Settings = map[string]any{"epochs": len(result.Epochs), "threads": t.threads}
	if out.Hopeless = t.plan.Ended(train.Accuracies(result.Epochs), out.Accuracy, o.EpochsToRun()); out.Hopeless != "" {
		return out, computes(ctx, o.Output, &out.Axes)
	}
	subject, err := openSubject(o.Output, t.whole.Session)
	if err != nil {
		return out, err
	}
	out.Axes, err = t.whole.Beside(ctx, subject, plan.MeasureOf(t.plan.Measure, t.plan.Baseline), func(steps int) func(int) { return t.Phase("evaluating "+c.String(), steps).Step })
	return out, err
}

// computes notes what a candidate's bundle makes the device compute.
func computes(ctx context.Context, dir string, axes *plan.Axes) error {
	s, err := openSubject(dir, ort.Options{})
	if err == nil {
		train.Computes(ctx, s, axes)
	}
	return err
}

// train trains a candidate from the bundle that it begins with, which is made unless an
// earlier process has.
func (t *searchTrainer) train(ctx context.Context, c plan.Candidate, warmFrom *plan.Candidate, o TrainOptions) (*TrainResult, error) {
	start := t.dir.Work(c)
	if !o.Resume || !bundle.IsBundle(start) {
		if err := t.begin(ctx, c, start, warmFrom); err != nil {
			return nil, err
		}
	}
	if o.Distill {
		subject, err := openSubject(start, ort.Options{})
		if err != nil {
			return nil, err
		}
		if !subject.Meta.Backbone { // after a warm start
			o.Teacher = t.settings.Model
		}
	}
	return trained(ctx, start, o, func(run *train.Training) {
		run.Keep = true
		run.Hopeless = func(done []train.Epoch) bool { return t.plan.Hopeless(train.Accuracies(done), o.EpochsToRun()) }
	})
}

// Finished removes the checkpoint of a training whose result is written, and what the
// training began with.
func (t *searchTrainer) Finished(c plan.Candidate) error {
	if err := train.FolderOf(filepath.Join(string(t.dir), t.dir.Bundle(c))).Finish(); err != nil {
		return err
	}
	return os.RemoveAll(t.dir.Work(c))
}

// begin makes the bundle that a training starts from.
func (t *searchTrainer) begin(ctx context.Context, c plan.Candidate, start string, warmFrom *plan.Candidate) error {
	if err := t.split(ctx, c, start); err != nil || warmFrom == nil || warmFrom.Bundle == "" {
		return err
	}
	return t.warm(ctx, start, filepath.Join(string(t.dir), filepath.FromSlash(warmFrom.Bundle), bundle.JoinedFile), t.training(c))
}

// warm puts the weights of another joined network of the same place into the
// bundle at start, and calibrates its bottleneck for them.
func (t *searchTrainer) warm(ctx context.Context, start, from string, o TrainOptions) error {
	o.Output, o.Distill, o.Epochs = start, false, NoEpochs
	b, err := openTraining(ctx, start, o)
	if err != nil {
		return err
	}
	trained, err := onnx.Load(from)
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
	if err := b.calibrate(ctx, t.sets); err != nil {
		return err
	}
	return b.write(ctx, start, weights, t.sets, nil)
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

// Screen trains the bottleneck alone for an epoch, on activations at the cut that
// were computed once for all sizes: through the frozen layers behind the cut, so
// that it learns what they need. Matching the cut tensor alone takes a quarter of
// the time and orders sizes in the same way, but with losses that say even less of
// what a full training reaches: up to 45 points more after rb1 of a ResNet-20,
// where this is up to 12 more (2048 images of Fashion-MNIST, six sizes). After rb5
// this is up to 50 more, in an order that is much like that of full training.
//
// Where several tensors cross, the whole network runs: what is cached is of one.
func (t *searchTrainer) Screen(ctx context.Context, c plan.Candidate) (out search.Outcome, err error) {
	defer func() { err = own(err) }()
	dir, o := t.dir.Work(c), t.training(c).Screening()
	o.Output = dir + ".screen"
	folder := train.FolderOf(o.Output)
	defer func() { os.RemoveAll(dir); os.RemoveAll(string(folder)) }()
	if err := t.split(ctx, c, dir); err != nil {
		return out, err
	}
	b, err := openTraining(ctx, dir, o)
	if err != nil {
		return out, err
	}
	b.kind = b.kind.WithClasses(b.known, task.ClassesBeside(o.Scores, len(t.sets.Train.Classes())))
	if err := b.calibrate(ctx, t.sets); err != nil {
		return out, err
	}
	sets := t.sets
	if len(b.meta.Tensors) == 1 {
		if err := t.cache(ctx, c); err != nil {
			return out, err
		}
		if err := b.keepBehindCut(ctx); err != nil {
			return out, err
		}
		sets = &train.Sets{Train: t.cached.Train, Val: t.cached.Val, Choose: feed.Always(nil), Given: b.given}
	}
	job, err := b.compile(ctx, sets)
	if err != nil {
		return out, err
	}
	defer job.Close()
	history, err := b.around(dir).Learn(ctx, folder, job)
	if err != nil {
		return out, err
	}
	kept := history.Result()
	out.Accuracy, out.PayloadBytes = kept.Accuracy(), orElse(kept.PayloadBytes, 0)
	out.Settings = map[string]any{"threads": t.threads}
	return out, computes(ctx, dir, &out.Axes)
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

// screenedBy is the number of images that a screening is judged by, at most: 0.7
// points of standard error at an accuracy of 90%, far less than the margin.
const screenedBy = 2000

// cache computes the activations at a candidate's place unless they are there.
func (t *searchTrainer) cache(ctx context.Context, c plan.Candidate) error {
	if t.cached != nil && t.cached.Cut == c.Cut {
		return nil
	}
	t.free()
	src := calibrationSource{
		Source:  probe.Source{Path: t.settings.Model, Tensors: []string{c.Tensor}, Session: ort.Options{Threads: t.threads}},
		analyse: func() (*cut.Analysis, error) { return analyse(ctx, t.settings.Model, t.settings.Train.Input) },
	}
	halves, err := src.divide(ctx)
	if err != nil {
		return err
	}
	session, err := src.Open(saving(ctx, halves.Mobile))
	if err != nil {
		return err
	}
	defer session.Close()
	feeder, err := t.sets.Given.New(session.Inputs(), t.sets.Choose)
	if err != nil {
		return unusable("%w", err)
	}
	t.cached, err = activations.Compute(ctx, activations.Network{Session: session, Feeder: feeder}, activations.Options{
		Cut: c.Cut, Train: t.sets.Train, Val: t.sets.Val, Judges: screenedBy, Learners: t.settings.ScreenImages, Bytes: t.settings.CacheBytes, Dir: t.dir.Cache(c.Cut),
		Readable: func(set *data.Set) (*data.Set, error) { return set.Readable(t.Notice) },
		Begin:    func(images int) func(int) { return t.Phase("activations at "+c.Cut, images).Step },
	})
	return err
}

// Screened removes the activations of a place.
func (t *searchTrainer) Screened(cut string) error {
	t.free()
	return os.RemoveAll(t.dir.Cache(cut))
}

// free gives the activations back.
func (t *searchTrainer) free() {
	if t.cached != nil {
		t.cached.Close()
		t.cached = nil
	}
}
