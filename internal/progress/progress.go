// Package progress tells whoever waits how a function goes on.
package progress

import (
	"fmt"
	"sync"

	"github.com/bottlenet/bnc/internal/fault"
	"github.com/dustin/go-humanize/english"
)

// Reporter is told how a function goes on. Nil, in options, is silent. Calls come one at
// a time.
type Reporter interface {
	// Phase begins a part of the work, of so many steps, 0 for unknown. It ends the one
	// before.
	Phase(name string, steps int)
	// Step says how many steps of the phase are done. Status is what else there is to
	// tell: nil, or in a training a train.Status.
	Step(done int, status any)
	// Notice says what a person should know. About is what it is about: nil, or of a
	// training a train.Validation (its start) or a train.Epoch, of a search a search.Event.
	Notice(text string, about any)
}

// Progress is a Reporter, or none, as functions use it.
type Progress struct{ To Reporter }

// Notice tells a line.
func (p Progress) Notice(format string, args ...any) { p.About(nil, format, args...) }

// About tells a line about something.
func (p Progress) About(what any, format string, args ...any) {
	if p.To != nil {
		p.To.Notice(fmt.Sprintf(format, args...), what)
	}
}

// Phase begins a part of the work.
func (p Progress) Phase(name string, steps int) *Phase {
	if p.To != nil {
		p.To.Phase(name, steps)
	}
	return &Phase{to: p.To}
}

// Phase is a part of the work that goes on.
type Phase struct {
	to   Reporter
	done int
}

// Step says that n more steps are done.
func (p *Phase) Step(n int) {
	p.done += n
	p.At(p.done, nil)
}

// At says how many steps are done.
func (p *Phase) At(done int, status any) {
	if p.to != nil {
		p.to.Step(done, status)
	}
}

// Notices is the Reporter of several at once: their lines only, one at a time.
type Notices struct {
	sync.Mutex
	Reporter // nil is silent
}

// Phase is not told.
func (*Notices) Phase(string, int) {}

// Step is not told.
func (*Notices) Step(int, any) {}

// Notice tells a line.
func (n *Notices) Notice(text string, about any) {
	n.Lock()
	defer n.Unlock()
	if n.Reporter != nil {
		n.Reporter.Notice(text, about)
	}
}

// LeftOut tells of inputs that cannot be used, each once, and counts them: one damaged
// image ends nothing.
type LeftOut struct {
	To    Progress
	names map[string]bool
	first error
}

// Add tells of an input; err names it.
func (l *LeftOut) Add(name string, err error) {
	if l.names[name] {
		return
	}
	if l.names == nil {
		l.names = map[string]bool{}
		l.first = err
	}
	l.names[name] = true
	l.To.Notice("left out: %v", err)
}

// Err is what comes of a call that was to give a result for each of n inputs: nil where it
// could.
func (l *LeftOut) Err(n int) error {
	if l.first == nil {
		return nil
	}
	return fault.Unusable("%d of %s could not be used, the first: %w", len(l.names), english.Plural(n, "input", ""), l.first)
}
