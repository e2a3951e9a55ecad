// Package candidate trains the candidates of a search: each from a bundle that is split for it,
// screened on activations that are computed once for all at a place, measured beside the whole
// model. What bundles and their networks are, a Maker tells.
package candidate

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	"github.com/bottlenet/bnc/internal/fault"
	"github.com/bottlenet/bnc/internal/progress"
	"github.com/bottlenet/bnc/runtime/activations"
	"github.com/bottlenet/bnc/runtime/bundle"
	"github.com/bottlenet/bnc/runtime/data"
	"github.com/bottlenet/bnc/runtime/eval"
	"github.com/bottlenet/bnc/runtime/feed"
	"github.com/bottlenet/bnc/runtime/ort"
	"github.com/bottlenet/bnc/runtime/plan"
	"github.com/bottlenet/bnc/runtime/search"
	"github.com/bottlenet/bnc/runtime/train"
)

// Maker makes what candidates are trained of: its graphs are the caller's.
type Maker interface {
	// Options are those of a candidate's training.
	Options(c plan.Candidate) train.RunOptions
	// Split writes a candidate's bundle, untrained, to dir.
	Split(ctx context.Context, c plan.Candidate, dir string) error
	// Warm gives the bundle at path the weights of the model in another one's joined network,
	// where they were trained, and calibrates its bottleneck for them.
	Warm(ctx context.Context, path, joined string, o train.RunOptions, sets *train.Sets) error
	// Train trains the bundle at path, as change has it.
	Train(ctx context.Context, path string, o train.RunOptions, change func(*train.Training)) (*train.Result, error)
	// Screening compiles the training of the bundle at path. Where one tensor crosses that is
	// of what is behind the cut, on what behind gives for inputs without images.
	Screening(ctx context.Context, path string, o train.RunOptions, sets *train.Sets, behind func(feed.Given) (*train.Sets, error)) (*train.Training, *train.Job, error)
	// Before opens what is before a tensor of the model.
	Before(ctx context.Context, tensor string, session ort.Options) (*ort.Session, error)
}

// Trainer trains candidates, a search.Trainer.
type Trainer struct {
	progress.Progress
	Dir          search.Dir
	Plan         *search.Plan
	Maker        Maker
	Whole        *train.Whole // the model, with the images as it takes them
	Threads      int
	ScreenImages int   // of a screening, at most
	CacheBytes   int64 // that activations may take

	cached *activations.Place // that is screened, nil for none
}

// Train trains a candidate in full, or goes on where an earlier process ended. What that
// one learnt is given up only where it is of another training, or damaged.
func (t *Trainer) Train(ctx context.Context, c plan.Candidate, warmFrom *plan.Candidate) (out search.Outcome, err error) {
	defer func() { err = t.own(err) }()
	o := t.Maker.Options(c)
	out.Bundle = filepath.ToSlash(t.Dir.Bundle(c))
	o.Output, o.Reporter = filepath.Join(string(t.Dir), t.Dir.Bundle(c)), t.To
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
	t.note(&out, result.Judged)
	out.Settings["epochs"] = len(result.Epochs)
	if out.Hopeless = t.Plan.Ended(train.Accuracies(result.Epochs), out.Accuracy, o.EpochsToRun()); out.Hopeless != "" {
		return out, t.computes(ctx, o.Output, &out.Axes)
	}
	subject, err := eval.OpenSubject(o.Output, t.Whole.Session, t.Whole.Graphs)
	if err != nil {
		return out, err
	}
	out.Axes, err = t.Whole.Beside(ctx, subject, plan.MeasureOf(t.Plan.Measure, t.Plan.Baseline), func(steps int) func(int) { return t.Phase("evaluating "+c.String(), steps).Step })
	return out, err
}

// note notes what a training gave.
func (t *Trainer) note(out *search.Outcome, r train.Judged) {
	out.Accuracy, out.Settings = r.Accuracy(), map[string]any{"threads": t.Threads}
	if r.PayloadBytes != nil {
		out.PayloadBytes = *r.PayloadBytes
	}
}

// computes notes what a candidate's bundle makes the device compute.
func (t *Trainer) computes(ctx context.Context, dir string, axes *plan.Axes) error {
	s, err := eval.OpenSubject(dir, ort.Options{}, t.Whole.Graphs)
	if err == nil {
		train.Computes(ctx, s, axes)
	}
	return err
}

// train trains a candidate from the bundle that it begins with, which is made unless an
// earlier process has.
func (t *Trainer) train(ctx context.Context, c plan.Candidate, warmFrom *plan.Candidate, o train.RunOptions) (*train.Result, error) {
	start := t.Dir.Work(c)
	if !o.Resume || !bundle.IsBundle(start) {
		if err := t.begin(ctx, c, start, warmFrom); err != nil {
			return nil, err
		}
	}
	if o.Distill {
		subject, err := eval.OpenSubject(start, ort.Options{}, t.Whole.Graphs)
		if err != nil {
			return nil, err
		}
		if !subject.Meta.Backbone { // after a warm start
			o.Teacher = t.Whole.Path
		}
	}
	return t.Maker.Train(ctx, start, o, func(run *train.Training) {
		run.Keep = true
		run.Hopeless = func(done []train.Epoch) bool { return t.Plan.Hopeless(train.Accuracies(done), o.EpochsToRun()) }
	})
}

// begin makes the bundle that a training starts from.
func (t *Trainer) begin(ctx context.Context, c plan.Candidate, start string, warmFrom *plan.Candidate) error {
	if err := t.split(ctx, c, start); err != nil || warmFrom == nil || warmFrom.Bundle == "" {
		return err
	}
	joined := filepath.Join(string(t.Dir), filepath.FromSlash(warmFrom.Bundle), bundle.JoinedFile)
	return t.Maker.Warm(ctx, start, joined, t.Maker.Options(c), t.Whole.Sets)
}

// split writes the candidate's bundle, untrained, to dir.
func (t *Trainer) split(ctx context.Context, c plan.Candidate, dir string) error {
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	return t.Maker.Split(ctx, c, dir)
}

// Finished removes the checkpoint of a training whose result is written, and what the
// training began with.
func (t *Trainer) Finished(c plan.Candidate) error {
	if err := train.FolderOf(filepath.Join(string(t.Dir), t.Dir.Bundle(c))).Finish(); err != nil {
		return err
	}
	return os.RemoveAll(t.Dir.Work(c))
}

// own marks errors that are the candidate's own.
func (t *Trainer) own(err error) error {
	if errors.As(err, new(*train.DivergedError)) || t.Whole.Graphs.Unsuitable(err) {
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
func (t *Trainer) Screen(ctx context.Context, c plan.Candidate) (out search.Outcome, err error) {
	defer func() { err = t.own(err) }()
	dir, o := t.Dir.Work(c), t.Maker.Options(c).Screening()
	o.Output = dir + ".screen"
	folder := train.FolderOf(o.Output)
	defer func() { os.RemoveAll(dir); os.RemoveAll(string(folder)) }()
	if err := t.split(ctx, c, dir); err != nil {
		return out, err
	}
	run, job, err := t.Maker.Screening(ctx, dir, o, t.Whole.Sets, func(given feed.Given) (*train.Sets, error) {
		if err := t.cache(ctx, c); err != nil {
			return nil, err
		}
		return &train.Sets{Train: t.cached.Train, Val: t.cached.Val, Choose: feed.Always(nil), Given: given}, nil
	})
	if err != nil {
		return out, err
	}
	defer job.Close()
	history, err := run.Learn(ctx, folder, job)
	if err != nil {
		return out, err
	}
	t.note(&out, history.Result().Judged)
	return out, t.computes(ctx, dir, &out.Axes)
}

// screenedBy is the number of images that a screening is judged by, at most: 0.7
// points of standard error at an accuracy of 90%, far less than the margin.
const screenedBy = 2000

// cache computes the activations at a candidate's place unless they are there.
func (t *Trainer) cache(ctx context.Context, c plan.Candidate) error {
	if t.cached != nil && t.cached.Cut == c.Cut {
		return nil
	}
	t.Close()
	session, err := t.Maker.Before(ctx, c.Tensor, ort.Options{Threads: t.Threads})
	if err != nil {
		return err
	}
	defer session.Close()
	sets := t.Whole.Sets
	feeder, err := sets.Given.New(session.Inputs(), sets.Choose)
	if err != nil {
		return fault.Unusable("%w", err)
	}
	t.cached, err = activations.Compute(ctx, activations.Network{Session: session, Feeder: feeder}, activations.Options{
		Cut: c.Cut, Train: sets.Train, Val: sets.Val, Judges: screenedBy, Learners: t.ScreenImages, Bytes: t.CacheBytes, Dir: t.Dir.Cache(c.Cut),
		Readable: func(set *data.Set) (*data.Set, error) { return set.Readable(t.Notice) },
		Begin:    func(images int) func(int) { return t.Phase("activations at "+c.Cut, images).Step },
	})
	return err
}

// Screened removes the activations of a place.
func (t *Trainer) Screened(cut string) error {
	t.Close()
	return os.RemoveAll(t.Dir.Cache(cut))
}

// Close gives the activations back.
func (t *Trainer) Close() {
	if t.cached != nil {
		t.cached.Close()
		t.cached = nil
	}
}
