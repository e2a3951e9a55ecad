package train

import (
	"fmt"
	"time"
)

// Teller tells how a training goes on: an epoch is a phase of its own.
type Teller struct {
	Primary string // the task's first measure, in words
	Phase   func(name string, steps int) (at func(done int, status any))
	Notice  func(about any, format string, args ...any)

	epoch int // whose phase goes on, 0 for none
	at    func(done int, status any)
	last  time.Time
}

// Step tells of a step, five times a second at most.
func (t *Teller) Step(s Status) {
	if t.epoch != s.Epoch {
		t.epoch, t.at = s.Epoch, t.Phase(fmt.Sprintf("epoch %d/%d", s.Epoch, s.Epochs), s.Steps)
	}
	if now := time.Now(); now.Sub(t.last) > 200*time.Millisecond || s.Step == s.Steps {
		t.last = now
		t.at(s.Step, s)
	}
}

// Start tells what the weights are worth that the training begins with.
func (t *Teller) Start(v Validation) {
	if line := v.Text(t.Primary); line != "" {
		t.Notice(v, "start: %s", line)
	}
}

// Epoch tells what an epoch gave.
func (t *Teller) Epoch(e Epoch) {
	t.epoch = 0
	t.Notice(e, "%s", e.Text(t.Primary))
}
