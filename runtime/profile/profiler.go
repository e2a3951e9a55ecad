package profile

import (
	"context"
	"errors"
	"time"

	"github.com/bottlenet/bnc/runtime/bundle"
	"github.com/bottlenet/bnc/runtime/ort"
	"github.com/bottlenet/bnc/runtime/plan"
	"github.com/bottlenet/bnc/runtime/power"
)

// Profiler measures. Closing it frees the whole model that it has measured.
type Profiler struct {
	Sampling
	Session ort.Options // of every session
	Meter   power.Meter // nil for none
	// Call is what a run takes besides its nodes, in ms, as Overheads found it.
	Call float64
	// perNode is what profiling adds to a node's time, microseconds that are much of a
	// small one; below 0, what passes between two nodes is more than that. ms.
	perNode float64
	pace    *pace // nil until a whole model was measured
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

// Whole measures a whole model over feeds, which take turns, and the energy of a run in
// mJ, nil where nothing measures it. What is measured from then on is so in turns with
// this model, in place of one before; the session is the Profiler's to close.
func (p *Profiler) Whole(ctx context.Context, session *ort.Session, feeds []ort.Feed) (t *plan.Timing, energy *float64, err error) {
	if err := p.Close(); err != nil { // of another model: the caller tells that there are two
		return nil, nil, errors.Join(err, session.Close())
	}
	run := func(i int) (time.Duration, error) {
		start := time.Now()
		_, err := session.Run(ctx, feeds[i%len(feeds)])
		return time.Since(start), err
	}
	energy, err = p.energy(func() (int, error) {
		times, err := p.repeat(ctx, run)
		if err == nil {
			t = timingOf(times)
		}
		return len(times) + warmUps, err
	})
	if err != nil {
		return nil, nil, errors.Join(err, session.Close())
	}
	p.pace = &pace{run, t.MedianMS, session}
	return t, energy, nil
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

// Pair measures a bundle's halves one after the other, as if each had a machine of its
// own. Feeds are the mobile half's. What the mobile side weighs is left open.
func (p *Profiler) Pair(ctx context.Context, b *bundle.Bundle, feeds []ort.Feed) (entry plan.CutProfile, err error) {
	entry = plan.CutProfile{Cut: b.Meta.Cut, Tensor: b.Meta.Tensor, Method: plan.MethodPair}
	if !b.Meta.Plain() {
		entry.C, entry.S = b.Meta.Channels, b.Meta.Stride
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

// Power tells what the device draws while it does nothing, over a second, and what is
// known of it without a measurement; where there is no meter, nothing.
func (p *Profiler) Power(ctx context.Context) (plan.Power, error) {
	if p.Meter == nil {
		return plan.Power{Source: plan.PowerNone}, nil
	}
	r := plan.Power{Source: p.Meter.Source()}
	if mw, ok := p.Meter.(power.Constant); ok {
		r.ComputeMW = float64(mw)
		return r, nil
	}
	stop, err := p.Meter.Start()
	if err != nil {
		return r, err
	}
	start := time.Now()
	select {
	case <-time.After(time.Second):
	case <-ctx.Done():
	}
	mj, err := stop()
	r.IdleMW = mj / time.Since(start).Seconds()
	return r, errors.Join(err, context.Cause(ctx))
}

// energy returns what each run of do's takes, in mJ, nil where nothing measures it; a
// constant power is no measurement. Do returns how many runs it made.
func (p *Profiler) energy(do func() (runs int, err error)) (*float64, error) {
	if !p.measuresEnergy() {
		_, err := do()
		return nil, err
	}
	stop, err := p.Meter.Start()
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
	return p.Meter != nil && p.Meter.Source() != plan.PowerConstant
}
