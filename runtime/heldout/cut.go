package heldout

import (
	"context"
	"errors"

	"github.com/bottlenet/bnc/internal/progress"
	"github.com/bottlenet/bnc/runtime/data"
	"github.com/bottlenet/bnc/runtime/feed"
	"github.com/bottlenet/bnc/runtime/ort"
	"github.com/bottlenet/bnc/runtime/plan"
	"github.com/bottlenet/bnc/runtime/probe"
	"github.com/bottlenet/bnc/runtime/task"
)

// Cut is a cut of a model, whose sides are open.
type Cut struct {
	*Images // that are held out; nil before Hold
	source  *probe.Source
	before  *ort.Session
	behind  *ort.Session
}

// Judged says what bottlenecks are tried on, and by what.
type Judged struct {
	Set     *data.Set
	Task    task.Task
	Outputs task.Outputs
}

// OpenCut opens both sides of a cut, which functions write.
func OpenCut(s *probe.Source, before, behind func(file string) error) (*Cut, error) {
	c := &Cut{source: s}
	var err error
	if c.before, err = s.Open(before); err == nil {
		c.behind, err = s.Open(behind)
	}
	if err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

// Close frees what trials need.
func (c *Cut) Close() error {
	var errs []error
	for _, s := range []**ort.Session{&c.before, &c.behind} {
		if *s != nil {
			errs = append(errs, (*s).Close())
		}
		*s = nil
	}
	return errors.Join(errs...)
}

// Before is a session of what is before the cut, until Hold.
func (c *Cut) Before() *ort.Session { return c.before }

// Hold runs both sides of the cut on the images that bottlenecks are judged by, and frees what
// is before it. Feeder is of that side, nil for one of the source.
func (c *Cut) Hold(ctx context.Context, p progress.Progress, feeder *feed.Feeder, j Judged) error {
	given, err := c.source.Given.ForOne(c.behind.Inputs())
	if err != nil {
		return err
	}
	if feeder == nil {
		if feeder, err = c.source.Feeder(c.before); err != nil {
			return err
		}
	}
	bar := p.Phase("held out", j.Set.Len())
	c.Images, err = Keep(ctx, c.before, Options{
		Set: j.Set, Feeder: feeder, Behind: Behind{Session: c.behind, Tensors: c.source.Tensors, Given: given},
		Task: j.Task, Outputs: j.Outputs, LeftOut: c.source.LeftOut, Step: func() { bar.Step(1) },
	})
	if err != nil {
		return err
	}
	err = c.before.Close()
	c.before = nil
	return err
}

// Rates are those of a bottleneck, by the agreement that by measures.
func (c *Cut) Rates(ctx context.Context, p progress.Progress, u *Unit, by task.Measure) ([]plan.RatePoint, error) {
	pair, err := u.Open(c.source.Session)
	if err != nil {
		return nil, err
	}
	defer pair.Close()
	bar := p.Phase("trying rates", len(plan.TriedRates))
	return c.Images.Rates(ctx, pair, by, func() { bar.Step(1) })
}

// Try makes a bottleneck that can be tried, which is told apart as what.
func (c *Cut) Try(ctx context.Context, u *Unit, what any) (*Trial, error) {
	t := &Trial{What: what, images: c.Images, macs: u.MACs}
	var err error
	if t.pair, err = u.Open(c.source.Session); err != nil {
		return nil, err
	}
	if t.tiles, err = t.pair.Tiles(ctx, c.Crossing()); err != nil {
		return nil, errors.Join(err, t.Close())
	}
	return t, nil
}
