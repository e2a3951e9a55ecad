package bnc

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/bottlenet/bnc/compiler/cut"
	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/compiler/onnx"
	"github.com/bottlenet/bnc/compiler/onnxtext"
	"github.com/bottlenet/bnc/internal/files"
	"github.com/bottlenet/bnc/passes/output"
	"github.com/bottlenet/bnc/passes/split"
	"github.com/bottlenet/bnc/runtime/bundle"
	"github.com/bottlenet/bnc/runtime/model"
	"github.com/bottlenet/bnc/runtime/ort"
	"github.com/bottlenet/bnc/runtime/plan"
	"github.com/bottlenet/bnc/runtime/profile"
	"github.com/bottlenet/bnc/runtime/tensor"
)

// ProfileOptions say what Profile measures, and how often.
type ProfileOptions struct {
	profile.Options
	Cuts     []string           `json:"cuts,omitempty"`   // of a model: names, or all; the residual sums, or all where there are none
	Channels Channels           `json:"c,omitempty"`      // that cross at them, as in SplitOptions
	Stride   int                `json:"s,omitempty"`      // spatial reduction, as in SplitOptions
	Images   string             `json:"images,omitempty"` // image or .npy file, or a folder of them, to run; a drawn image
	Input    map[string][]int64 `json:"input,omitempty"`  // shapes of inputs that the model leaves open, by name
	Check    bool               `json:"check,omitempty"`  // also run a pair for every cut of a model and compare
	ImageOptions
	Reporter Reporter `json:"-"`
}

// profiler makes a profile.
type profiler struct {
	*profile.Profiler
	progress
	o     ProfileOptions
	split SplitOptions // of the pairs, but for the cut
}

// Profile measures, batch 1 and warm, what the models and bundles at paths, which are of
// one model, take on this device: a bundle's halves as they are; of a model the whole, and
// every cut by the times of the whole's nodes and of the bottleneck's units.
func Profile(ctx context.Context, paths []string, o ProfileOptions) (_ *profile.Result, err error) {
	if len(paths) == 0 {
		return nil, usage("", "expected bundles or a model to measure")
	}
	p := &profiler{o: o, progress: progress{o.Reporter}, split: SplitOptions{After: "each", Channels: o.Channels, Stride: o.Stride, Input: o.Input}}
	if err := p.split.check(); err != nil {
		return nil, err
	}
	var images []string
	if o.Images != "" {
		if images, err = inputFiles([]string{o.Images}, p.progress); err != nil {
			return nil, err
		}
	}
	if p.Profiler, err = profile.New(ctx, o.Options, images, (&leftOut{to: p.progress}).add); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, p.Close()) }()
	for _, bundles := range []bool{false, true} { // the whole model first: it tells how fast the machine is
		for _, path := range paths {
			if bundle.IsBundle(path) != bundles {
				continue
			}
			measure := p.model
			if bundles {
				measure = p.bundle
			}
			if err := measure(ctx, path); err != nil {
				return nil, err
			}
		}
	}
	return p.Finish()
}

// bundle measures a bundle.
func (p *profiler) bundle(ctx context.Context, path string) error {
	p.notice("%s: both halves", path)
	entry, source, err := p.pair(ctx, path)
	if err != nil {
		return err
	}
	if err := p.SameSource(path, source); err != nil {
		return err
	}
	return p.PutPair(path, entry)
}

// pair measures a bundle, and weighs its mobile side.
func (p *profiler) pair(ctx context.Context, dir string) (entry plan.CutProfile, source string, err error) {
	if entry, source, err = p.Pair(ctx, dir, p.o.chooser); err != nil {
		return entry, "", err
	}
	mobile := filepath.Join(dir, bundle.MobileFile)
	m, err := onnx.Load(mobile)
	if err != nil {
		return entry, "", err
	}
	entry.MobileParams = cut.ModelParameters(m)
	external, err := onnx.ExternalFiles(mobile)
	if err != nil {
		return entry, "", err
	}
	for _, f := range append(external, mobile) {
		st, err := os.Stat(f)
		if err != nil {
			return entry, "", err
		}
		entry.MobileBytes += st.Size()
	}
	return entry, source, nil
}

// model measures a whole model and, from its nodes, all its cuts.
func (p *profiler) model(ctx context.Context, path string) error {
	hash := onnx.StartHash(ctx, path)
	a, err := analyse(ctx, path, p.o.Input)
	if err != nil {
		return err
	}
	cuts, err := a.Choose(p.o.Cuts)
	if err != nil {
		return err
	}
	p.notice("%s: the whole model", path)
	feeds, err := p.Whole(ctx, path, func(in []model.Port) []model.Port { return model.FixPorts(in, p.o.Input) }, p.o.chooser)
	if err != nil {
		return err
	}
	if len(cuts) == 0 {
		p.Note("The model has no cut that takes a bottleneck.")
	} else if err := p.cuts(ctx, path, a, cuts, feeds); err != nil {
		return err
	}
	source, err := hash()
	if err != nil {
		return err
	}
	return p.SameSource(path, source)
}

// cuts measures the cuts of a model.
func (p *profiler) cuts(ctx context.Context, path string, a *cut.Analysis, cuts []*cut.Cut, feeds []ort.Feed) error {
	scratch, err := files.Scratch()
	if err != nil {
		return err
	}
	defer scratch.Discard()
	dir := scratch.Temp
	units, err := p.units(ctx, path, cuts, dir, feeds)
	if err != nil {
		return err
	}
	p.notice("%s: its nodes", path)
	before, file := a.Sides(cuts), filepath.Join(dir, "nodes.onnx")
	if err := onnx.Save(ctx, file, a.Model, onnx.SaveOptions{}); err != nil { // with a name for every node
		return err
	}
	parts, err := p.Nodes(ctx, file, feeds, before, len(cuts))
	if err != nil {
		return err
	}
	for i, c := range cuts {
		_, params := a.Before(c)
		for _, entry := range parts[i].Entries(c.Name(), c.Value.Name(), a.Bytes(c), params, units[i], p.Call) {
			p.Profile.Put(entry)
		}
	}
	p.Note("method nodes: payload_bytes are those of a bottleneck that was not trained, the results of a search have real ones; mobile_bytes count 4 bytes a parameter.")
	for i := 0; p.o.Check && i < len(cuts); i++ { // in turns with the whole model
		o := p.split
		o.After, o.Out = cuts[i].Name(), filepath.Join(dir, "pair")
		if _, err := Split(ctx, path, o); err != nil {
			return err
		}
		pair, _, err := p.pair(ctx, o.Out)
		if err != nil {
			return err
		}
		p.Check(pair)
	}
	return nil
}

// units measures the units at every cut, each in graphs of its own, on real activations.
func (p *profiler) units(ctx context.Context, path string, cuts []*cut.Cut, dir string, feeds []ort.Feed) ([]profile.Units, error) {
	p.notice("%s: the units at %d cuts", path, len(cuts))
	names := make([]string, len(cuts))
	for i, c := range cuts {
		names[i] = c.Value.Name()
	}
	file := filepath.Join(dir, "activations.onnx")
	if err := output.UpTo(ctx, path, names, file); err != nil {
		return nil, err
	}
	activations, err := p.Outputs(ctx, file, names, feeds)
	if err != nil {
		return nil, err
	}
	if err := p.Overheads(ctx, dir, chain); err != nil {
		return nil, err
	}
	all := make([]profile.Units, len(cuts))
	bar := p.phase("units", len(cuts))
	for i, c := range cuts {
		if all[i], err = p.unit(ctx, c, activations[i], filepath.Join(dir, fmt.Sprintf("unit%d", i))); err != nil {
			return nil, fmt.Errorf("units at %v: %w", c, err)
		}
		bar.step(1)
	}
	return all, nil
}

// unit measures a bottleneck in graphs of its own.
func (p *profiler) unit(ctx context.Context, c *cut.Cut, activations []*tensor.Tensor, prefix string) (u profile.Units, err error) {
	settings, err := p.split.settings(c)
	if err != nil {
		return u, err
	}
	b, err := split.Unit(ctx, c, settings)
	if err != nil {
		return u, err
	}
	var graphs [2]profile.Graph
	for i, m := range []*ir.Model{b.Mobile, b.Cloud} {
		if graphs[i], err = graphOf(m); err != nil {
			return u, err
		}
	}
	u, err = p.Units(ctx, graphs[0], graphs[1], activations, prefix)
	u.C, u.S, u.Params = int(settings.Geometry.Reduced), int(settings.Geometry.Stride), cut.ModelParameters(b.Mobile)
	return u, err
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
