package bnc

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/bottlenet/bnc/compiler/cut"
	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/compiler/onnx"
	"github.com/bottlenet/bnc/compiler/onnxtext"
	"github.com/bottlenet/bnc/internal/files"
	"github.com/bottlenet/bnc/passes/split"
	"github.com/bottlenet/bnc/runtime/bundle"
	"github.com/bottlenet/bnc/runtime/feed"
	"github.com/bottlenet/bnc/runtime/ort"
	"github.com/bottlenet/bnc/runtime/plan"
	"github.com/bottlenet/bnc/runtime/profile"
	"github.com/bottlenet/bnc/runtime/tensor"
)

// chooseCuts returns the cuts that take a bottleneck: those of names, which option cuts
// holds; all where that is "all"; the residual sums where there are no names, or all where
// there are none of these.
func chooseCuts(a *cut.Analysis, names []string) ([]*cut.Cut, error) {
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
	case len(names) == 0 && len(sums) > 0:
		return sums, nil
	case len(names) == 0, len(names) == 1 && names[0] == "all":
		return all, nil
	}
	for _, name := range names {
		c, err := a.Resolve(name)
		if err != nil {
			return nil, err
		}
		if c.NoBottleneck != "" {
			return nil, unusable("option cuts: %s takes no bottleneck: %s", name, c.NoBottleneck)
		}
		if !slices.Contains(named, c) {
			named = append(named, c)
		}
	}
	return named, nil
}

// model measures a whole model and, from its nodes, all its cuts.
func (p *profiler) model(ctx context.Context, path string) error {
	a, err := analyse(ctx, path, p.o.Input)
	if err != nil {
		return err
	}
	cuts, err := chooseCuts(a, p.o.Cuts)
	if err != nil {
		return err
	}
	scratch, err := files.Scratch()
	if err != nil {
		return err
	}
	defer scratch.Discard()
	dir := scratch.Temp
	feeds, err := p.whole(ctx, path)
	if err != nil {
		return err
	}
	r := p.result
	if len(cuts) == 0 {
		r.Notes = append(r.Notes, "The model has no cut that takes a bottleneck.")
		return nil
	}
	units, err := p.allUnits(ctx, path, cuts, dir, feeds)
	if err != nil {
		return err
	}
	p.notice("%s: its nodes", path)
	before, file := a.Sides(cuts), filepath.Join(dir, "nodes.onnx")
	if err := onnx.Save(ctx, file, a.Model, onnx.SaveOptions{}); err != nil { // with a name for every node
		return err
	}
	parts, err := p.Nodes(ctx, file, feeds, r.Whole, before, len(cuts))
	if err != nil {
		return err
	}
	for i, c := range cuts {
		_, params := a.Before(c)
		for _, entry := range parts[i].Entries(c.Name(), c.Value.Name(), a.Bytes(c), params, units[i], p.Call) {
			r.Put(entry)
		}
	}
	r.Notes = append(r.Notes, "method nodes: payload_bytes are those of a bottleneck that was not trained, the results of a search have real ones; mobile_bytes count 4 bytes a parameter.")
	if p.o.Check {
		return p.compare(ctx, path, cuts, dir)
	}
	return nil
}

// whole measures the whole model, and returns the images as it takes them.
func (p *profiler) whole(ctx context.Context, path string) ([]ort.Feed, error) {
	p.notice("%s: the whole model", path)
	session, err := ort.Open(path, p.Session)
	if err != nil {
		return nil, err
	}
	feeds, err := p.modelFeeds(session)
	if err != nil {
		return nil, errors.Join(err, session.Close())
	}
	r := p.result
	if r.Whole, r.WholeEnergyMJ, err = p.Whole(ctx, session, feeds); err != nil {
		return nil, err
	}
	r.Provider = string(session.Provider())
	if r.WholeEnergyMJ != nil {
		r.Power.ComputeMW = *r.WholeEnergyMJ / r.Whole.MeanMS * 1e3
	}
	return feeds, nil
}

// modelFeeds prepares the images as the model's metadata wants them.
func (p *profiler) modelFeeds(session *ort.Session) ([]ort.Feed, error) {
	meta, err := bundle.ParseMeta(session.Metadata())
	if err != nil {
		return nil, unusable("%w", err)
	}
	feeder, err := feed.New(fixedPorts(session.Inputs(), p.o.Input), p.o.chooser(meta.Preprocess))
	if err != nil {
		return nil, unusable("%w", err)
	}
	return p.feeds(feeder)
}

// allUnits measures the units at every cut, each in graphs of its own.
func (p *profiler) allUnits(ctx context.Context, path string, cuts []*cut.Cut, dir string, feeds []ort.Feed) ([]profile.Units, error) {
	p.notice("%s: the units at %d cuts", path, len(cuts))
	activations, err := p.activations(ctx, path, cuts, filepath.Join(dir, "activations.onnx"), feeds)
	if err != nil {
		return nil, err
	}
	if err := p.Overheads(ctx, dir, chain); err != nil {
		return nil, err
	}
	all := make([]profile.Units, len(cuts))
	bar := p.phase("units", len(cuts))
	for i, c := range cuts {
		if all[i], err = p.units(ctx, c, activations[i], filepath.Join(dir, fmt.Sprintf("unit%d", i))); err != nil {
			return nil, fmt.Errorf("units at %v: %w", c, err)
		}
		bar.step(1)
	}
	return all, nil
}

// units measures a bottleneck in graphs of its own, on real activations.
func (p *profiler) units(ctx context.Context, c *cut.Cut, activations []*tensor.Tensor, prefix string) (u profile.Units, err error) {
	settings, err := p.split.settings(c)
	if err != nil {
		return u, err
	}
	b, err := split.Unit(ctx, c, settings)
	if err != nil {
		return u, err
	}
	mobile, err := graphOf(b.Mobile)
	if err != nil {
		return u, err
	}
	cloud, err := graphOf(b.Cloud)
	if err != nil {
		return u, err
	}
	if u, err = p.Units(ctx, mobile, cloud, activations, prefix); err != nil {
		return u, err
	}
	u.C, u.S, u.Params = int(settings.Geometry.Reduced), int(settings.Geometry.Stride), cut.ModelParameters(b.Mobile)
	return u, nil
}

// graphOf is a model with one input, as it is run.
func graphOf(m *ir.Model) (profile.Graph, error) {
	bytes, err := onnx.Marshal(m)
	return profile.Graph{Bytes: bytes, Input: m.Graph.Feeds()[0].Name()}, err
}

// chain returns a graph of so many nodes that do nearly nothing, on float32 [1].
func chain(nodes int) (profile.Graph, error) {
	text := new(strings.Builder)
	fmt.Fprintf(text, "<ir_version: 8, opset_import: [\"\" : 17]> chain (float[1] x0) => (float[1] x%d) {", nodes)
	for i := range nodes {
		fmt.Fprintf(text, " x%d = %s (x%d)", i+1, []string{"Neg", "Abs"}[i%2], i)
	}
	m, err := onnxtext.Parse(text.String() + " }")
	if err != nil {
		return profile.Graph{}, err
	}
	return graphOf(m)
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
	session, err := ort.Open(file, p.Session)
	if err != nil {
		return nil, err
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

// compare runs a pair for every cut, in turns with the whole model, and notes how far the
// entries are from them.
func (p *profiler) compare(ctx context.Context, path string, cuts []*cut.Cut, dir string) error {
	r := p.result
	for _, c := range cuts {
		o := p.split
		o.After, o.Out = c.Name(), filepath.Join(dir, "pair")
		if _, err := Split(ctx, path, o); err != nil {
			return err
		}
		pair, _, err := p.pair(ctx, o.Out)
		if err != nil {
			return err
		}
		for _, e := range r.Cuts {
			if e.String() == pair.String() && e.Method == plan.MethodNodes {
				r.Checked = append(r.Checked, profile.Checked{Nodes: e, Pair: pair})
			}
		}
	}
	off, share := profile.Deviation(r.Checked)
	r.Notes = append(r.Notes, fmt.Sprintf("Checked against %d pairs that were run: median error %.1f%%, of the mobile part's share %.1f points.", len(cuts), 100*off, 100*share))
	return nil
}
