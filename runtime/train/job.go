package train

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"math"
	"os"
	"runtime/debug"
	"time"

	"github.com/bottlenet/bnc/internal/fault"
	"github.com/bottlenet/bnc/runtime/data"
	"github.com/bottlenet/bnc/runtime/feed"
	"github.com/bottlenet/bnc/runtime/model"
	"github.com/bottlenet/bnc/runtime/ort"
)

// Job is a compiled step with its images.
type Job struct {
	*Sessions
	ID      string // of the step and what it begins with
	Rate    float64
	Careful bool // Rate is the highest that it may be
	Sets    *Sets
	Judging Judging // its Set is Sets.Val
	// Adapt makes the graphs suit weights, and tells what makes them so; nil for graphs that
	// stay. Where that is known already, weights do not count.
	Adapt func(ctx context.Context, weights map[string][]float32, known json.RawMessage) (*Sessions, json.RawMessage, error)
}

// Open makes what the job lacks of graphs, of whose inputs ports get images or are given. They are
// written to dump, "" for nowhere.
func (j *Job) Open(ctx context.Context, g *Graphs, ports []model.Port, o ort.Options, dump string) (err error) {
	if dump != "" {
		if err := g.Write(dump); err != nil {
			return err
		}
	}
	j.ID = g.ID()
	if j.Judging.Feeder, err = j.Sets.Given.New(ports, j.Sets.Choose); err != nil {
		return fault.Unusable("%w", err)
	}
	if j.Sessions, err = g.Open(o); err != nil {
		return err
	}
	debug.FreeOSMemory() // what compiling took
	if err = context.Cause(ctx); err != nil {
		j.Close()
	}
	return err
}

// Settings say how a job goes on.
type Settings struct {
	Epochs   int // 0 trains nothing: the weights are judged
	Seed     uint64
	Schedule string
	Warmup   float64 // epochs
	Varied   Varied
	Payload  Payload
	Patience int
	KeepLast bool
	Resume   bool
	Every    time.Duration // between checkpoints, beside those after each epoch
	Notice   data.Notice
	Step     func(Status)
	Start    func(Validation)
	Epoch    func(Epoch)
	Hopeless func([]Epoch) bool // nil for never
}

// Varied says how training images vary, in the words of feed.AugmentOf.
type Varied struct{ ResizedCrop, Crop, Flip string }

// of returns how images vary. Images tells that there are some, and no tensors, and whole
// that they have another size than the input.
func (v Varied) of(images, whole bool) (feed.Augment, error) {
	a, option, err := feed.AugmentOf(v.ResizedCrop, v.Crop, v.Flip, images, whole)
	if err != nil {
		return a, fault.Usage(option, "%w", err)
	}
	return a, nil
}

// Check finds settings that cannot be.
func (s Settings) Check() error {
	err := fault.Words{
		{"schedule", s.Schedule, []string{Cosine, Steps, Constant}},
		{"flip", s.Varied.Flip, []string{"", "on", "off"}},
	}.Check()
	switch {
	case err != nil:
		return err
	case !(s.Warmup >= 0 && s.Warmup <= math.MaxInt32):
		return fault.Usage("warmup", "%v: expected a number of epochs, 0 or more", s.Warmup)
	case s.Patience < 0:
		return fault.Usage("patience", "%d: expected 0 (never) or more", s.Patience)
	case s.Every < 0:
		return fault.Usage("checkpoint_every", "%v: expected 0 (only after epochs) or more", s.Every)
	case s.Epochs == 0 && s.Resume:
		return fault.Usage("epochs", "0 trains nothing that option resume could go on with")
	}
	if err := s.Payload.Check(); err != nil {
		return err
	}
	_, err = s.Varied.of(true, false)
	return err
}

// Run trains in a folder, which its caller holds.
func (j *Job) Run(ctx context.Context, dir Folder, s Settings) (*History, error) {
	augment, err := s.Varied.of(j.Sets.Preprocess != nil, j.Sets.Whole)
	if err != nil {
		return nil, err
	}
	loader, err := feed.NewLoader(j.Judging.Feeder, j.Sets.Train, feed.LoaderOptions{
		Batch: j.Judging.Batch, Seed: s.Seed, Shuffle: true, Augment: augment, Labels: j.Trainer.Labelled(), Masks: j.Trainer.Masks(),
		OnSkip: func(_ string, err error) { s.Notice("left out: %v", err) },
	})
	if err != nil {
		return nil, fault.Unusable("option data: %w", err)
	}
	if s.Epochs > 0 {
		if err := j.begin(ctx, loader, &s); err != nil {
			return nil, err
		}
	}
	identity, err := j.identity(s, augment)
	if err != nil {
		return nil, err
	}
	steps := loader.Batches()
	options := Options{
		Epochs:   s.Epochs,
		Schedule: Schedule{Kind: s.Schedule, Rate: j.Rate, Warmup: int(math.Round(s.Warmup * float64(steps))), Total: s.Epochs * steps},
		Loader:   loader, Payload: s.Payload, Patience: s.Patience, KeepBest: !s.KeepLast,
		Checkpoint: dir.Checkpoint(), Every: s.Every, Settings: identity, Resume: s.Resume,
		Log: dir.Log(), Step: s.Step, Notice: s.Notice, Start: s.Start, Epoch: s.Epoch, Hopeless: s.Hopeless,
	}
	if s.Epochs == 0 { // log and checkpoint of another training stay
		options.Log, options.Checkpoint = "", ""
	}
	if j.Sets.Val != nil {
		options.Validate = func(ctx context.Context, weights ort.Feed) (Validation, error) {
			return j.Judging.Judge(ctx, j.Evaluation, weights)
		}
	}
	if j.Adapt != nil {
		options.Adapt = func(ctx context.Context, weights map[string][]float32, known json.RawMessage) (json.RawMessage, error) {
			sessions, adapted, err := j.Adapt(ctx, weights, known)
			if err == nil {
				j.take(sessions)
			}
			return adapted, err
		}
	}
	if held, _ := dir.HasCheckpoint(); held && options.Checkpoint != "" && !s.Resume {
		s.Notice("the checkpoint of an interrupted training in %s is replaced: option resume would have gone on from it", dir)
	}
	if options.Log != "" {
		if err := os.MkdirAll(string(dir), 0o777); err != nil {
			return nil, err
		}
	}
	history, err := Run(ctx, j.Trainer, options)
	var unfit *DataError
	switch {
	case errors.Is(err, ErrOtherTraining):
		return nil, fault.Usage("resume", ": %w: give the flags, data and bundle of the training that was interrupted, or start without option resume", err)
	case errors.As(err, &unfit):
		return nil, fault.Unusable("option data: %w", err)
	case errors.Is(err, context.Canceled):
		if held, _ := dir.HasCheckpoint(); !held {
			return nil, errors.New("interrupted before there was a checkpoint: the same command begins again")
		}
		return nil, errors.New("interrupted; bnc train ... option resume goes on from the last checkpoint")
	}
	return history, err
}

// fraction is the part of the loss that a step may be expected to take away: more than that,
// and it is another loss by then. Momentum makes some ten steps of one.
const fraction = 0.1

const (
	// light is the share of a step that bytes are at first, where they are steered: of the
	// norm of gradients, which is mostly noise where little is left to be learnt. So the bytes
	// of an image are no heavier than the first loss, either.
	light = 0.1
	// heavy is a weight of bytes beside which nothing else counts.
	heavy = 1e6
)

// begin sets what depends on the first steps: what a byte of payload weighs, and a careful
// learning rate.
func (j *Job) begin(ctx context.Context, loader *feed.Loader, s *Settings) error {
	if s.Payload.Target > 0 {
		first, err := j.look(ctx, loader)
		if err != nil {
			return err
		}
		if s.Payload.bytes = first.Bytes; s.Payload.Weight == 0 {
			j.Trainer.WeighBytes(heavy)
			bytes, err := j.look(ctx, loader)
			if err != nil {
				return err
			}
			s.Payload.Weight = firstWeight(first, bytes)
		}
	}
	j.Trainer.WeighBytes(s.Payload.Weight)
	if !j.Careful {
		return nil
	}
	// A network that is next to its teacher already would be thrown far off by steps that
	// suit one that begins.
	first, err := j.look(ctx, loader)
	if err != nil {
		return err
	}
	if allowed := fraction * first.Loss / first.Norm; allowed < j.Rate {
		j.Rate = twoDigits(allowed)
		s.Notice("learning rate %.2g: the first gradients allow no more; option lr sets another", j.Rate)
	}
	return nil
}

// firstWeight is what a byte weighs at first, by steps in which it weighs nothing and heavy.
func firstWeight(without, with StepResult) float64 {
	return twoDigits(min(light*without.Norm/with.Norm*heavy, without.Loss/without.Bytes))
}

// look returns the mean of the first few steps as the weights are.
func (j *Job) look(ctx context.Context, loader *feed.Loader) (mean StepResult, err error) {
	e := loader.Epoch(ctx, 0, 0)
	defer e.Close()
	steps := min(4, loader.Batches())
	for range steps {
		b, err := e.Next()
		if err != nil {
			return mean, &DataError{err}
		}
		r, err := j.Trainer.look(ctx, b, 0)
		e.Recycle(b)
		if err != nil {
			return mean, err
		}
		n := float64(steps)
		mean.Loss, mean.Norm, mean.Bytes = mean.Loss+r.Loss/n, mean.Norm+r.Norm/n, mean.Bytes+r.Bytes/n
	}
	return mean, nil
}

// twoDigits rounds a number to two digits, on which machines agree.
func twoDigits(v float64) float64 {
	unit := math.Pow(10, math.Floor(math.Log10(v))-1)
	return math.Round(v/unit) * unit
}

// identity is what a checkpoint must share with the training that goes on from it: all
// that decides about the result.
func (j *Job) identity(s Settings, augment feed.Augment) (string, error) {
	var payload *Payload
	if s.Payload.Counts() {
		payload = &s.Payload
	}
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
		Given             string   `json:",omitempty"`
		Payload           *Payload `json:",omitempty"`
	}{j.ID, data.ID(j.Sets.Train), data.ID(j.Sets.Val), s.Seed, s.Epochs, j.Rate, s.Warmup, s.Schedule, augment, j.Sets.Preprocess, s.KeepLast, s.Patience, j.Sets.Given.ID(), payload})
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:]), nil
}
