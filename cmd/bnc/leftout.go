package main

import (
	"github.com/dustin/go-humanize/english"
)

// leftOut tells of inputs that cannot be used, each once, and counts them: one
// damaged image ends no command.
type leftOut struct {
	notice func(format string, args ...any)
	names  map[string]bool
	first  error
}

// add tells of an input; err names it.
func (l *leftOut) add(name string, err error) {
	if l.names[name] {
		return
	}
	if l.names == nil {
		l.names = map[string]bool{}
		l.first = err
	}
	l.names[name] = true
	l.notice("left out: %v", err)
}

// err is how a command ends that was to give a result for each of n inputs: nil
// where it could.
func (l *leftOut) err(n int) error {
	if l.first == nil {
		return nil
	}
	return unusablef("%d of %s could not be used, the first: %w", len(l.names), english.Plural(n, "input", ""), l.first)
}
