package bnc

import (
	"cmp"
	"context"
	"slices"

	"github.com/bottlenet/bnc/compiler/cut"
	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/internal/progress"
	"github.com/bottlenet/bnc/ops"
	"github.com/bottlenet/bnc/passes/bottleneck"
	"github.com/bottlenet/bnc/passes/split"
	"github.com/bottlenet/bnc/runtime/budget"
	"github.com/bottlenet/bnc/runtime/bundle"
	"github.com/bottlenet/bnc/runtime/data"
	"github.com/bottlenet/bnc/runtime/feed"
	"github.com/bottlenet/bnc/runtime/heldout"
	"github.com/bottlenet/bnc/runtime/ort"
	"github.com/bottlenet/bnc/runtime/probe"
	"github.com/bottlenet/bnc/runtime/task"
)

// place is a cut whose bottlenecks are tried, a budget.Place.
type place struct {
	src     calibrationSource
	cut     *cut.Cut
	request split.Request // but for what a candidate says
	run     *probe.Calibrated
	tensors []*bottleneck.Calibration
	held    *heldout.Images
	behind  *ort.Session
}

// judging says what bottlenecks are tried on, and by what.
type judging struct {
	held    *data.Set
	task    task.Task
	outputs task.Outputs
}

// openPlace runs both sides of a cut on the images.
func openPlace(ctx context.Context, p progress.Progress, src calibrationSource, request split.Request, c *cut.Cut, j judging) (pl *place, err error) {
	pl = &place{src: src, cut: c, request: request}
	first, err := pl.settings(budget.Candidate{})
	if err != nil {
		return nil, err
	}
	halves, before, err := pl.open(ctx)
	if err != nil {
		return nil, err
	}
	defer before.Close()
	defer func() {
		if err != nil {
			pl.behind.Close()
		}
	}()
	pl.tensors = first.Calibrations()
	if pl.run, err = src.collect(ctx, p, before, halves.Cloud, pl.tensors); err != nil {
		return nil, err
	}
	err = pl.keep(ctx, p, before, pl.run.Feeder, j)
	return pl, err
}

// open opens what is behind the cut, and returns both halves with a session of what is before
// it.
func (pl *place) open(ctx context.Context) (halves *split.Bundle, before *ort.Session, err error) {
	if halves, err = pl.src.divide(ctx); err != nil {
		return nil, nil, err
	}
	if before, err = pl.src.openHalf(ctx, halves.Mobile); err != nil {
		return nil, nil, err
	}
	if pl.behind, err = pl.src.openHalf(ctx, halves.Cloud); err != nil {
		before.Close()
		return nil, nil, err
	}
	return halves, before, nil
}

// keep runs both sides of the cut on the images that bottlenecks are judged by.
func (pl *place) keep(ctx context.Context, p progress.Progress, before *ort.Session, feeder *feed.Feeder, j judging) error {
	given, err := pl.src.Given.ForOne(pl.behind.Inputs())
	if err != nil {
		return err
	}
	bar := p.Phase("held out", j.held.Len())
	pl.held, err = heldout.Keep(ctx, before, heldout.Options{
		Set: j.held, Feeder: feeder, Behind: heldout.Behind{Session: pl.behind, Tensors: pl.src.Tensors, Given: given},
		Task: j.task, Outputs: j.outputs, LeftOut: pl.src.LeftOut, Step: func() { bar.Step(1) },
	})
	return err
}

// Close frees what trials need.
func (pl *place) Close() error { return pl.behind.Close() }

// settings are those of a candidate, of one without channels those that nothing is said of.
func (pl *place) settings(c budget.Candidate) (split.Settings, error) {
	r := pl.request
	r.Channels, r.Strides, r.Codec = nil, c.Stride, cmp.Or(c.Codec, r.Codec)
	for _, n := range c.Channels {
		r.Channels = append(r.Channels, Channels(n))
	}
	if err := r.Check(); err != nil {
		return split.Settings{}, err
	}
	return r.Settings(pl.cut)
}

// Make implements budget.Place.
func (pl *place) Make(ctx context.Context, c budget.Candidate) (budget.Bottleneck, error) {
	s, err := pl.settings(c)
	if err != nil {
		return nil, err
	}
	for i, t := range pl.tensors {
		t.Use(s.Tensors[i].Geometry)
	}
	if err := s.Calibrate(pl.tensors, pl.src.Unfit); err != nil {
		return nil, err
	}
	m := &made{place: pl, settings: s}
	if m.pair, err = pl.pair(ctx, s); err != nil {
		return nil, err
	}
	if m.tiles, err = m.pair.Tiles(ctx, pl.held.Crossing()); err != nil {
		m.pair.Close()
	}
	return m, err
}

// pair opens both sides of bottlenecks alone, without their codec.
func (pl *place) pair(ctx context.Context, s split.Settings) (*heldout.Pair, error) {
	at := *pl.cut
	at.Tensors = slices.Clone(at.Tensors)
	for i := range at.Tensors {
		at.Tensors[i].Type.DType = ir.Float32
	}
	s.CodecAt, s.FP16, s.Target = bottleneck.CodecOnHost, false, ""
	unit, err := split.Unit(ctx, &at, s)
	if err != nil {
		return nil, err
	}
	p := new(heldout.Pair)
	if p.Record, err = recordOf(s.Specs()); err != nil {
		return nil, err
	}
	for _, side := range []struct {
		to    **ort.Session
		model *ir.Model
	}{{&p.Shrink, unit.Mobile}, {&p.Restore, unit.Cloud}} {
		if *side.to, err = openModel(side.model, "bottleneck", pl.src.Session); err != nil {
			p.Close()
			return nil, err
		}
	}
	return p, nil
}

// recordOf is what crosses of bottlenecks.
func recordOf(specs []bottleneck.Spec) (record ops.Record, err error) {
	known := bundle.Codecs()
	for _, s := range specs {
		k := slices.IndexFunc(known, func(known bundle.Codec) bool { return known.Name() == s.Codec.Name })
		if k < 0 {
			return nil, unusable("codec %s is not one that runs", s.Codec.Name)
		}
		rows, cols := s.Grid()
		record = append(record, ops.Part{
			Codec: known[k].Codec, Parameters: s.Codec.Parameters, Height: int(rows * s.ReducedH()), Width: int(cols * s.ReducedW()), Dynamic: s.Dynamic,
		})
	}
	return record, nil
}

// made is a bottleneck that was calibrated, a budget.Bottleneck.
type made struct {
	place    *place
	settings split.Settings
	pair     *heldout.Pair
	tiles    *heldout.Tiles
}

// Bytes implements budget.Bottleneck.
func (m *made) Bytes(_ context.Context, quality int) (float64, error) {
	return m.tiles.Bytes(m.pair.Record, quality)
}

// Judge implements budget.Bottleneck.
func (m *made) Judge(ctx context.Context, quality int) (*budget.Judgement, error) {
	return m.place.held.Judge(ctx, m.pair, m.tiles, quality)
}

// Close implements budget.Bottleneck.
func (m *made) Close() error {
	err := m.pair.Close()
	m.place, m.pair, m.tiles = nil, nil, nil // its settings are all that is of use
	return err
}
