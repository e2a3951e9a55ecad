package bnc

import (
	"fmt"
	"time"

	"github.com/bottlenet/bnc/runtime/train"
)

// shownTraining tells how a training goes on: an epoch is a phase.
type shownTraining struct {
	progress
	primary string // the task's first measure, in words
	epochOf int    // whose phase goes on, 0 for none
	phase   *phase
	last    time.Time
}

// step tells of a step, five times a second at most.
func (s *shownTraining) step(at train.Status) {
	if s.epochOf != at.Epoch {
		s.epochOf, s.phase = at.Epoch, s.progress.phase(fmt.Sprintf("epoch %d/%d", at.Epoch, at.Epochs), at.Steps)
	}
	if now := time.Now(); now.Sub(s.last) > 200*time.Millisecond || at.Step == at.Steps {
		s.last = now
		s.phase.at(at.Step, at)
	}
}

// start tells what the weights are worth that the training begins with.
func (s *shownTraining) start(v train.Validation) {
	if line := v.Text(s.primary); line != "" {
		s.about(v, "start: %s", line)
	}
}

// epoch tells what an epoch gave.
func (s *shownTraining) epoch(e train.Epoch) {
	s.epochOf = 0
	s.about(e, "%s", e.Text(s.primary))
}
