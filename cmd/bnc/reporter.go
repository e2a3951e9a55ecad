package main

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// reporter shows how a command goes on: a bar on a terminal, and lines. Bar and lines
// share the terminal: a line takes the bar away, the next step draws it again. What is
// written to a reporter are lines, too.
type reporter struct {
	w      io.Writer
	tty    bool
	mu     sync.Mutex
	bar    *progressbar.ProgressBar // of the phase, nil before its first step
	name   string
	steps  int
	drawn  time.Time               // when the bar was; zero where it is not there
	status func(status any) string // what a bar says besides; nil for nothing
}

// redraw is how long a bar stays as it is at least.
const redraw = 100 * time.Millisecond

// newReporter returns the reporter that w is, or else one that writes there.
func newReporter(w io.Writer) *reporter {
	if r, ok := w.(*reporter); ok {
		return r
	}
	f, ok := w.(*os.File)
	return &reporter{w: w, tty: ok && term.IsTerminal(int(f.Fd()))}
}

// Phase begins a bar.
func (r *reporter) Phase(name string, steps int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.clear()
	r.bar, r.name, r.steps = nil, name, steps
}

// Step moves the bar.
func (r *reporter) Step(done int, status any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.tty || time.Since(r.drawn) < redraw && done != r.steps {
		return
	}
	r.drawn = time.Now()
	if r.bar == nil {
		steps := r.steps
		if steps == 0 {
			steps = -1
		}
		r.bar = progressbar.NewOptions(steps, progressbar.OptionSetWriter(r.w), progressbar.OptionSetDescription(r.name),
			progressbar.OptionShowCount(), progressbar.OptionSetPredictTime(r.status == nil), progressbar.OptionClearOnFinish(),
			progressbar.OptionSetSpinnerChangeInterval(0)) // drawn by steps only, never beside a line
	}
	if r.status != nil {
		r.bar.Describe(r.name + "  " + r.status(status))
	}
	r.bar.Set(done)
}

// Notice prints a line.
func (r *reporter) Notice(text string, _ any) { fmt.Fprintln(r, inFlags(text)) }

// Write prints lines.
func (r *reporter) Write(lines []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.clear()
	return r.w.Write(lines)
}

// beside returns a writer whose lines do not mix with the bar, either.
func (r *reporter) beside(w io.Writer) io.Writer {
	if !r.tty {
		return w
	}
	return lines{r, w}
}

// lines take the bar of a reporter away before they are written.
type lines struct {
	r *reporter
	w io.Writer
}

// Write prints lines.
func (l lines) Write(text []byte) (int, error) {
	l.r.mu.Lock()
	defer l.r.mu.Unlock()
	l.r.clear()
	return l.w.Write(text)
}

// clear takes the bar from the terminal.
func (r *reporter) clear() {
	if r.bar != nil {
		r.bar.Clear()
	}
	r.drawn = time.Time{}
}

// done ends what is shown.
func (r *reporter) done() { r.Phase("", 0) }
