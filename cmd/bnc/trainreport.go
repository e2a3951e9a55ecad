package main

import (
	"fmt"
	"io"
	"os"
	"strings"
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

// start prints what the weights are worth that the training begins with.
func (b *trainBar) start(v train.Validation) {
	if line := judgement(v); len(line) > 0 {
		fmt.Fprintf(b.w, "start: %s\n", strings.Join(line, ", "))
	}
}

// epoch prints the line of an epoch.
func (b *trainBar) epoch(e train.Epoch) {
	b.done()
	line := append([]string{fmt.Sprintf("loss %.4f, training top-1 %.1f%%", e.Loss, 100*e.TrainTop1)},
		judgement(train.Validation{Top1: e.Top1, Agreement: e.Agreement, PayloadBytes: e.PayloadBytes, Outputs: e.Outputs})...)
	fmt.Fprintf(b.w, "epoch %d: %s (%.0f s)\n", e.Epoch, strings.Join(line, ", "), e.Seconds)
}

// judgement says what is known of v.
func judgement(v train.Validation) (parts []string) {
	if v.Top1 != nil {
		parts = append(parts, fmt.Sprintf("top-1 %.2f%%", 100**v.Top1))
	}
	if v.Agreement != nil {
		parts = append(parts, fmt.Sprintf("agreement %.2f%%", 100**v.Agreement))
	}
	for _, o := range v.Outputs {
		parts = append(parts, fmt.Sprintf("%s of %s %.2f%%", o.MeasureText(), o.Name, 100*o.Value))
	}
	if v.PayloadBytes != nil {
		parts = append(parts, fmt.Sprintf("%.1f bytes", *v.PayloadBytes))
	}
	return parts
}

func (b *trainBar) done() {
	if b.bar != nil {
		b.bar.Finish()
		b.bar = nil
	}
}

// trainResult is what bnc train --json prints.
type trainResult struct {
	Epochs       []train.Epoch     `json:"epochs"`
	Start        *train.Validation `json:"start"` // nil with --keep-last, and where there is nothing to judge by
	Top1         *float64          `json:"top1"`
	Agreement    *float64          `json:"agreement"`
	PayloadBytes *float64          `json:"payload_bytes"`
	Outputs      []train.Output    `json:"outputs,omitempty"` // where several are judged
	Images       int               `json:"images"`            // of an epoch
	ImagesPerSec float64           `json:"images_per_second"`
	Kept         int               `json:"kept_epoch"` // 0: the start
}

func newTrainResult(h *train.History, sets *trainingSets) trainResult {
	kept := h.Result()
	return trainResult{
		Epochs: h.Epochs, Start: h.Start, Images: sets.train.Len(), ImagesPerSec: h.ImagesPerSec, Kept: h.Kept,
		Top1: kept.Top1, Agreement: kept.Agreement, PayloadBytes: kept.PayloadBytes, Outputs: kept.Outputs,
	}
}
