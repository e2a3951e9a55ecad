package main

import "io"

// progress is the bar of a command that is not of the library yet.
type progress struct {
	to *reporter
	at *int
}

func newProgress(w io.Writer, what string, n int) progress {
	r := newReporter(w)
	r.Phase(what, n)
	return progress{r, new(int)}
}

func (p progress) step() {
	*p.at++
	p.to.Step(*p.at, nil)
}

func (p progress) done() { p.to.done() }
