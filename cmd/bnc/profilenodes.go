package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/bottlenet/bnc/compiler/cut"
	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/compiler/onnx"
	"github.com/bottlenet/bnc/internal/files"
	"github.com/bottlenet/bnc/runtime/bundle"
	"github.com/bottlenet/bnc/runtime/feed"
	"github.com/bottlenet/bnc/runtime/ort"
	"github.com/bottlenet/bnc/runtime/plan"
	"github.com/bottlenet/bnc/runtime/tensor"
)

// model measures a whole model and, from its nodes, all its cuts.
func (p *profiler) model(ctx context.Context, r *plan.Profile, path string) (err error) {
	a, err := analyse(ctx, path, p.inputs)
	if err != nil {
		return err
	}
	cuts, err := p.chosen(a)
	if err != nil {
		return err
	}
	scratch, err := files.Scratch()
	if err != nil {
		return err
	}
	defer scratch.Discard()
	dir := scratch.Temp
	p.notice("%s: the whole model", path)
	session, err := ort.Open(path, p.session)
	if err != nil {
		return openError(err)
	}
	if err := p.pace.close(); err != nil { // of another model: told below
		return err
	}
	p.pace = nil
	feeds, err := p.modelFeeds(session)
	if err != nil {
		return errors.Join(err, session.Close())
	}
	run := func(i int) (time.Duration, error) {
		start := time.Now()
		_, err := session.Run(ctx, feeds[i%len(feeds)])
		return time.Since(start), err
	}
	if r.Whole, r.WholeEnergyMJ, err = p.whole(ctx, run); err != nil {
		return errors.Join(err, session.Close())
	}
	p.pace = &pace{run, r.Whole.MedianMS, session}
	r.Provider = string(session.Provider())
	if r.WholeEnergyMJ != nil {
		r.Power.ComputeMW = *r.WholeEnergyMJ / r.Whole.MeanMS * 1e3
	}
	if len(cuts) == 0 {
		r.Notes = append(r.Notes, "The model has no cut that takes a bottleneck.")
		return nil
	}
	p.notice("%s: the units at %d cuts", path, len(cuts))
	activations, err := p.activations(ctx, path, cuts, filepath.Join(dir, "activations.onnx"), feeds)
	if err != nil {
		return err
	}
	if err := p.overheads(ctx, dir); err != nil {
		return err
	}
	units := make([]unitTimes, len(cuts))
	bar := newProgress(p.err, "units", len(cuts))
	defer bar.done()
	for i, c := range cuts {
		if units[i], err = p.units(ctx, c, activations[i], filepath.Join(dir, fmt.Sprintf("unit%d", i))); err != nil {
			return fmt.Errorf("units at %v: %w", c, err)
		}
		bar.step()
	}
	p.notice("%s: its nodes", path)
	parts, err := p.nodes(ctx, a, cuts, r.Whole, filepath.Join(dir, "nodes.onnx"), feeds)
	if err != nil {
		return err
	}
	for i, c := range cuts {
		for _, entry := range parts[i].entries(a, c, units[i], p.call) {
			put(r, entry)
		}
	}
	r.Notes = append(r.Notes, "method nodes: payload_bytes are those of a bottleneck that was not trained, the results of a search have real ones; mobile_bytes count 4 bytes a parameter.")
	if p.check {
		return p.compare(ctx, r, path, cuts, dir)
	}
	return nil
}

// modelFeeds prepares the images as the model's metadata wants them.
func (p *profiler) modelFeeds(session *ort.Session) ([]ort.Feed, error) {
	meta, err := bundle.ParseMeta(session.Metadata())
	if err != nil {
		return nil, unusableError{err}
	}
	inputs, err := fixedPorts(session.Inputs(), p.inputs)
	if err != nil {
		return nil, err
	}
	feeder, err := feed.New(inputs, p.images.chooser(meta.Preprocess))
	if err != nil {
		return nil, unusableError{err}
	}
	return p.feeds(feeder)
}

// chosen returns the cuts that --cuts names.
func (p *profiler) chosen(a *cut.Analysis) ([]*cut.Cut, error) {
	var sums, all, named []*cut.Cut
	for i := range a.Cuts {
		c := &a.Cuts[i]
		if c.NoBottleneck != "" {
			continue
		}
		all = append(all, c)
		if len(c.Aliases) > 0 {
			sums = append(sums, c)
		}
	}
	switch {
	case len(p.cuts) == 1 && p.cuts[0] == "all":
		return all, nil
	case len(p.cuts) == 0 && len(sums) > 0:
		return sums, nil
	case len(p.cuts) == 0:
		return all, nil
	}
	for _, name := range p.cuts {
		c, err := a.Resolve(name)
		if err != nil {
			return nil, err
		}
		if c.NoBottleneck != "" {
			return nil, unusablef("--cuts: %v takes no bottleneck: %s", c, c.NoBottleneck)
		}
		named = append(named, c)
	}
	return named, nil
}

// part is what the whole model's nodes take before and behind a cut.
type part struct {
	before, behind *plan.Timing
	// blocked: the node before the cut leaves its result in ONNX Runtime's own
	// layout, in which the bottleneck's convolutions take it.
	blocked bool
}

// nodes profiles one session of the whole model and divides its nodes at every cut.
// They add up to whole.
func (p *profiler) nodes(ctx context.Context, a *cut.Analysis, cuts []*cut.Cut, whole *plan.Timing, file string, feeds []ort.Feed) ([]part, error) {
	before := p.sides(a, cuts)
	if err := onnx.Save(ctx, file, a.Model, onnx.SaveOptions{}); err != nil { // with a name for every node
		return nil, err
	}
	open := func(o ort.Options) (*ort.Session, error) { return ort.Open(file, o) }
	times, err := p.inspectRuns(ctx, open, strings.TrimSuffix(file, ".onnx"), feeds)
	if err != nil {
		return nil, err
	}
	if len(times.runs) == 0 {
		return nil, fmt.Errorf("profile of %s: no runs in it", file)
	}
	times.scale *= whole.MedianMS / times.run.MedianMS
	return times.divide(before, len(cuts)), nil
}

// divide adds up the nodes before and behind every cut, run by run. A node whose
// name is not in before, such as one that only changes the layout, is on the side
// of the node that ran before it.
func (t sessionTimes) divide(before map[string][]bool, cuts int) []part {
	parts := make([]part, cuts)
	for k := range parts {
		var early, late []float64
		for _, run := range t.runs {
			mobile := make([]bool, len(run))
			side := true
			for i, n := range run {
				if sides, known := before[origin(n.Name, before)]; known {
					side = sides[k]
				}
				if mobile[i] = side; side {
					parts[k].blocked = strings.HasSuffix(n.Name, blockedSuffix) || n.Op == "ReorderInput"
				}
			}
			early = append(early, t.sum(run, func(i int) bool { return mobile[i] }))
			late = append(late, t.sum(run, func(i int) bool { return !mobile[i] }))
		}
		parts[k].before, parts[k].behind = timingOf(early), timingOf(late)
	}
	return parts
}

// sides tells for the names of nodes and their outputs whether they are before each
// cut. Nodes without a name get one, as else the profile cannot tell them apart.
func (p *profiler) sides(a *cut.Analysis, cuts []*cut.Cut) map[string][]bool {
	before := map[string][]bool{}
	for _, n := range a.Model.Graph.Nodes() {
		if n.Name == "" {
			n.SetName("node")
		}
		sides := make([]bool, len(cuts))
		for k, c := range cuts {
			sides[k] = !a.Behind(c.Value, n)
		}
		before[n.Name] = sides
		for _, v := range n.Outputs() {
			if v != nil {
				before[v.Name()] = sides
			}
		}
	}
	return before
}

// blockedSuffix is what ONNX Runtime appends to an output's name for the node that
// computes it in blocks of channels (nchwc_transformer.cc).
const blockedSuffix = "_nchwc"

// origin returns the name in the model that an optimised node's name was made of.
func origin(name string, known map[string][]bool) string {
	for _, n := range []string{name, strings.TrimSuffix(name, blockedSuffix), strings.TrimPrefix(name, "fused ")} {
		if _, ok := known[n]; ok {
			return n
		}
	}
	return name
}

// activations returns the cut tensors of every feed.
func (p *profiler) activations(ctx context.Context, path string, cuts []*cut.Cut, file string, feeds []ort.Feed) (_ [][]*tensor.Tensor, err error) {
	m, err := onnx.Load(path)
	if err != nil {
		return nil, err
	}
	var values []*ir.Value
	for _, c := range cuts {
		values = append(values, m.Graph.Value(c.Value.Name()))
	}
	m.Graph.SetOutputs(values...)
	if err := onnx.Save(ctx, file, m, onnx.SaveOptions{}); err != nil {
		return nil, err
	}
	session, err := ort.Open(file, p.session)
	if err != nil {
		return nil, openError(err)
	}
	defer func() { err = errors.Join(err, session.Close()) }()
	all := make([][]*tensor.Tensor, len(cuts))
	for _, f := range feeds {
		out, err := session.Run(ctx, f)
		if err != nil {
			return nil, err
		}
		for i, v := range values {
			t, err := out.Tensor(v.Name())
			if err != nil {
				return nil, err
			}
			all[i] = append(all[i], t)
		}
	}
	return all, nil
}

// entries puts nodes and units together: the bottleneck's division and the plain
// one, in which the tensor leaves ONNX Runtime's own layout.
func (n part) entries(a *cut.Analysis, c *cut.Cut, u unitTimes, call float64) []plan.CutProfile {
	reduce, restore := u.reduce, u.restore
	if n.blocked { // in the pair nothing is reordered between the model and the units
		reduce, restore = shift(reduce, -u.reorderIn), shift(restore, -u.reorderOut)
	}
	_, params := a.Before(c)
	entry := plan.CutProfile{
		Cut: c.Name(), Tensor: c.Value.Name(), C: u.c, S: u.s, PayloadBytes: u.payload, Method: plan.MethodNodes,
		Mobile: plus(n.before, reduce), Cloud: plus(restore, n.behind), MobileParams: params + u.params, MobileBytes: 4 * (params + u.params),
	}
	all := []plan.CutProfile{entry}
	if bytes := a.Bytes(c); bytes != nil {
		early, late := call, call
		if n.blocked {
			early, late = early+u.reorderIn, late+u.reorderOut
		}
		all = append(all, plan.CutProfile{
			Cut: c.Name(), Tensor: c.Value.Name(), PayloadBytes: float64(*bytes), Method: plan.MethodNodes,
			Mobile: shift(n.before, early), Cloud: shift(n.behind, late), MobileParams: params, MobileBytes: 4 * params,
		})
	}
	return all
}

// shift adds ms to every statistic, which stays 0 or more.
func shift(t *plan.Timing, ms float64) *plan.Timing {
	return &plan.Timing{
		MedianMS: max(0, t.MedianMS+ms), P5MS: max(0, t.P5MS+ms), P95MS: max(0, t.P95MS+ms), MeanMS: max(0, t.MeanMS+ms),
		Runs: t.Runs, HalfWidthMS: t.HalfWidthMS,
	}
}
