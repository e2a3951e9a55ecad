package main

import (
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// reporter shows how a command goes on: a bar on a terminal, and lines. Bar and lines
// share the terminal: a line takes the bar away, the next step draws it again.
type reporter struct {
	w      io.Writer
	tty    bool
	mu     sync.Mutex
	bar    *progressbar.ProgressBar
	name   string
	steps  int
	status func(status any) string // what a bar says besides; nil for nothing
}

func newReporter(w io.Writer) *reporter {
	f, ok := w.(*os.File)
	return &reporter{w: w, tty: ok && term.IsTerminal(int(f.Fd()))}
}

// Phase begins a bar.
func (r *reporter) Phase(name string, steps int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.clear()
	r.name, r.steps = name, steps
}

// Step moves the bar.
func (r *reporter) Step(done int, status any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.tty {
		return
	}
	if r.bar == nil {
		r.bar = progressbar.NewOptions(r.steps, progressbar.OptionSetWriter(r.w), progressbar.OptionSetDescription(r.name),
			progressbar.OptionShowCount(), progressbar.OptionSetPredictTime(r.status == nil), progressbar.OptionClearOnFinish())
	}
	if r.status != nil {
		r.bar.Describe(r.name + "  " + r.status(status))
	}
	r.bar.Set(done)
}

// Notice prints a line.
func (r *reporter) Notice(text string, _ any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.clear()
	fmt.Fprintln(r.w, inFlags(text))
}

// clear takes the bar from the terminal.
func (r *reporter) clear() {
	if r.bar != nil {
		r.bar.Clear()
		r.bar = nil
	}
}

// done ends what is shown.
func (r *reporter) done() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.clear()
}
