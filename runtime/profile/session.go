package profile

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/bottlenet/bnc/internal/stats"
	"github.com/bottlenet/bnc/runtime/ort"
	"github.com/bottlenet/bnc/runtime/plan"
	"github.com/bottlenet/bnc/runtime/tensor"
)

// times is what one graph takes: a whole run, and its nodes run by run.
type times struct {
	run     *plan.Timing     // without ONNX Runtime's profile
	runs    [][]ort.NodeTime // with it
	outputs []*tensor.Tensor // the first of each feed's
	// A node took (what the profile says - perNode) * scale: with the profiler's
	// perNode, scale makes the nodes of a run add up to the run without a profile.
	perNode, scale float64
}

// sum adds up the nodes of a run that count, in ms.
func (t times) sum(run []ort.NodeTime, counts func(i int) bool) float64 {
	ms := 0.0
	for i, n := range run {
		if counts(i) {
			ms += t.took(n)
		}
	}
	return ms
}

func (t times) took(n ort.NodeTime) float64 { return max(0, millis(n.Took)-t.perNode) * t.scale }

// all is the median of the sums of all nodes, ms.
func (t times) all() float64 {
	var sums []float64
	for _, run := range t.runs {
		sums = append(sums, t.sum(run, func(int) bool { return true }))
	}
	return stats.Median(sums)
}

// opener opens a session of a graph.
type opener func(ort.Options) (*ort.Session, error)

// inspectRuns measures a graph without ONNX Runtime's profile and then with it, which is
// written to files whose names begin with prefix. Feeds take turns.
func (p *Profiler) inspectRuns(ctx context.Context, open opener, prefix string, feeds []ort.Feed) (t times, err error) {
	t.outputs = make([]*tensor.Tensor, len(feeds))
	with := func(o ort.Options, do func(Run) error) error {
		session, err := open(o)
		if err != nil {
			return err
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
	if err := with(p.Session, func(run Run) error {
		runs, err := p.timed(ctx, run)
		if err == nil {
			t.run = runs[0]
		}
		return err
	}); err != nil {
		return t, err
	}
	profiled := p.Session
	profiled.Profile = prefix
	if err := with(profiled, func(run Run) error {
		_, err := p.repeat(ctx, run)
		return err
	}); err != nil {
		return t, err
	}
	if t.runs, err = ort.ReadProfile(prefix); err != nil {
		return t, err
	}
	t.runs = t.runs[min(warmUps, len(t.runs)):]
	if len(t.runs) == 0 {
		return t, fmt.Errorf("profile %s: no runs in it", prefix)
	}
	t.perNode, t.scale = p.perNode, 1
	if all := t.all(); all > 0 {
		t.scale = max(0, t.run.MedianMS-p.call) / all
	}
	return t, nil
}

// inspect is inspectRuns for a graph in memory, whose inputs are given input by input.
func (p *Profiler) inspect(ctx context.Context, g Graph, inputs [][]*tensor.Tensor, prefix string) (times, error) {
	feeds := make([]ort.Feed, len(inputs[0]))
	for i := range feeds {
		feeds[i] = ort.Feed{}
		for k, name := range g.Inputs {
			feeds[i][name] = inputs[k][i]
		}
	}
	return p.inspectRuns(ctx, func(o ort.Options) (*ort.Session, error) { return ort.OpenBytes(filepath.Base(prefix), g.Bytes, o) }, prefix, feeds)
}

// chainLength is how many nodes the graph has that tells perNode.
const chainLength = 64

// overheads measures what a run takes besides its nodes, by a graph of one node that does
// nearly nothing, and what profiling adds to a node, by one of many. Dir is for files.
func (p *Profiler) overheads(ctx context.Context, dir string) error {
	measure := func(nodes int) (times, error) {
		graph, err := p.host.Chain(nodes)
		if err != nil {
			return times{}, err
		}
		return p.inspect(ctx, graph, [][]*tensor.Tensor{{tensor.Of([]int64{1}, []float32{1})}}, filepath.Join(dir, fmt.Sprintf("chain%d", nodes)))
	}
	one, err := measure(1)
	if err != nil {
		return err
	}
	p.call = one.run.MedianMS
	many, err := measure(chainLength)
	if err != nil {
		return err
	}
	many.scale = 1
	p.perNode = (many.all() - (many.run.MedianMS - p.call)) / chainLength
	return nil
}

// nodes profiles one session of the whole model, which is in a file, and adds its nodes up
// before and behind each of so many cuts, so that the two are what whole measured. Before
// says for the names of nodes and of their outputs on which side of each cut they are.
func (p *Profiler) nodes(ctx context.Context, file string, feeds []ort.Feed, before map[string][]bool, cuts int) ([]part, error) {
	open := func(o ort.Options) (*ort.Session, error) { return ort.Open(file, o) }
	t, err := p.inspectRuns(ctx, open, strings.TrimSuffix(file, ".onnx"), feeds)
	if err != nil {
		return nil, err
	}
	t.scale *= p.profile.Whole.MedianMS / t.run.MedianMS
	return t.divide(before, cuts), nil
}

// part is what a model's nodes take before and behind a cut.
type part struct {
	before, behind *plan.Timing
	// blocked: the node before the cut leaves its result in ONNX Runtime's own layout, in
	// which the bottleneck's convolutions take it.
	blocked bool
}

// divide adds up the nodes before and behind every cut, run by run. A node whose name is
// not in before, such as one that only changes the layout, is on the side of the node that
// ran before it.
func (t times) divide(before map[string][]bool, cuts int) []part {
	parts := make([]part, cuts)
	for k := range parts {
		var mobileMS, cloudMS []float64
		for _, run := range t.runs {
			mobile := make([]bool, len(run))
			side := true
			for i, n := range run {
				if sides, known := before[origin(n.Name, before)]; known {
					side = sides[k]
				}
				if mobile[i] = side; side {
					parts[k].blocked = strings.HasSuffix(n.Name, blockedSuffix) || n.Op == reorderInput
				}
			}
			mobileMS = append(mobileMS, t.sum(run, func(i int) bool { return mobile[i] }))
			cloudMS = append(cloudMS, t.sum(run, func(i int) bool { return !mobile[i] }))
		}
		parts[k].before, parts[k].behind = timingOf(mobileMS), timingOf(cloudMS)
	}
	return parts
}

// blockedSuffix is what ONNX Runtime appends to an output's name for the node that
// computes it in blocks of channels (nchwc_transformer.cc); the operators bring a tensor
// into that layout and back.
const (
	blockedSuffix = "_nchwc"
	reorderInput  = "ReorderInput"
	reorderOutput = "ReorderOutput"
)

// origin returns the name in the model that an optimised node's name was made of.
func origin(name string, known map[string][]bool) string {
	for _, n := range []string{name, strings.TrimSuffix(name, blockedSuffix), strings.TrimPrefix(name, "fused ")} {
		if _, ok := known[n]; ok {
			return n
		}
	}
	return name
}

// reordering returns what a run's outer node takes, the first or the last of so many, if
// all it does is to change the layout, else 0. ms.
func (t times) reordering(outer func(nodes int) int) float64 {
	var all []float64
	for _, run := range t.runs {
		if o := run[outer(len(run))]; o.Op == reorderInput || o.Op == reorderOutput {
			all = append(all, t.took(o))
		}
	}
	return stats.Median(all)
}

// outputs returns the outputs of these names of the graph in a file, by their names, for
// every feed.
func (p *Profiler) outputs(ctx context.Context, file string, names []string, feeds []ort.Feed) (_ map[string][]*tensor.Tensor, err error) {
	session, err := ort.Open(file, p.Session)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, session.Close()) }()
	all := map[string][]*tensor.Tensor{}
	for _, f := range feeds {
		out, err := session.Run(ctx, f)
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			t, err := out.Tensor(name)
			if err != nil {
				return nil, err
			}
			all[name] = append(all[name], t)
		}
	}
	return all, nil
}
