package profile

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/bottlenet/bnc/internal/fault"
	"github.com/bottlenet/bnc/internal/progress"
	"github.com/bottlenet/bnc/runtime/bundle"
	"github.com/bottlenet/bnc/runtime/data"
	"github.com/bottlenet/bnc/runtime/model"
	"github.com/bottlenet/bnc/runtime/ort"
	"github.com/bottlenet/bnc/runtime/plan"
	"github.com/bottlenet/bnc/runtime/power"
)

// Profiler measures. Closing it frees the whole model that it has measured.
type Profiler struct {
	Sampling
	Session ort.Options  // of every session
	profile plan.Profile // what is known so far
	to      progress.Progress
	in      Inputs
	host    Host
	call    float64 // what a run takes besides its nodes, ms
	// perNode is what profiling adds to a node's time, microseconds that are much of a
	// small one; below 0, what passes between two nodes is more than that. ms.
	perNode float64
	pace    *pace       // nil until a whole model was measured
	meter   power.Meter // nil for none
	items   []data.Item
	out     string
	checked []Checked
}

// pace is how fast the machine is: a run of the whole model, and what it took when that
// was measured, ms.
type pace struct {
	run     Run
	median  float64
	session *ort.Session
}

// Close frees the whole model, from whose pace on things are measured.
func (p *Profiler) Close() error {
	if p.pace == nil || p.pace.session == nil {
		return nil
	}
	err := p.pace.session.Close()
	p.pace = nil
	return err
}

// whole measures the whole model at path over the images, which it returns, and the energy
// of a run. What is measured from then on is so in turns with this model, in place of one
// before.
func (p *Profiler) whole(ctx context.Context, path string) (feeds []ort.Feed, err error) {
	if err := p.Close(); err != nil { // of another model, which sameSource tells
		return nil, err
	}
	session, err := ort.Open(path, p.Session)
	if err != nil {
		return nil, err
	}
	fail := func(err error) ([]ort.Feed, error) { return nil, errors.Join(err, session.Close()) }
	meta, err := bundle.ParseMeta(session.Metadata())
	if err != nil {
		return fail(fault.Unusable("%w", err))
	}
	if feeds, err = p.feeds(model.FixPorts(session.Inputs(), p.in.Fixed), meta.Preprocess); err != nil {
		return fail(err)
	}
	run := func(i int) (time.Duration, error) {
		start := time.Now()
		_, err := session.Run(ctx, feeds[i%len(feeds)])
		return time.Since(start), err
	}
	r := &p.profile
	r.WholeEnergyMJ, err = p.energy(func() (int, error) {
		times, err := p.repeat(ctx, run)
		if err == nil {
			r.Whole = timingOf(times)
		}
		return len(times) + warmUps, err
	})
	if err != nil {
		return fail(err)
	}
	p.pace = &pace{run, r.Whole.MedianMS, session}
	r.Provider = string(session.Provider())
	if r.WholeEnergyMJ != nil {
		r.Power.ComputeMW = *r.WholeEnergyMJ / r.Whole.MeanMS * 1e3
	}
	return feeds, nil
}

// timed measures things in turns with the whole model, where there is one: their times
// are those that they would have taken at the speed that the machine had then.
func (p *Profiler) timed(ctx context.Context, things ...Run) ([]*plan.Timing, error) {
	if p.pace != nil {
		things = append(things, p.pace.run)
	}
	times, err := p.inTurns(ctx, things...)
	if err != nil {
		return nil, err
	}
	factor := 1.0
	if last := len(times) - 1; p.pace != nil {
		factor = p.pace.median / timingOf(times[last]).MedianMS
		times = times[:last]
	}
	var all []*plan.Timing
	for _, t := range times {
		for i := range t {
			t[i] *= factor
		}
		all = append(all, timingOf(t))
	}
	return all, nil
}

// pair measures the halves of the bundle in dir one after the other, as if each had a
// machine of its own. Source is the hash of the model that was split.
func (p *Profiler) pair(ctx context.Context, dir string) (entry plan.CutProfile, source string, err error) {
	b, err := bundle.Open(dir)
	if err != nil {
		return entry, "", err
	}
	feeds, err := p.feeds(b.Inputs(), b.Meta.Preprocess)
	if err != nil {
		return entry, "", fmt.Errorf("%s: %w", dir, err)
	}
	if entry, err = p.halves(ctx, b, feeds); err != nil {
		return entry, "", err
	}
	entry.MobileParams, entry.MobileBytes, err = p.host.Weigh(filepath.Join(dir, bundle.MobileFile))
	return entry, b.Meta.SourceSHA256, err
}

// halves measures a bundle's halves, but for what the mobile side weighs.
func (p *Profiler) halves(ctx context.Context, b *bundle.Bundle, feeds []ort.Feed) (entry plan.CutProfile, err error) {
	entry = plan.CutProfile{Cut: b.Meta.Cut, Tensor: b.Meta.Tensor, Method: plan.MethodPair}
	if !b.Meta.Plain() {
		entry.C, entry.S = b.Meta.Size()
		entry.Codec = b.Meta.Codec
	}
	mobile, err := b.OpenMobile(p.Session)
	if err != nil {
		return entry, err
	}
	defer func() { err = errors.Join(err, mobile.Close()) }()
	cloud, err := b.OpenCloud(p.Session)
	if err != nil {
		return entry, err
	}
	defer func() { err = errors.Join(err, cloud.Close()) }()
	crossings := make([]ort.Feed, len(feeds))
	onDevice := func(i int) (time.Duration, error) {
		at := i % len(feeds)
		start := time.Now()
		crossing, _, err := mobile.Run(ctx, feeds[at])
		took := time.Since(start)
		crossings[at] = crossing
		return took, err
	}
	for i := range feeds {
		if _, err := onDevice(i); err != nil {
			return entry, err
		}
		entry.PayloadBytes += float64(bundle.Bytes(crossings[i])) / float64(len(feeds))
	}
	times, err := p.timed(ctx, onDevice, func(i int) (time.Duration, error) {
		start := time.Now()
		_, err := cloud.Run(ctx, crossings[i%len(crossings)])
		return time.Since(start), err
	})
	if err != nil {
		return entry, err
	}
	entry.Mobile, entry.Cloud = times[0], times[1]
	if p.measuresEnergy() {
		entry.EnergyMJ, err = p.energy(func() (int, error) {
			times, err := p.repeat(ctx, onDevice)
			return len(times) + warmUps, err
		})
	}
	return entry, err
}

// energy returns what each run of do's takes, in mJ, nil where nothing measures it; a
// constant power is no measurement. Do returns how many runs it made.
func (p *Profiler) energy(do func() (runs int, err error)) (*float64, error) {
	if !p.measuresEnergy() {
		_, err := do()
		return nil, err
	}
	stop, err := p.meter.Start()
	if err != nil {
		return nil, err
	}
	runs, err := do()
	mj, failed := stop()
	if err := errors.Join(err, failed); err != nil {
		return nil, err
	}
	mj /= float64(runs)
	return &mj, nil
}

// measuresEnergy tells whether there is more than a constant.
func (p *Profiler) measuresEnergy() bool {
	return p.meter != nil && p.meter.Source() != plan.PowerConstant
}
