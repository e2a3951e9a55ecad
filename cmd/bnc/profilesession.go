package main

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/bottlenet/bnc/compiler/onnx"
	"github.com/bottlenet/bnc/compiler/onnxtext"
	"github.com/bottlenet/bnc/runtime/ort"
	"github.com/bottlenet/bnc/runtime/plan"
	"github.com/bottlenet/bnc/runtime/tensor"
)

// sessionTimes is what one graph takes: a whole run, and its nodes run by run.
type sessionTimes struct {
	run  *plan.Timing
	runs [][]ort.NodeTime
	// perNode is what profiling adds to a node's time, ms; below 0, what passes
	// between two nodes is more than that. With it the nodes add up to the run.
	perNode float64
	outputs []*tensor.Tensor // the first of each input's
}

// sum adds up the nodes of a run that count, in ms.
func (t sessionTimes) sum(run []ort.NodeTime, counts func(i int) bool) float64 {
	ms := 0.0
	for i, n := range run {
		if counts(i) {
			ms += millis(n.Took) - t.perNode
		}
	}
	return max(0, ms)
}

// inspectRuns measures a graph twice in turns, with and without ONNX Runtime's
// profile, so that both see the same machine: profiling a node takes microseconds,
// which is much of a small one. Open opens a session, prefix is the profile's.
func (p *profiler) inspectRuns(ctx context.Context, open func(ort.Options) (*ort.Session, error), prefix string, feeds []ort.Feed) (t sessionTimes, err error) {
	session, err := open(p.session)
	if err != nil {
		return t, openError(err)
	}
	defer func() { err = errors.Join(err, session.Close()) }()
	opts := p.session
	opts.Profile = prefix
	profiled, err := open(opts)
	if err != nil {
		return t, openError(err)
	}
	t.outputs = make([]*tensor.Tensor, len(feeds))
	times, err := p.repeat(ctx, func(i int) (time.Duration, error) {
		at := i % len(feeds)
		start := time.Now()
		out, err := session.Run(ctx, feeds[at])
		took := time.Since(start)
		if err != nil {
			return 0, err
		}
		t.outputs[at] = out[0].Tensor
		_, err = profiled.Run(ctx, feeds[at])
		return took, err
	})
	if err := errors.Join(err, profiled.Close()); err != nil {
		return t, err
	}
	t.run = timingOf(times)
	if t.runs, err = ort.ReadProfile(prefix); err != nil {
		return t, err
	}
	t.runs = t.runs[min(warmUps, len(t.runs)):]
	var sums []float64
	nodes := 0
	for _, run := range t.runs {
		sums = append(sums, t.sum(run, func(int) bool { return true }))
		nodes += len(run)
	}
	if nodes > 0 {
		t.perNode = (middle(sums) - (t.run.MedianMS - p.call)) / (float64(nodes) / float64(len(t.runs)))
	}
	return t, nil
}

// calling returns what a run takes besides its nodes, in ms: that of a graph whose
// one node copies one number.
func (p *profiler) calling(ctx context.Context) (float64, error) {
	m, err := onnxtext.Parse(`<ir_version: 8, opset_import: ["" : 17]> one (float[1] x) => (float[1] y) { y = Identity (x) }`)
	if err != nil {
		return 0, err
	}
	bytes, err := onnx.Marshal(m)
	if err != nil {
		return 0, err
	}
	session, err := ort.OpenBytes("one node", bytes, p.session)
	if err != nil {
		return 0, err
	}
	x := tensor.Of([]int64{1}, []float32{1})
	times, err := p.repeat(ctx, func(int) (time.Duration, error) {
		start := time.Now()
		_, err := session.Run(ctx, ort.Feed{"x": x})
		return time.Since(start), err
	})
	return middle(times), errors.Join(err, session.Close())
}

// middle returns the median, 0 of nothing.
func middle(x []float64) float64 {
	if len(x) == 0 {
		return 0
	}
	return slices.Sorted(slices.Values(x))[len(x)/2]
}
