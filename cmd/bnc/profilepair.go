package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/bottlenet/bnc/compiler/cut"
	"github.com/bottlenet/bnc/compiler/onnx"
	"github.com/bottlenet/bnc/runtime/bundle"
	"github.com/bottlenet/bnc/runtime/feed"
	"github.com/bottlenet/bnc/runtime/plan"
	"github.com/bottlenet/bnc/runtime/tensor"
)

// pair measures a bundle: its halves one after the other, as if each had a machine
// of its own. It returns the source's hash as well.
func (p *profiler) pair(ctx context.Context, dir string) (_ plan.CutProfile, source string, err error) {
	b, err := bundle.Open(dir)
	if err != nil {
		return plan.CutProfile{}, "", openError(err)
	}
	entry := plan.CutProfile{Cut: b.Meta.Cut, Tensor: b.Meta.Tensor, Method: plan.MethodPair}
	if !b.Meta.Plain() {
		entry.C, entry.S = b.Meta.Channels, b.Meta.Stride
	}
	if err := weigh(&entry, filepath.Join(dir, bundle.MobileFile)); err != nil {
		return entry, "", err
	}
	mobile, err := b.OpenMobile(p.session)
	if err != nil {
		return entry, "", openError(err)
	}
	defer func() { err = errors.Join(err, mobile.Close()) }()
	feeder, err := feed.New(b.Mobile.Inputs, p.images.chooser(b.Meta.Preprocess))
	if err != nil {
		return entry, "", unusablef("%s: %w", dir, err)
	}
	feeds, err := p.feeds(feeder)
	if err != nil {
		return entry, "", fmt.Errorf("%s: %w", dir, err)
	}
	cloud, err := b.OpenCloud(p.session)
	if err != nil {
		return entry, "", openError(err)
	}
	defer func() { err = errors.Join(err, cloud.Close()) }()
	crossings := make([]*tensor.Tensor, len(feeds))
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
			return entry, "", err
		}
		entry.PayloadBytes += float64(len(crossings[i].Data)) / float64(len(feeds))
	}
	times, err := p.timed(ctx, onDevice, func(i int) (time.Duration, error) {
		start := time.Now()
		_, err := cloud.Run(ctx, crossings[i%len(crossings)])
		return time.Since(start), err
	})
	if err != nil {
		return entry, "", err
	}
	entry.Mobile, entry.Cloud = times[0], times[1]
	if p.measuresEnergy() {
		entry.EnergyMJ, err = p.energy(func() (int, error) {
			times, err := p.repeat(ctx, onDevice)
			return len(times) + warmUps, err
		})
	}
	return entry, b.Meta.SourceSHA256, err
}

// weigh counts parameters and bytes of the mobile side.
func weigh(entry *plan.CutProfile, file string) error {
	m, err := onnx.Load(file)
	if err != nil {
		return err
	}
	entry.MobileParams = cut.ModelParameters(m)
	external, err := onnx.ExternalFiles(file)
	if err != nil {
		return err
	}
	for _, f := range append(external, file) {
		st, err := os.Stat(f)
		if err != nil {
			return err
		}
		entry.MobileBytes += st.Size()
	}
	return nil
}

// whole measures a model on this device.
func (p *profiler) whole(ctx context.Context, run func(i int) (time.Duration, error)) (t *plan.Timing, energy *float64, err error) {
	energy, err = p.energy(func() (int, error) {
		times, err := p.repeat(ctx, run)
		if err == nil {
			t = timingOf(times)
		}
		return len(times) + warmUps, err
	})
	return t, energy, err
}
