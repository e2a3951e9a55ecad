package bnc

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/bottlenet/bnc/compiler/cut"
	"github.com/bottlenet/bnc/compiler/onnx"
	"github.com/bottlenet/bnc/internal/files"
	"github.com/bottlenet/bnc/runtime/bundle"
	"github.com/bottlenet/bnc/runtime/data"
	"github.com/bottlenet/bnc/runtime/feed"
	"github.com/bottlenet/bnc/runtime/ort"
	"github.com/bottlenet/bnc/runtime/plan"
	"github.com/bottlenet/bnc/runtime/power"
	"github.com/bottlenet/bnc/runtime/profile"
)

// ProfileOptions say what Profile measures, and how often.
type ProfileOptions struct {
	Cuts       []string           `json:"cuts,omitempty"`       // of a model: names, or all; the residual sums, or all where there are none
	Channels   Channels           `json:"c,omitempty"`          // that cross at them, as in SplitOptions
	Stride     int                `json:"s,omitempty"`          // spatial reduction, as in SplitOptions
	Images     string             `json:"images,omitempty"`     // image or .npy file, or a folder of them, to run; a drawn image
	Input      map[string][]int64 `json:"input,omitempty"`      // shapes of inputs that the model leaves open, by name
	Runs       int                `json:"runs,omitempty"`       // that are measured at most, 20 or more; 200
	Confidence *float64           `json:"confidence,omitempty"` // percent of the median on either side that its 95% confidence interval may take; 2
	Threads    int                `json:"threads,omitempty"`    // of a session; 0 for one a core
	Providers  string             `json:"ep,omitempty"`         // execution providers in order of preference, of cpu, cuda, tensorrt; cpu
	Power      string             `json:"power,omitempty"`      // source of power: auto, rails:LABEL,..., command:CMD or constant:MW; none
	Device     string             `json:"device,omitempty"`     // what to call this device; its processor
	Check      bool               `json:"check,omitempty"`      // also run a pair for every cut of a model and compare
	Out        string             `json:"output,omitempty"`     // file to write the profile to; none
	ImageOptions
	Reporter Reporter `json:"-"`
}

// ProfileResult is a profile and, with ProfileOptions.Check, how far its entries are from
// pairs that were run.
type ProfileResult struct {
	plan.Profile
	Checked []profile.Checked `json:"-"`
}

// check finds wrong options before any work.
func (o *ProfileOptions) check(paths []string) error {
	setDefault(&o.Runs, 200)
	setDefault(&o.Providers, string(ort.CPU))
	switch {
	case len(paths) == 0:
		return usage("", "expected bundles or a model to measure")
	case o.Runs < profile.FewestRuns:
		return usage("runs", "%d: expected %d or more", o.Runs, profile.FewestRuns)
	case o.Confidence != nil && !(*o.Confidence >= 0):
		return usage("confidence", "%v: expected percent from 0 on", *o.Confidence)
	}
	return fits("output", o.Out)
}

// profiler makes a profile.
type profiler struct {
	profile.Profiler
	progress
	o      ProfileOptions
	split  SplitOptions // of the pairs, but for the cut
	items  []data.Item
	result *ProfileResult
}

// Profile measures what the models and bundles at paths, which are of one model, take on
// this device: a bundle's halves as they are; of a model the whole, and every cut by the
// times of the whole's nodes and of the bottleneck's units.
func Profile(ctx context.Context, paths []string, o ProfileOptions) (_ *ProfileResult, err error) {
	if err := o.check(paths); err != nil {
		return nil, err
	}
	p := &profiler{o: o, result: new(ProfileResult), progress: progress{o.Reporter}, split: SplitOptions{After: "each", Channels: o.Channels, Stride: o.Stride, Input: o.Input}}
	if err := p.split.check(); err != nil {
		return nil, err
	}
	if err := p.open(ctx); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, p.Close()) }()
	for _, bundles := range []bool{false, true} { // the whole model first: it tells how fast the machine is
		for _, path := range paths {
			if bundle.IsBundle(path) != bundles {
				continue
			}
			if err := p.add(ctx, path); err != nil {
				return nil, err
			}
		}
	}
	if err := p.result.Validate(); err != nil {
		return nil, fmt.Errorf("BUG: the profile is not valid: %w", err)
	}
	if o.Out == "" {
		return p.result, nil
	}
	text, err := json.MarshalIndent(p.result, "", "  ")
	if err != nil {
		return nil, err
	}
	return p.result, files.Write(o.Out, append(text, '\n'))
}

// open prepares to measure, and measures the idle power.
func (p *profiler) open(ctx context.Context) error {
	providers, err := ort.ParseProviders(p.o.Providers)
	if err != nil {
		return usage("", "%w", err)
	}
	p.Profiler = profile.Profiler{
		Sampling: profile.Sampling{Runs: p.o.Runs, Precision: *cmp.Or(p.o.Confidence, new(2.0))},
		Session:  ort.Options{Providers: providers, Threads: p.o.Threads},
	}
	if p.o.Power != "" {
		if p.Meter, err = power.Open(p.o.Power, "/"); err != nil {
			return usage("power", ": %w", err)
		}
	}
	r := &p.result.Profile
	*r = plan.Profile{
		Format: plan.FileFormat, Kind: plan.KindProfile, Name: "measured", Device: p.o.Device, Threads: p.o.Threads, Provider: p.o.Providers,
		Cuts: []plan.CutProfile{},
		Notes: []string{
			"Batch 1, warm. median_ms with the half width of its 95% confidence interval.",
			"method pair: both halves run alone, one after the other. method nodes: node times of one session of the whole model before and behind the cut, and the units measured alone.",
		},
	}
	if p.o.Out != "" {
		r.Name = strings.TrimSuffix(filepath.Base(p.o.Out), ".json")
	}
	if r.Device == "" {
		r.Device = profile.Processor()
	}
	if err := p.readImages(); err != nil {
		return err
	}
	if p.o.Images == "" {
		r.Notes = append(r.Notes, "No --input: times and payloads are those of a drawn image.")
	}
	if p.Meter != nil {
		r.Notes = append(r.Notes, "power: "+p.Meter.Detail())
	}
	r.Power, err = p.Profiler.Power(ctx)
	return err
}

// mostImages is how many images take turns: their activations are held in memory.
const mostImages = 4

// readImages reads the images to run.
func (p *profiler) readImages() error {
	if p.o.Images == "" {
		p.items = []data.Item{{Image: profile.Drawing()}}
		return nil
	}
	names, err := inputFiles([]string{p.o.Images}, p.progress)
	if err != nil {
		return err
	}
	skipped := leftOut{to: p.progress}
	for _, name := range names {
		item, err := data.ReadItem(name)
		if err != nil {
			skipped.add(name, err)
			continue
		}
		if p.items = append(p.items, item); len(p.items) == mostImages {
			return nil
		}
	}
	if len(p.items) == 0 {
		return unusable("none of the inputs can be used: %w", skipped.first)
	}
	return nil
}

// feeds prepares the images for a graph.
func (p *profiler) feeds(f *feed.Feeder) ([]ort.Feed, error) {
	var all []ort.Feed
	for _, item := range p.items {
		x, err := f.One(item)
		if err != nil {
			return nil, unusable("%w", err)
		}
		all = append(all, ort.Feed{f.Input(): x})
	}
	return all, nil
}

// add measures the bundle or model at path.
func (p *profiler) add(ctx context.Context, path string) error {
	if !bundle.IsBundle(path) {
		hash := startHash(ctx, path)
		if err := p.model(ctx, path); err != nil {
			return err
		}
		source, err := hash()
		if err != nil {
			return err
		}
		return p.sameSource(path, source)
	}
	p.notice("%s: both halves", path)
	entry, source, err := p.pair(ctx, path)
	if err != nil {
		return err
	}
	if err := p.sameSource(path, source); err != nil {
		return err
	}
	r := p.result
	if r.Power.Source != plan.PowerNone && r.Power.ComputeMW == 0 && entry.EnergyMJ != nil {
		r.Power.ComputeMW = *entry.EnergyMJ / entry.Mobile.MeanMS * 1e3
	}
	if slices.ContainsFunc(r.Cuts, func(e plan.CutProfile) bool { return e.Method == plan.MethodPair && e.String() == entry.String() }) {
		return usage("", "%s is a second bundle of %s: a profile has one of each size; give it a profile of its own", path, entry)
	}
	r.Put(entry)
	return nil
}

// sameSource refuses to mix models.
func (p *profiler) sameSource(path, sha256 string) error {
	r := p.result
	if r.SourceSHA256 != "" && r.SourceSHA256 != sha256 {
		return unusable("%s is of another model (sha256 %.12s) than what was measured before (%.12s): one profile is of one model", path, sha256, r.SourceSHA256)
	}
	r.SourceSHA256 = sha256
	if r.Model == "" || !bundle.IsBundle(path) {
		r.Model = bundle.Name(path)
	}
	return nil
}

// pair measures a bundle, and returns its source's hash as well.
func (p *profiler) pair(ctx context.Context, dir string) (entry plan.CutProfile, source string, err error) {
	b, err := bundle.Open(dir)
	if err != nil {
		return entry, "", err
	}
	feeder, err := feed.New(b.Mobile.Inputs, p.o.chooser(b.Meta.Preprocess))
	if err != nil {
		return entry, "", unusable("%s: %w", dir, err)
	}
	feeds, err := p.feeds(feeder)
	if err != nil {
		return entry, "", fmt.Errorf("%s: %w", dir, err)
	}
	if entry, err = p.Pair(ctx, b, feeds); err != nil {
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
	return entry, b.Meta.SourceSHA256, nil
}
