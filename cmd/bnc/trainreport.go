package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/bottlenet/bnc/internal/files"
	"github.com/bottlenet/bnc/runtime/chart"
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
		parts = append(parts, fmt.Sprintf("%s of %s %.2f%%", measureText(o.Measure), o.Name, 100*o.Value))
	}
	if v.PayloadBytes != nil {
		parts = append(parts, fmt.Sprintf("%.1f bytes", *v.PayloadBytes))
	}
	return parts
}

// measureText is a measure in words.
func measureText(measure string) string {
	if measure == measureTop1 {
		return "top-1"
	}
	return measure
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

func (r trainResult) print(s streams, path, dir string) error {
	kept := fmt.Sprintf("epoch %d of %d", r.Kept, len(r.Epochs))
	if r.Kept == 0 {
		kept = "as at the start"
	}
	fmt.Fprintf(s.out, "%s, %s\n", path, kept)
	for _, row := range []struct {
		name string
		text string
	}{{"top-1", rateText(r.Top1)}, {"agreement", rateText(r.Agreement)}} {
		if row.text != "-" {
			fmt.Fprintf(s.out, "  %-14s %s\n", row.name, row.text)
		}
	}
	for _, o := range r.Outputs {
		fmt.Fprintf(s.out, "  %-14s %s %s\n", o.Name, measureText(o.Measure), rateText(&o.Value))
	}
	if r.PayloadBytes != nil {
		fmt.Fprintf(s.out, "  %-14s %.1f bytes an image\n", "payload", *r.PayloadBytes)
	}
	if len(r.Epochs) > 0 {
		fmt.Fprintf(s.out, "  %-14s %.0f images a second\n", "trained at", r.ImagesPerSec)
		fmt.Fprintf(s.out, "  %-14s %s\n", "curves", filepath.Join(dir, "curves.html"))
	}
	return nil
}

// curve is a chart of something that every epoch tells.
type curve struct {
	title, y string
	series   []curveSeries
}

type curveSeries struct {
	name   string
	of     func(train.Epoch) *float64
	judged bool // known of the start too
}

var curves = []curve{
	{"Loss", "mean of the epoch", []curveSeries{{name: "training", of: func(e train.Epoch) *float64 { return &e.Loss }}}},
	{"Accuracy", "images, %", []curveSeries{
		{name: "training, top-1", of: func(e train.Epoch) *float64 { return inPercent(&e.TrainTop1) }},
		{name: "top-1", of: func(e train.Epoch) *float64 { return inPercent(e.Top1) }, judged: true},
		{name: "agreement with the teacher", of: func(e train.Epoch) *float64 { return inPercent(e.Agreement) }, judged: true},
	}},
	{"Payload", "bytes an image", []curveSeries{{name: "mean payload", of: func(e train.Epoch) *float64 { return e.PayloadBytes }, judged: true}}},
	{"Learning rate", "at the end of the epoch", []curveSeries{{name: "learning rate", of: func(e train.Epoch) *float64 { return &e.Rate }}}},
}

func inPercent(v *float64) *float64 {
	if v == nil {
		return nil
	}
	p := 100 * *v
	return &p
}

// writeCurves writes the page of a training: a chart of each quantity over the
// epochs, and the numbers.
func writeCurves(path, name string, h *train.History) error {
	var charts []chart.Chart
	for _, c := range curves {
		drawn := chart.Chart{Title: c.title, X: "epoch", Y: c.y}
		for _, s := range c.series {
			line := chart.Series{Name: s.name}
			epochs := h.Epochs
			if s.judged && h.Start != nil {
				epochs = append([]train.Epoch{{Top1: h.Start.Top1, Agreement: h.Start.Agreement, PayloadBytes: h.Start.PayloadBytes}}, epochs...)
			}
			for _, e := range epochs {
				if v := s.of(e); v != nil {
					line.Points = append(line.Points, chart.Point{X: float64(e.Epoch), Y: *v})
				}
			}
			if len(line.Points) > 0 {
				drawn.Series = append(drawn.Series, line)
			}
		}
		if len(drawn.Series) > 0 {
			charts = append(charts, drawn)
		}
	}
	table := chart.Table{Title: "Epochs", Header: []string{"epoch", "loss", "training top-1", "top-1", "agreement", "payload bytes", "learning rate", "seconds"}}
	for _, e := range h.Epochs {
		payload := "-"
		if e.PayloadBytes != nil {
			payload = fmt.Sprintf("%.1f", *e.PayloadBytes)
		}
		table.Rows = append(table.Rows, []string{
			fmt.Sprint(e.Epoch), fmt.Sprintf("%.4f", e.Loss), rateText(&e.TrainTop1), rateText(e.Top1), rateText(e.Agreement), payload,
			fmt.Sprintf("%.3g", e.Rate), fmt.Sprintf("%.0f", e.Seconds),
		})
	}
	var page bytes.Buffer
	if err := chart.WritePage(&page, name, charts, []chart.Table{table}); err != nil {
		return err
	}
	return files.Write(path, page.Bytes())
}
