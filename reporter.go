package bnc

import (
	"fmt"
	"sync"
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

// progress is a Reporter, or none, as functions use it.
type progress struct{ to Reporter }

// notice tells a line.
func (p progress) notice(format string, args ...any) { p.about(nil, format, args...) }

// about tells a line about something.
func (p progress) about(what any, format string, args ...any) {
	if p.to != nil {
		p.to.Notice(fmt.Sprintf(format, args...), what)
	}
}

// phase begins a part of the work.
func (p progress) phase(name string, steps int) *phase {
	if p.to != nil {
		p.to.Phase(name, steps)
	}
	return &phase{to: p.to}
}

// phase is a part of the work that goes on.
type phase struct {
	to   Reporter
	done int
}

// step says that n more steps are done.
func (p *phase) step(n int) {
	p.done += n
	p.at(p.done, nil)
}

// at says how many steps are done.
func (p *phase) at(done int, status any) {
	if p.to != nil {
		p.to.Step(done, status)
	}
}

// notices is the Reporter of several at once: their lines only, one at a time.
type notices struct {
	sync.Mutex
	Reporter // nil is silent
}

func (*notices) Phase(string, int) {}
func (*notices) Step(int, any)     {}
func (n *notices) Notice(text string, about any) {
	n.Lock()
	defer n.Unlock()
	if n.Reporter != nil {
		n.Reporter.Notice(text, about)
	}
}
