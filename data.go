package bnc

import (
	"github.com/bottlenet/bnc/runtime/data"
	"github.com/dustin/go-humanize/english"
)

// leftOut tells of inputs that cannot be used, each once, and counts them: one damaged
// image ends nothing.
type leftOut struct {
	to    progress
	names map[string]bool
	first error
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
	l.to.notice("left out: %v", err)
}

// err is what comes of a call that was to give a result for each of n inputs: nil where
// it could.
func (l *leftOut) err(n int) error {
	if l.first == nil {
		return nil
	}
	return unusable("%d of %s could not be used, the first: %w", len(l.names), english.Plural(n, "input", ""), l.first)
}

// inputFiles replaces folders by the images and tensors in them, in name order, and tells
// what else they hold.
func inputFiles(paths []string, p progress) ([]string, error) {
	files, passedOver, err := data.Inputs(paths)
	for _, line := range passedOver {
		p.notice("%s", line)
	}
	return files, err
}
