package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/bottlenet/bnc/compiler/ir"
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
	// A node took (what the profile says - perNode) * scale: with the profiler's
	// perNode, scale makes the nodes of a run add up to the run without a profile.
	perNode, scale float64
	outputs        []*tensor.Tensor // the first of each input's
}

// sum adds up the nodes of a run that count, in ms.
func (t sessionTimes) sum(run []ort.NodeTime, counts func(i int) bool) float64 {
	ms := 0.0
	for i, n := range run {
		if counts(i) {
			ms += t.took(n)
		}
	}
	return ms
}

func (t sessionTimes) took(n ort.NodeTime) float64 { return max(0, millis(n.Took)-t.perNode) * t.scale }

// all is the median of the sums of all nodes, ms.
func (t sessionTimes) all() float64 {
	var sums []float64
	for _, run := range t.runs {
		sums = append(sums, t.sum(run, func(int) bool { return true }))
	}
	return middle(sums)
}

// inspectRuns measures a graph without ONNX Runtime's profile and then with it. Open
// opens a session, prefix is the profile's.
func (p *profiler) inspectRuns(ctx context.Context, open func(ort.Options) (*ort.Session, error), prefix string, feeds []ort.Feed) (t sessionTimes, err error) {
	t.outputs = make([]*tensor.Tensor, len(feeds))
	with := func(o ort.Options, do func(run func(i int) (time.Duration, error)) error) error {
		session, err := open(o)
		if err != nil {
			return openError(err)
		}
		return errors.Join(do(func(i int) (time.Duration, error) {
			at := i % len(feeds)
			start := time.Now()
			out, err := session.Run(ctx, feeds[at])
			took := time.Since(start)
			if err == nil {
				t.outputs[at] = out[0].Tensor
			}
			return took, err
		}), session.Close())
	}
	if err := with(p.session, func(run func(i int) (time.Duration, error)) error {
		times, err := p.timed(ctx, run)
		if err == nil {
			t.run = times[0]
		}
		return err
	}); err != nil {
		return t, err
	}
	opts := p.session
	opts.Profile = prefix
	if err := with(opts, func(run func(i int) (time.Duration, error)) error {
		_, err := p.repeat(ctx, run)
		return err
	}); err != nil {
		return t, err
	}
	if t.runs, err = ort.ReadProfile(prefix); err != nil {
		return t, err
	}
	t.runs = t.runs[min(warmUps, len(t.runs)):]
	t.perNode, t.scale = p.perNode, 1
	if all := t.all(); all > 0 {
		t.scale = max(0, t.run.MedianMS-p.call) / all
	}
	return t, nil
}

// chainLength is how many nodes the graph has that tells perNode.
const chainLength = 64

// overheads measures what a run takes besides its nodes, by a graph of one node
// that does nearly nothing, and what profiling adds to a node, by one of many.
func (p *profiler) overheads(ctx context.Context, dir string) error {
	measure := func(nodes int) (sessionTimes, error) {
		text := new(strings.Builder)
		fmt.Fprintf(text, "<ir_version: 8, opset_import: [\"\" : 17]> chain (float[1] x0) => (float[1] x%d) {", nodes)
		for i := range nodes {
			fmt.Fprintf(text, " x%d = %s (x%d)", i+1, []string{"Neg", "Abs"}[i%2], i)
		}
		m, err := onnxtext.Parse(text.String() + " }")
		if err != nil {
			return sessionTimes{}, err
		}
		return p.inspectGraph(ctx, m, []*tensor.Tensor{tensor.Of([]int64{1}, []float32{1})}, filepath.Join(dir, fmt.Sprintf("chain%d", nodes)))
	}
	one, err := measure(1)
	if err != nil {
		return err
	}
	p.call = one.run.MedianMS
	chain, err := measure(chainLength)
	if err != nil {
		return err
	}
	chain.scale = 1
	p.perNode = (chain.all() - (chain.run.MedianMS - p.call)) / chainLength
	return nil
}

// inspectGraph is inspectRuns for a graph in memory, whose first input these are.
func (p *profiler) inspectGraph(ctx context.Context, m *ir.Model, inputs []*tensor.Tensor, prefix string) (sessionTimes, error) {
	bytes, err := onnx.Marshal(m)
	if err != nil {
		return sessionTimes{}, err
	}
	var feeds []ort.Feed
	for _, t := range inputs {
		feeds = append(feeds, ort.Feed{m.Graph.Feeds()[0].Name(): t})
	}
	return p.inspectRuns(ctx, func(o ort.Options) (*ort.Session, error) { return ort.OpenBytes(filepath.Base(prefix), bytes, o) }, prefix, feeds)
}

// middle returns the median, 0 of nothing.
func middle(x []float64) float64 {
	if len(x) == 0 {
		return 0
	}
	return slices.Sorted(slices.Values(x))[len(x)/2]
}
