package search

import (
	"context"
	"errors"

	"github.com/bottlenet/bnc/internal/fault"
	"github.com/bottlenet/bnc/internal/progress"
)

// Opening makes the trainer of a search of a plan, which tells a reporter how it goes on;
// closing frees what it took.
type Opening func(ctx context.Context, p *Plan, to progress.Progress) (t Trainer, closing func(), err error)

// Finish finishes every candidate of a plan, and collects.
func (o *Options) Finish(ctx context.Context, p *Plan, to progress.Progress, open Opening) (*Result, error) {
	var err error
	if o.Jobs == 1 {
		err = o.work(ctx, p, to, open, func(s *Search) error { return s.All(ctx) })
	} else {
		shared := progress.Progress{To: &progress.Notices{Reporter: to.To}}
		err = Parallel(ctx, p, o.Jobs, func() (*Search, func(), error) { return o.open(ctx, p, shared, open) })
	}
	if err != nil {
		return nil, goesOn(ctx, err)
	}
	if err := Dir(o.Out).Tidy(); err != nil {
		return nil, err
	}
	return o.Collect(p)
}

// FinishOne finishes the candidate of an index, and what has to be known of its place before.
func (o *Options) FinishOne(ctx context.Context, p *Plan, index int, to progress.Progress, open Opening) error {
	if index < 0 || index >= len(p.Candidates) {
		return fault.Usage("index", "%d: the plan has candidates 0 to %d", index, len(p.Candidates)-1)
	}
	return goesOn(ctx, o.work(ctx, p, to, open, func(s *Search) error { return s.Run(ctx, index) }))
}

// open makes a search of a plan; closing frees what it took.
func (o *Options) open(ctx context.Context, p *Plan, to progress.Progress, open Opening) (*Search, func(), error) {
	t, closing, err := open(ctx, p, to)
	if err != nil {
		return nil, nil, err
	}
	return &Search{Plan: p, Dir: Dir(o.Out), Trainer: t, Event: func(e Event) { to.About(e, "%v", e) }}, closing, nil
}

// work makes a search of a plan and has it do something.
func (o *Options) work(ctx context.Context, p *Plan, to progress.Progress, open Opening, do func(*Search) error) error {
	run, closing, err := o.open(ctx, p, to, open)
	if err != nil {
		return err
	}
	defer closing()
	return do(run)
}

// goesOn says of an interruption's error that nothing is lost.
func goesOn(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return errors.New("interrupted; the same command goes on where this one ended")
	}
	return err
}
