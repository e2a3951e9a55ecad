package train

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/bottlenet/bnc/runtime/ort"
)

// training is a small one: 8 images, 2 steps an epoch.
func training(t *testing.T, epochs int) (*Trainer, Options) {
	t.Helper()
	tr := slopeTrainer(t, 0.25)
	numbers := []float32{1, 2, -1, 0.5, 1.5, 0.25, -2, 1}
	labels := []float32{2, 4, 0, 1, 3, 0, 1, 2}
	return tr, Options{
		Epochs: epochs, Schedule: Schedule{Kind: Cosine, Rate: 0.05, Total: 2 * epochs},
		Loader: slopes(t, tr.session, numbers, labels, true),
	}
}

// scores makes validations with those scores, epoch for epoch, and notes the
// weights that were judged.
func scores(values ...float64) (func(context.Context, ort.Feed) (Validation, error), *[]string) {
	var seen []string
	return func(_ context.Context, w ort.Feed) (Validation, error) {
		seen = append(seen, string(w["w:"].Data))
		return Validation{Judged: Judged{Top1: &values[len(seen)-1]}}, nil
	}, &seen
}

// TestKeepBest ends with the weights of the first of the best epochs.
func TestKeepBest(t *testing.T) {
	for _, c := range []struct {
		keep     bool
		patience int
		scores   []float64
		epochs   int // that are run
		kept     int
	}{ // where the best is kept, the first score is that of the start
		{true, 0, []float64{0, 0.1, 0.5, 0.3, 0.5, 0.2}, 5, 2},
		{true, 0, []float64{0, 0.1, 0.2, 0.3, 0.4, 0.5}, 5, 5},
		{false, 0, []float64{0.5, 0.1, 0.1, 0.1, 0.1}, 5, 5},
		{true, 2, []float64{0, 0.1, 0.5, 0.4, 0.5, 0.9}, 4, 2},
		{true, 1, []float64{0, 0.5, 0.4, 0.9, 0.9, 0.9}, 2, 1},
		{false, 2, []float64{0.3, 0.1, 0.2, 0.9, 0.9}, 3, 3},
		{true, 2, []float64{0, 0.1, 0.05, 0.2, 0.1, 0.3}, 5, 5},
		{true, 0, []float64{0.6, 0.1, 0.2, 0.3, 0.4, 0.6}, 5, 0},
		{true, 2, []float64{0.6, 0.1, 0.2, 0.7, 0.4, 0.6}, 2, 0},
	} {
		tr, o := training(t, 5)
		o.KeepBest, o.Patience = c.keep, c.patience
		var seen *[]string
		o.Validate, seen = scores(c.scores...)
		h, err := Run(t.Context(), tr, o)
		if err != nil {
			t.Fatal(err)
		}
		if len(h.Epochs) != c.epochs || h.Kept != c.kept || h.Early != (c.epochs < 5) {
			t.Errorf("%+v: %d epochs, kept %d, early %v", c, len(h.Epochs), h.Kept, h.Early)
		}
		if (h.Start != nil) != c.keep || c.keep && *h.Start.Top1 != c.scores[0] {
			t.Errorf("%+v: the start is told as %+v", c, h.Start)
		}
		want := (*seen)[len(*seen)-1]
		if c.keep {
			want = (*seen)[c.kept]
		}
		if string(tr.Weights()["w:"].Data) != want {
			t.Errorf("%+v: other weights than those of the epoch", c)
		}
		for i, s := range (*seen)[:len(*seen)-1] {
			if s == (*seen)[i+1] {
				t.Errorf("%+v: nothing was learnt in epoch %d", c, i+2)
			}
		}
	}
}

// TestRunTakenUpAgain stops after every possible step, between checkpoints too,
// and goes on: weights, log and results are those of a training in one go.
func TestRunTakenUpAgain(t *testing.T) {
	outcome := func(dir string, stops map[int]bool, every int64) (string, []Epoch, int, string) {
		tr, o := training(t, 5)
		values := []float64{0, 0.1, 0.5, 0.3, 0.4, 0.2}
		o.Validate = func(_ context.Context, w ort.Feed) (Validation, error) {
			return Validation{Judged: Judged{Top1: &values[tr.Steps()/2]}}, nil
		}
		o.KeepBest, o.Patience = true, 2
		o.Payload = Payload{Weight: 0.5, Target: 12, bytes: 15} // whose weight the log tells
		o.Checkpoint, o.Log, o.Settings = filepath.Join(dir, "checkpoint"), filepath.Join(dir, "log.jsonl"), "s"
		if every > 0 {
			o.Every = 1 // a nanosecond: after every step
		}
		for {
			ctx, stop := context.WithCancel(t.Context())
			o.Step = func(s Status) {
				if at := 2*(s.Epoch-1) + s.Step; stops[at] {
					delete(stops, at)
					stop()
				}
			}
			h, err := Run(ctx, tr, o)
			stop()
			if errors.Is(err, context.Canceled) {
				tr = slopeTrainer(t, 0.25) // nothing survives but the files
				_, again := os.Stat(o.Checkpoint)
				o.Resume = again == nil
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			log, err := os.ReadFile(o.Log)
			if err != nil {
				t.Fatal(err)
			}
			for i := range h.Epochs {
				h.Epochs[i].Seconds = 0
			}
			text := ""
			for line := range strings.Lines(string(log)) {
				head, _, _ := strings.Cut(line, `"seconds"`)
				text += head
			}
			return string(tr.state["w:"].Data) + string(tr.state["m:w:"].Data), h.Epochs, h.Kept, text
		}
	}
	state, epochs, best, log := outcome(t.TempDir(), nil, 0)
	if best != 2 || len(epochs) != 4 || strings.Count(log, "\n") < 8 {
		t.Fatalf("best %d of %d; log\n%s", best, len(epochs), log)
	}
	for stop := 1; stop <= 8; stop++ {
		for _, every := range []int64{0, 1} {
			s, e, b, l := outcome(t.TempDir(), map[int]bool{stop: true, 3: true, 8: true}, every)
			if s != state || !reflect.DeepEqual(e, epochs) || b != best || l != log {
				t.Errorf("stopped at step %d: state the same %v, best %d, epochs %+v, expected %+v; log\n%s\nexpected\n%s", stop, s == state, b, e, epochs, l, log)
			}
		}
	}
}

// TestKeepBestThatFits ends with the best of those weights whose payloads are within their
// target, or with those that come next to it.
func TestKeepBestThatFits(t *testing.T) {
	for _, c := range []struct {
		scores, bytes []float64 // of the start, and of epochs
		kept          int
	}{
		{[]float64{0.9, 0.8, 0.7, 0.6, 0.5}, []float64{200, 150, 100, 90, 80}, 2},
		{[]float64{0.9, 0.8, 0.7, 0.75, 0.5}, []float64{200, 150, 100, 90, 80}, 3},
		{[]float64{0.9, 0.8, 0.7, 0.6, 0.95}, []float64{200, 150, 130, 120, 125}, 3},
		{[]float64{0.9, 0.8, 0.7, 0.6, 0.5}, []float64{100, 80, 80, 80, 80}, 0},
	} {
		tr, o := training(t, 4)
		o.KeepBest, o.Payload = true, Payload{Weight: 1, Target: 100}
		judged := 0
		o.Validate = func(context.Context, ort.Feed) (Validation, error) {
			judged++
			return Validation{Judged: Judged{Top1: &c.scores[judged-1], PayloadBytes: &c.bytes[judged-1]}}, nil
		}
		h, err := Run(t.Context(), tr, o)
		if err != nil || h.Kept != c.kept {
			t.Errorf("%v in %v bytes: kept %d, expected %d: %v", c.scores, c.bytes, h.Kept, c.kept, err)
		}
	}
}

// TestRunDiverges: images that make the loss infinite are left out and the rate
// halved, and a training of nothing else ends with an error and finite weights.
func TestRunDiverges(t *testing.T) {
	tr, o := training(t, 3)
	o.Loader = slopes(t, tr.session, []float32{1, float32(math.Inf(1)), 1, 1, 1, 2, -1, 1}, []float32{3, 0, 1, 2, 2, 4, 0, 1}, false)
	o.Schedule.Kind = Constant
	var notices []string
	o.Notice = func(format string, args ...any) { notices = append(notices, fmt.Sprintf(format, args...)) }
	h, err := Run(t.Context(), tr, o)
	if err != nil || len(h.Epochs) != 3 || len(notices) != 3 || !strings.Contains(notices[0], "halved") {
		t.Fatalf("%v, %v", err, notices)
	}
	for i, e := range h.Epochs {
		if math.IsNaN(e.Loss) || math.IsInf(e.Loss, 0) {
			t.Errorf("loss of epoch %d: %v", e.Epoch, e.Loss)
		}
		if want := 0.05 / float64(int(2)<<i); math.Abs(e.Rate-want) > 1e-15 {
			t.Errorf("rate of epoch %d: %v, expected %v", e.Epoch, e.Rate, want)
		}
	}
	tr, o = training(t, 3)
	o.Schedule.Rate = 1e30
	_, err = Run(t.Context(), tr, o)
	var diverged *DivergedError
	if !errors.As(err, &diverged) || !strings.Contains(err.Error(), "option lr") {
		t.Errorf("%v", err)
	}
	for name, x := range tr.state {
		for _, v := range floatsOf(tr, name) {
			if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
				t.Errorf("%s is %v of %v", name, v, x)
			}
		}
	}
}
