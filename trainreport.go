package bnc

import (
	"fmt"
	"strings"
	"time"

	"github.com/bottlenet/bnc/runtime/task"
	"github.com/bottlenet/bnc/runtime/train"
)

// shownTraining tells how a training goes on: an epoch is a phase.
type shownTraining struct {
	progress
	epochOf int // whose phase goes on, 0 for none
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
	if line := judgement(v); len(line) > 0 {
		s.about(v, "start: %s", strings.Join(line, ", "))
	}
}

// epoch tells what an epoch gave.
func (s *shownTraining) epoch(e train.Epoch) {
	s.epochOf = 0
	line := append([]string{fmt.Sprintf("loss %.4f, training %s %.1f%%", e.Loss, taskOf().Measures()[0].Text, 100*e.TrainPrimary)},
		judgement(train.Validation{Primary: e.Primary, Agreement: e.Agreement, PayloadBytes: e.PayloadBytes, Outputs: e.Outputs})...)
	s.about(e, "epoch %d: %s (%.0f s)", e.Epoch, strings.Join(line, ", "), e.Seconds)
}

// judgement says what is known of v.
func judgement(v train.Validation) (parts []string) {
	if v.Primary != nil {
		parts = append(parts, fmt.Sprintf("%s %.2f%%", taskOf().Measures()[0].Text, 100**v.Primary))
	}
	if v.Agreement != nil {
		parts = append(parts, fmt.Sprintf("agreement %.2f%%", 100**v.Agreement))
	}
	for _, o := range v.Outputs {
		parts = append(parts, fmt.Sprintf("%s of %s %.2f%%", task.Text(o.Measure), o.Output, 100*o.Value))
	}
	if v.PayloadBytes != nil {
		parts = append(parts, fmt.Sprintf("%.1f bytes", *v.PayloadBytes))
	}
	return parts
}
