package train

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/bottlenet/bnc/runtime/feed"
	"github.com/bottlenet/bnc/runtime/ort"
)

// Options say how a training runs.
type Options struct {
	Epochs   int
	Schedule Schedule
	Loader   *feed.Loader
	Payload  Payload
	// Validate judges the weights after every epoch; nil for never.
	Validate func(ctx context.Context, weights ort.Feed) (Validation, error)
	// Adapt makes the graphs suit the weights after every epoch, before they are judged, and
	// tells what makes them so, or goes on with what is known of them; nil for graphs that stay.
	Adapt func(ctx context.Context, weights map[string][]float32, known json.RawMessage) (json.RawMessage, error)
	// Patience is the number of epochs without a better score after which the
	// training ends early, 0 for never.
	Patience int
	// Hopeless tells, after each epoch but the last, whether to end early; nil
	// for never.
	Hopeless func(done []Epoch) bool
	// KeepBest ends with the best weights instead of the last ones: those of an
	// epoch, or those that the training began with.
	KeepBest bool

	Checkpoint string        // file; "" for none
	Every      time.Duration // between checkpoints, beside those after each epoch
	Settings   string        // identity of the training, which a checkpoint must share
	Resume     bool

	// Log is a file that gets a JSON object a line: one a step, and one an epoch.
	// It is written anew, or goes on where the checkpoint is; "" for none.
	Log    string
	Step   func(Status)                     // called after every step; may be nil
	Start  func(Validation)                 // called where the start was judged; may be nil
	Epoch  func(Epoch)                      // called after every epoch; may be nil
	Notice func(format string, args ...any) // warnings
}

// Status is how far a training is.
type Status struct {
	Epoch, Epochs int     // counted from 1
	Step, Steps   int     // of the epoch
	Loss, Primary float64 // running means of the epoch
	Counted       bool    // Primary is known: the share of images that the output says the right thing of
	Errors        []Error // running means, nil where outputs are not compared by themselves
	ImagesPerSec  float64
	Left          time.Duration
}

// position is what the loop has to know beside the state to go on.
type position struct {
	Epoch    int             `json:"epoch"` // counted from 0
	Step     int             `json:"step"`  // of the epoch, done
	Good     int             `json:"good"`  // of these, those that were not left out
	LossSum  float64         `json:"loss_sum"`
	Hits     int             `json:"hits"`
	Errors   []float64       `json:"errors,omitempty"`   // sums, of what is compared
	Seconds  float64         `json:"seconds"`            // of the epoch
	Slower   int             `json:"slower"`             // how often the learning rate was halved
	Start    *Validation     `json:"start"`              // before the first epoch, nil where it was not judged
	Best     int             `json:"best"`               // the epoch with the best score, counted from 1; 0 for the start
	Score    *float64        `json:"score"`              // the best one, nil for none
	Excess   float64         `json:"excess,omitempty"`   // of payloads then over their target, as a share
	Steering *steering       `json:"steering,omitempty"` // nil where payloads do not count
	Adapted  json.RawMessage `json:"adapted,omitempty"`  // what makes the graphs suit their weights, nil for as they began
	Done     []Epoch         `json:"done"`
	Logged   int64           `json:"logged"` // bytes of the log
}

// slowerAtMost is how often a step whose loss is no number is left out and the
// learning rate halved, before the training ends.
const slowerAtMost = 4

// DivergedError says that loss or gradients became infinite or no number, again
// and again.
type DivergedError struct {
	Epoch, Step int
	Result      StepResult
	Rate        float64
	Halved      int // how often the learning rate was
}

// Error gives the step.
func (e *DivergedError) Error() string {
	return fmt.Sprintf("epoch %d, step %d: loss %v, gradient norm %v at learning rate %.3g, after halving it %d times; the weights before that are kept: try a smaller option lr, or option clip_norm 1",
		e.Epoch, e.Step, e.Result.Loss, e.Result.Norm, e.Rate, e.Halved)
}

// DataError says that the images cannot be used.
type DataError struct{ Err error }

// Error is the cause's.
func (e *DataError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *DataError) Unwrap() error { return e.Err }

// Run trains. It returns what the epochs gave, also where it ends with an error;
// nil where it could not begin.
func Run(ctx context.Context, t *Trainer, o Options) (*History, error) {
	r := &run{Trainer: t, o: o, saved: time.Now(), best: ort.Feed{}}
	if r.o.Notice == nil {
		r.o.Notice = func(string, ...any) {}
	}
	if o.Resume {
		p, err := t.load(o.Checkpoint, o.Settings)
		if err != nil {
			return nil, err
		}
		r.p = p
		if o.Adapt != nil && p.Adapted != nil {
			if _, err := o.Adapt(ctx, nil, p.Adapted); err != nil {
				return nil, err
			}
		}
		if o.KeepBest && p.Score != nil {
			if err := r.loadBest(); err != nil {
				return nil, err
			}
		}
	}
	if o.Log != "" {
		var err error
		if r.log, err = openLog(o.Log, r.p.Logged); err != nil {
			return nil, err
		}
		defer r.log.Close()
	}
	if o.Payload.Weight > 0 && !o.Resume {
		r.p.Steering = &steering{First: o.Payload.Weight, Bytes: o.Payload.bytes, Began: o.Payload.bytes, Ratio: 1}
	}
	if o.KeepBest && o.Validate != nil && !o.Resume {
		if err := r.judgeStart(ctx); err != nil {
			return nil, err
		}
		// In place of what an older training has left, as its best state is now.
		if err := r.checkpoint(); err != nil {
			r.o.Notice("the checkpoint could not be written, the one before stays: %v", err)
		}
	}
	err := r.epochs(ctx)
	h := &History{Epochs: r.p.Done, Start: r.p.Start, Kept: len(r.p.Done), Early: len(r.p.Done) < o.Epochs}
	if r.seconds > 0 {
		h.ImagesPerSec = float64(r.images) / r.seconds
	}
	if err == nil && o.KeepBest && r.p.Score != nil && r.p.Best != len(r.p.Done) {
		h.Kept = r.p.Best
		for name, x := range r.best {
			copy(t.tensor(name).Data, x.Data)
		}
	}
	if got := h.Result().PayloadBytes; err == nil && r.p.Excess > 0 && got != nil {
		r.o.Notice("payloads of %.0f bytes are more than the %.0f of option target_bytes: try more of option epochs, a higher option lr, or a lower option quality", *got, o.Payload.Target)
	}
	if err == nil && h.Kept == 0 && len(h.Epochs) > 0 {
		r.o.Notice("no epoch is better than the start, %s: its weights stay. Try a smaller option lr", h.Result().scoreText(*r.p.Score))
	}
	return h, err
}

type run struct {
	*Trainer
	o       Options
	p       position
	saved   time.Time
	best    ort.Feed    // the state of the best epoch
	log     *os.File    // nil for none
	gaps    bool        // a line could not be written
	bad     *StepResult // of the last step where that was left out
	images  int
	seconds float64
}

// judgeStart notes how good the weights are that the training begins with.
func (r *run) judgeStart(ctx context.Context) error {
	v, err := r.o.Validate(ctx, r.Weights())
	if err != nil {
		return err
	}
	r.p.Start = &v
	r.judgedPayload(v)
	if r.o.Start != nil {
		r.o.Start(v)
	}
	return r.compare(v, 0)
}

// weighBytes sets and returns how much of the loss a byte of payload is in the next step.
func (r *run) weighBytes() float64 {
	if r.p.Steering == nil {
		return 0
	}
	weight := r.p.Steering.weight(r.o.Payload.Target, r.o.Epochs*r.o.Loader.Batches())
	r.WeighBytes(weight)
	return weight
}

// judgedPayload tells the controller what the images that judge take.
func (r *run) judgedPayload(v Validation) {
	if r.p.Steering != nil && v.PayloadBytes != nil {
		r.p.Steering.judged(*v.PayloadBytes)
	}
}

// compare remembers the state after an epoch where none before was better: of those whose
// payloads are no larger than their target, the one with the highest score.
func (r *run) compare(v Validation, epoch int) error {
	s, excess := v.score(), r.o.Payload.excess(v)
	if s == nil || r.p.Score != nil && (excess > r.p.Excess || excess == r.p.Excess && *s <= *r.p.Score) {
		return nil
	}
	r.p.Best, r.p.Score, r.p.Excess = epoch, s, excess
	if !r.o.KeepBest {
		return nil
	}
	return r.keepBest()
}

func (r *run) epochs(ctx context.Context) error {
	for r.p.Epoch < r.o.Epochs {
		if r.o.Patience > 0 && r.p.Score != nil && len(r.p.Done)-r.p.Best >= r.o.Patience {
			r.o.Notice("no better result in %d epochs: ending early", r.o.Patience)
			return nil
		}
		if r.o.Hopeless != nil && len(r.p.Done) > 0 && r.o.Hopeless(r.p.Done) {
			return nil
		}
		if err := r.epoch(ctx); err != nil {
			if ctx.Err() != nil && r.p.Step < r.o.Loader.Batches() {
				err = errors.Join(err, r.checkpoint())
			}
			return err
		}
	}
	return nil
}

func (r *run) epoch(ctx context.Context) error {
	steps := r.o.Loader.Batches()
	e := r.o.Loader.Epoch(ctx, r.p.Epoch, r.p.Step)
	defer e.Close()
	rate := 0.0
	for r.p.Step < steps {
		start := time.Now()
		b, err := e.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			return &DataError{err}
		}
		byteWeight := r.weighBytes()
		rate = r.o.Schedule.At(r.p.Epoch*steps+r.p.Step) / float64(int(1)<<r.p.Slower)
		result, err := r.Step(ctx, b, rate)
		e.Recycle(b)
		if err != nil {
			return err
		}
		if !result.Finite() {
			// The state is that of before the step. With a smaller rate the
			// following steps go another way.
			if r.p.Slower++; r.p.Slower > slowerAtMost {
				return errors.Join(&DivergedError{r.p.Epoch + 1, r.p.Step + 1, result, rate, slowerAtMost}, r.checkpoint())
			}
			r.o.Notice("epoch %d, step %d: loss %v, gradient norm %v: the step is left out and the learning rate halved", r.p.Epoch+1, r.p.Step+1, result.Loss, result.Norm)
			r.p.Step++
			r.bad = &result
			continue
		}
		r.bad = nil
		spent := time.Since(start).Seconds()
		r.p.Step++
		r.p.Good++
		r.p.LossSum += result.Loss
		r.p.Hits += result.Hits
		if r.p.Errors == nil {
			r.p.Errors = make([]float64, len(result.Errors))
		}
		for i, e := range result.Errors {
			r.p.Errors[i] += e
		}
		r.p.Seconds += spent
		if r.p.Steering != nil {
			r.p.Steering.step(result.Bytes, r.o.Payload.Target, r.o.Epochs*steps)
		}
		r.images, r.seconds = r.images+r.Batch(), r.seconds+spent
		line := map[string]any{"step": r.steps, "epoch": r.p.Epoch + 1, "loss": result.Loss, "lr": rate, "norm": result.Norm}
		if r.p.Steering != nil {
			line["bytes"], line["byte_weight"] = result.Bytes, byteWeight
		}
		if err := r.write(line); err != nil {
			return err
		}
		r.tell(steps)
		if r.o.Checkpoint != "" && r.o.Every > 0 && time.Since(r.saved) >= r.o.Every && r.p.Step < steps {
			if err := r.checkpoint(); err != nil {
				r.o.Notice("the checkpoint could not be written, the one before stays: %v", err)
			}
		}
	}
	return r.endEpoch(ctx, rate)
}

// endEpoch validates, and writes log and checkpoint.
func (r *run) endEpoch(ctx context.Context, rate float64) error {
	start := time.Now()
	if r.p.Good == 0 && r.bad != nil {
		return &DivergedError{r.p.Epoch + 1, r.p.Step, *r.bad, rate, r.p.Slower}
	}
	done := float64(max(r.p.Good, 1))
	epoch := Epoch{Epoch: r.p.Epoch + 1, Loss: r.p.LossSum / done, TrainTop1: float64(r.p.Hits) / done / float64(r.Batch()), Rate: rate}
	if r.p.Steering != nil {
		epoch.ByteWeight = r.p.Steering.weight(r.o.Payload.Target, r.o.Epochs*r.o.Loader.Batches())
	}
	epoch.Errors = errorsOf(r.Compared(), r.p.Errors, done)
	if r.o.Validate != nil || epoch.Epoch == r.o.Epochs {
		if err := r.measure(ctx); err != nil {
			return err
		}
	}
	if err := r.adapt(ctx); err != nil {
		return err
	}
	if r.o.Validate != nil {
		v, err := r.o.Validate(ctx, r.Weights())
		if err != nil && ctx.Err() == nil && r.bad != nil { // its scores are no numbers either
			return &DivergedError{epoch.Epoch, r.p.Step, *r.bad, rate, r.p.Slower}
		}
		if err != nil {
			return err
		}
		epoch.Judged = v.Judged
		r.judgedPayload(v)
		if v.Dead {
			r.o.Notice("epoch %d: the bottleneck is dead: every image gives the same tile. Start from a calibrated one (without option no_calib), with option warmup, or with a smaller option lr", epoch.Epoch)
		}
		if err := r.compare(v, epoch.Epoch); err != nil {
			return err
		}
	}
	if r.o.Validate == nil && r.bad != nil && epoch.Epoch == r.o.Epochs { // nothing else would tell
		return &DivergedError{epoch.Epoch, r.p.Step, *r.bad, rate, r.p.Slower}
	}
	epoch.Seconds = r.p.Seconds + time.Since(start).Seconds()
	r.p.Done = append(r.p.Done, epoch)
	r.p = position{Epoch: r.p.Epoch + 1, Slower: r.p.Slower, Start: r.p.Start, Best: r.p.Best, Score: r.p.Score, Excess: r.p.Excess, Steering: r.p.Steering, Adapted: r.p.Adapted, Done: r.p.Done, Logged: r.p.Logged}
	if r.o.Epoch != nil {
		r.o.Epoch(epoch)
	}
	if err := r.write(epoch); err != nil {
		return err
	}
	if r.o.Checkpoint == "" {
		return nil
	}
	if err := r.checkpoint(); err != nil {
		r.o.Notice("the checkpoint could not be written, the one before stays: %v", err)
	}
	return nil
}

// adapt makes the graphs suit today's weights.
func (r *run) adapt(ctx context.Context) error {
	if r.o.Adapt == nil {
		return nil
	}
	adapted, err := r.o.Adapt(ctx, r.Params(), nil)
	if err != nil {
		return err
	}
	if r.p.Adapted = adapted; r.p.Steering != nil {
		r.p.Steering.Bytes = 0 // payloads are others now
	}
	return nil
}

// measure measures the statistics of today's weights over images of this epoch.
func (r *run) measure(ctx context.Context) error {
	e := r.o.Loader.Epoch(ctx, r.p.Epoch, 0)
	defer e.Close()
	return r.Measure(ctx, e)
}

// openLog opens a log to go on behind its first bytes.
func openLog(path string, behind int64) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return nil, err
	}
	st, err := f.Stat()
	if err == nil {
		err = f.Truncate(min(behind, st.Size())) // a power failure may have cut it off
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// write appends a line to the log. Where it cannot, as on a full disk, the
// training goes on without that line.
func (r *run) write(line any) error {
	if r.log == nil {
		return nil
	}
	b, err := json.Marshal(line)
	if err != nil {
		return err
	}
	if _, err := r.log.Write(append(b, '\n')); err != nil {
		if !r.gaps {
			r.o.Notice("the log has gaps: %v", err)
		}
		r.gaps = true
		return r.log.Truncate(r.p.Logged)
	}
	r.p.Logged += int64(len(b) + 1)
	return nil
}

// tell reports how far the training is.
func (r *run) tell(steps int) {
	if r.o.Step == nil {
		return
	}
	n := float64(r.p.Good)
	speed := float64(r.images) / r.seconds
	left := (r.o.Epochs-r.p.Epoch)*steps - r.p.Step
	r.o.Step(Status{
		Epoch: r.p.Epoch + 1, Epochs: r.o.Epochs, Step: r.p.Step, Steps: steps,
		Loss: r.p.LossSum / n, Errors: errorsOf(r.Compared(), r.p.Errors, n), Primary: float64(r.p.Hits) / n / float64(r.Batch()), Counted: r.man.Hits != "", ImagesPerSec: speed,
		Left: time.Duration(float64(left*r.Batch()) / speed * float64(time.Second)),
	})
}
