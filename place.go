package bnc

import (
	"cmp"
	"context"
	"slices"

	"github.com/bottlenet/bnc/compiler/cut"
	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/compiler/onnx"
	"github.com/bottlenet/bnc/compiler/survey"
	"github.com/bottlenet/bnc/ops"
	"github.com/bottlenet/bnc/passes/bottleneck"
	"github.com/bottlenet/bnc/passes/split"
	"github.com/bottlenet/bnc/runtime/budget"
	"github.com/bottlenet/bnc/runtime/bundle"
	"github.com/bottlenet/bnc/runtime/heldout"
)

// place is a cut whose bottlenecks are tried, a budget.Opened.
type place struct {
	*heldout.Cut
	o       *SplitOptions
	cut     *cut.Cut
	src     calibrationSource
	first   split.Settings // those of nothing that is chosen
	tensors []*bottleneck.Calibration
}

// open runs both sides of a cut on the images.
func (w *within) open(ctx context.Context, name string) (budget.Opened, error) {
	pl := &place{o: w.SplitOptions, cut: w.cuts[name], src: w.src}
	pl.src.Tensors = pl.cut.Names()
	var err error
	if pl.first, err = pl.settings(budget.Candidate{}); err != nil {
		return nil, err
	}
	var behind *ir.Model
	if pl.Cut, behind, err = pl.src.sides(ctx); err != nil {
		return nil, err
	}
	pl.tensors = pl.first.Calibrations()
	run, err := pl.src.collect(ctx, w.progress(), pl.Before(), behind, pl.tensors)
	if err == nil {
		w.seen = run.Seen
		err = pl.Hold(ctx, w.progress(), run.Feeder, w.judged)
	}
	if err != nil {
		pl.Close()
		return nil, err
	}
	return pl, nil
}

// sides opens both sides of the cut, and returns what is behind it, too.
func (src *calibrationSource) sides(ctx context.Context) (*heldout.Cut, *ir.Model, error) {
	halves, err := src.divide(ctx)
	if err != nil {
		return nil, nil, err
	}
	c, err := heldout.OpenCut(&src.Source, saving(ctx, halves.Mobile), saving(ctx, halves.Cloud))
	return c, halves.Cloud, err
}

// Space implements budget.Opened. Where a cut is chosen codecs that are fitted to their tiles are
// the only ones that are tried, unless another is named.
func (pl *place) Space() (budget.Space, error) {
	names := pl.o.codecs()
	if some := slices.DeleteFunc(slices.Clone(names), func(name string) bool { return !bottleneck.FittedNamed(name) }); pl.o.After == "" && len(some) > 0 {
		names = some
	}
	var codecs []budget.Family
	for _, name := range names {
		codec, err := bottleneck.CodecNamed(name, pl.o.Quality)
		if err != nil {
			return budget.Space{}, usage("codec", ": %w", err)
		}
		codecs = append(codecs, budget.FamilyOf(name, codec.HasQuality(), pl.o.Quality))
	}
	var channels []int
	for _, n := range pl.o.raw().Channels {
		channels = append(channels, int(n))
	}
	var tensors []budget.Tensor
	for _, t := range pl.first.Tensors {
		tensors = append(tensors, budget.Tensor{Channels: int(t.C), Height: int(t.H), Width: int(t.W)})
	}
	order, err := bottleneck.Order(pl.tensors)
	return budget.SpaceOf(tensors, codecs, channels, pl.o.Stride, order, int(Full)), err
}

// settings are those of a candidate, of one without channels those that nothing is said of.
func (pl *place) settings(c budget.Candidate) (split.Settings, error) {
	r := pl.o.raw() // but for what a candidate says
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
	unit, err := unitOf(ctx, pl.cut, s)
	if err != nil {
		return nil, err
	}
	return pl.Try(ctx, unit, s)
}

// unitOf are both sides of bottlenecks at a cut, without their codec.
func unitOf(ctx context.Context, c *cut.Cut, s split.Settings) (*heldout.Unit, error) {
	b, err := split.HostUnit(ctx, c, s)
	if err != nil {
		return nil, err
	}
	u := new(heldout.Unit)
	if macs := survey.ModelMACs(b.Mobile); macs != nil {
		u.MACs = *macs
	}
	if u.Record, err = recordOf(s.Specs()); err != nil {
		return nil, err
	}
	if u.Shrink, err = onnx.Marshal(b.Mobile); err == nil {
		u.Restore, err = onnx.Marshal(b.Cloud)
	}
	return u, err
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
