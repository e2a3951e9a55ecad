// Package search is the training phase of the BottleNet paper's Algorithm 1:
// which bottlenecks to train at which cuts of a model, in which order, and which
// need not be trained.
//
// A [Plan] lists the candidates: places times sizes. A [Trainer] judges one by a
// short training (Screen) and trains one in full (Train); what trains is nothing
// to this package. A folder holds a file for each candidate that something is
// known about, written atomically, and that is the whole state: a search that is
// killed goes on with what has no file, and several processes, on one machine or
// on many that share the folder, do together what one would do alone.
//
// What is done next at a place depends on that place's files only (see [Plan]),
// so the results do not depend on how many processes there were, nor on the order
// in which they began.
package search

import (
	"context"
	"fmt"
	"time"

	"github.com/bottlenet/bnc/runtime/plan"
	"golang.org/x/sync/errgroup"
)

// Outcome is what became of a candidate.
type Outcome struct {
	plan.Accuracy
	plan.Axes
	PayloadBytes float64 // mean over the images
	Bundle       string  // relative to the search's folder, "" for none
	// Hopeless says why a training ended before its end, "" where it did not.
	Hopeless string
	Settings map[string]any // what is worth knowing of how it came about
}

// Trainer trains candidates. Both methods may be called again with a candidate
// that an earlier process was killed at.
//
// An error that is a [*CandidateError] is the candidate's own; any other one ends
// the search.
type Trainer interface {
	// Screen judges a candidate by a short training of the bottleneck alone.
	Screen(ctx context.Context, c plan.Candidate) (Outcome, error)
	// Train trains a candidate in full, from the model's own weights or from
	// those of warmFrom, a trained candidate of the same place.
	Train(ctx context.Context, c plan.Candidate, warmFrom *plan.Candidate) (Outcome, error)
	// Screened tells that all candidates of a place have been screened.
	Screened(cut string) error
	// Finished tells that a candidate's result is written: what was kept to go on
	// from may go. It may be told again, also by another process.
	Finished(c plan.Candidate) error
}

// CandidateError says that a candidate cannot be trained, which is a result.
type CandidateError struct{ Err error }

// Error is the cause's.
func (e *CandidateError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *CandidateError) Unwrap() error { return e.Err }

// Event tells how a search goes on.
type Event struct {
	// What is "screening" or "training" where it begins, else the candidate's new
	// status.
	What      string         `json:"event"`
	Candidate plan.Candidate `json:"candidate"`
	Done      int            `json:"done"` // candidates that nothing more will be done about
	Total     int            `json:"total"`
	// Left estimates the time to the end in seconds for one process, nil as long
	// as nothing like what is left has been done.
	Left *float64 `json:"seconds_left"`
}

// String tells it on a line.
func (e Event) String() string {
	c := e.Candidate
	line := fmt.Sprintf("[%d/%d] %s: %s", e.Done, e.Total, c, e.What)
	if c.Status == e.What && c.PayloadBytes > 0 {
		line += fmt.Sprintf(", loses %.2f points, %.1f bytes", c.Loss, c.PayloadBytes)
	}
	if c.Reason != "" {
		line += " (" + c.Reason + ")"
	}
	if e.Left != nil {
		line += fmt.Sprintf("; about %v left", time.Duration(*e.Left*float64(time.Second)).Round(time.Second))
	}
	return line
}

// Search runs a plan in its folder.
type Search struct {
	Plan    *Plan
	Dir     Dir
	Trainer Trainer
	Event   func(Event) // may be nil
}

// Run finishes the candidate with an index: it does what has to be known of its
// place before, and then what the candidate itself needs. Another process that
// works on the same place is waited for.
func (s *Search) Run(ctx context.Context, index int) error {
	if index < 0 || index >= len(s.Plan.Candidates) {
		return fmt.Errorf("no candidate %d: the plan has 0 to %d", index, len(s.Plan.Candidates)-1)
	}
	if c, err := s.Dir.read(index); err != nil {
		return err
	} else if c != nil && final(*c) {
		return s.Trainer.Finished(*c)
	}
	cut := s.Plan.Candidates[index].Cut
	lock, err := s.Dir.lock(ctx, cut)
	if err != nil {
		return err
	}
	defer lock.Unlock()
	for {
		at, err := s.place(cut)
		if err != nil {
			return err
		}
		for _, c := range at {
			if c.Index == index && final(c) {
				return nil
			}
		}
		if err := s.do(ctx, s.Plan.next(at), at); err != nil {
			return err
		}
	}
}

// All finishes every candidate, place by place.
func (s *Search) All(ctx context.Context) error {
	for _, place := range s.Plan.Places() {
		for _, index := range place {
			if err := s.Run(ctx, index); err != nil {
				return err
			}
		}
	}
	return nil
}

// Parallel finishes every candidate with several workers at a time, each of which has a
// Search of its own, that open returns, and takes one place after another. The first error
// ends them all.
func Parallel(ctx context.Context, p *Plan, workers int, open func() (s *Search, closing func(), err error)) error {
	places := make(chan []int, len(p.Places()))
	for _, place := range p.Places() {
		places <- place
	}
	close(places)
	group, ctx := errgroup.WithContext(ctx)
	for range min(workers, cap(places)) {
		group.Go(func() error {
			s, closing, err := open()
			if err != nil {
				return err
			}
			defer closing()
			for place := range places {
				for _, index := range place {
					if err := s.Run(ctx, index); err != nil {
						return err
					}
				}
			}
			return nil
		})
	}
	return group.Wait()
}

// place returns what is known about the candidates at a cut.
func (s *Search) place(cut string) ([]plan.Candidate, error) {
	var at []plan.Candidate
	for _, c := range s.Plan.Candidates {
		if c.Cut != cut {
			continue
		}
		known, err := s.Dir.read(c.Index)
		if err != nil {
			return nil, err
		}
		if known != nil {
			c = *known
		}
		at = append(at, c)
	}
	return at, nil
}

// do does a task and writes what comes of it.
func (s *Search) do(ctx context.Context, t task, at []plan.Candidate) error {
	c := t.candidate
	start := time.Now()
	var o Outcome
	var err error
	switch t.action {
	case actSkip:
		c.Status, c.Reason = t.status, t.reason
	case actScreen:
		s.tell("screening", c)
		o, err = s.Trainer.Screen(ctx, c)
		c.Status, c.Reason = plan.StatusScreened, ""
	case actTrain:
		s.tell("training", c)
		if t.allScreened {
			if err := s.Trainer.Screened(c.Cut); err != nil {
				return err
			}
		}
		o, err = s.Trainer.Train(ctx, c, t.warm)
		c.Status, c.Reason = plan.StatusTrained, ""
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if own, ok := asCandidateError(err); ok {
		c.Status, c.Reason = plan.StatusFailed, own.Error()
	} else if err != nil {
		return fmt.Errorf("%s: %w", c, err)
	} else if t.action != actSkip {
		s.Plan.judge(&c, o, t, time.Since(start).Seconds())
	}
	if err := s.Dir.write(c); err != nil {
		return err
	}
	s.tell(c.Status, c)
	if t.action == actTrain {
		return s.Trainer.Finished(c)
	}
	return nil
}

// tell reports an event.
func (s *Search) tell(what string, c plan.Candidate) {
	if s.Event == nil {
		return
	}
	e := Event{What: what, Candidate: c, Total: len(s.Plan.Candidates)}
	known, err := s.Dir.all(s.Plan)
	if err == nil {
		e.Done, e.Left = s.Plan.progress(known)
	}
	s.Event(e)
}
