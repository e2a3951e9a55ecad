package profile

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/bottlenet/bnc/internal/fault"
	"github.com/bottlenet/bnc/internal/files"
	"github.com/bottlenet/bnc/internal/progress"
	"github.com/bottlenet/bnc/runtime/bundle"
	"github.com/bottlenet/bnc/runtime/data"
	"github.com/bottlenet/bnc/runtime/imagein"
	"github.com/bottlenet/bnc/runtime/model"
	"github.com/bottlenet/bnc/runtime/ort"
	"github.com/bottlenet/bnc/runtime/plan"
	"github.com/bottlenet/bnc/runtime/power"
)

// Options say how often is measured, on what, and what the profile is called.
type Options struct {
	Runs       int      `json:"runs,omitempty"`       // that are measured at most, 20 or more; 200
	Confidence *float64 `json:"confidence,omitempty"` // percent of the median on either side that its 95% confidence interval may take; 2
	Threads    int      `json:"threads,omitempty"`    // of a session; 0 for one a core
	Providers  string   `json:"ep,omitempty"`         // execution providers in order of preference, of cpu, cuda, tensorrt; cpu
	Power      string   `json:"power,omitempty"`      // source of power: auto, rails:LABEL,..., command:CMD or constant:MW; none
	Device     string   `json:"device,omitempty"`     // what to call this device; its processor
	Out        string   `json:"output,omitempty"`     // file to write the profile to; none
}

// New prepares to measure with images of the files of these names, a drawn one where there
// are none, and measures the idle power. Options that cannot be are a fault.UsageError.
func New(ctx context.Context, o Options, images []string, in Inputs, host Host, to progress.Progress) (*Profiler, error) {
	o.Runs, o.Providers = cmp.Or(o.Runs, 200), cmp.Or(o.Providers, string(ort.CPU))
	p := &Profiler{to: to, in: in, host: host, out: o.Out, Sampling: Sampling{Runs: o.Runs, Precision: *cmp.Or(o.Confidence, new(2.0))}}
	switch {
	case o.Runs < FewestRuns:
		return nil, fault.Usage("runs", "%d: expected %d or more", o.Runs, FewestRuns)
	case !(p.Precision >= 0):
		return nil, fault.Usage("confidence", "%v: expected percent from 0 on", p.Precision)
	}
	if o.Out != "" {
		if err := files.Check(o.Out); err != nil {
			return nil, fmt.Errorf("option output: %w", err)
		}
	}
	providers, err := ort.ParseProviders(o.Providers)
	if err != nil {
		return nil, fault.Usage("", "%w", err)
	}
	p.Session = ort.Options{Providers: providers, Threads: o.Threads}
	if o.Power != "" {
		if p.meter, err = power.Open(o.Power, "/"); err != nil {
			return nil, fault.Usage("power", ": %w", err)
		}
	}
	p.profile = plan.Profile{
		Format: plan.FileFormat, Kind: plan.KindProfile, Name: "measured", Device: cmp.Or(o.Device, processor()), Threads: o.Threads, Provider: o.Providers,
		Cuts: []plan.CutProfile{},
		Notes: []string{
			"Batch 1, warm. median_ms with the half width of its 95% confidence interval.",
			"method pair: both halves run alone, one after the other. method nodes: node times of one session of the whole model before and behind the cut, and the units measured alone.",
		},
	}
	if o.Out != "" {
		p.profile.Name = strings.TrimSuffix(filepath.Base(o.Out), ".json")
	}
	if err := p.read(images); err != nil {
		return nil, err
	}
	if p.meter != nil {
		p.note("power: %s", p.meter.Detail())
	}
	p.profile.Power, err = p.idle(ctx)
	return p, err
}

// note notes how numbers came about.
func (p *Profiler) note(format string, args ...any) {
	p.profile.Notes = append(p.profile.Notes, fmt.Sprintf(format, args...))
}

// mostImages is how many images take turns: their activations are held in memory.
const mostImages = 4

// read reads the images to run.
func (p *Profiler) read(images []string) error {
	if len(images) == 0 {
		p.items = []data.Item{{Image: Drawing()}}
		p.note("No --input: times and payloads are those of a drawn image.")
		return nil
	}
	var first error
	for _, name := range images {
		item, err := data.ReadItem(name)
		if err != nil {
			first = cmp.Or(first, err)
			p.to.Notice("left out: %v", err)
			continue
		}
		if p.items = append(p.items, item); len(p.items) == mostImages {
			return nil
		}
	}
	if len(p.items) == 0 {
		return fault.Unusable("none of the inputs can be used: %w", first)
	}
	return nil
}

// feeds prepares the images for a graph, of which every input of images gets the same.
func (p *Profiler) feeds(inputs []model.Port, says *imagein.Preprocess) ([]ort.Feed, error) {
	given, err := p.in.Given.OpenGiven(inputs)
	if err != nil {
		return nil, err
	}
	s, err := given.Several(inputs, p.in.Images.Chooser(says))
	if err != nil {
		return nil, fault.Unusable("%w", err)
	}
	var all []ort.Feed
	for _, item := range p.items {
		fed, err := s.Items(item)
		if err != nil {
			return nil, fault.Unusable("%w", err)
		}
		all = append(all, fed.Feed)
	}
	return all, nil
}

// idle tells what the device draws while it does nothing, over a second, and what is known
// of it without a measurement; where there is no meter, nothing.
func (p *Profiler) idle(ctx context.Context) (plan.Power, error) {
	if p.meter == nil {
		return plan.Power{Source: plan.PowerNone}, nil
	}
	r := plan.Power{Source: p.meter.Source()}
	if mw, ok := p.meter.(power.Constant); ok {
		r.ComputeMW = float64(mw)
		return r, nil
	}
	stop, err := p.meter.Start()
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

// sameSource takes down of which model the profile is, by the SHA-256 of its file, and
// refuses to mix models.
func (p *Profiler) sameSource(path, sha256 string) error {
	r := &p.profile
	if r.SourceSHA256 != "" && r.SourceSHA256 != sha256 {
		return fault.Unusable("%s is of another model (sha256 %.12s) than what was measured before (%.12s): one profile is of one model", path, sha256, r.SourceSHA256)
	}
	r.SourceSHA256 = sha256
	if r.Model == "" || !bundle.IsBundle(path) {
		r.Model = bundle.Name(path)
	}
	return nil
}

// putPair adds what pair measured of the bundle at path.
func (p *Profiler) putPair(path string, entry plan.CutProfile) error {
	r := &p.profile
	if r.Power.Source != plan.PowerNone && r.Power.ComputeMW == 0 && entry.EnergyMJ != nil {
		r.Power.ComputeMW = *entry.EnergyMJ / entry.Mobile.MeanMS * 1e3
	}
	if slices.ContainsFunc(r.Cuts, func(e plan.CutProfile) bool { return e.Method == plan.MethodPair && e.String() == entry.String() }) {
		return fault.Usage("", "%s is a second bundle of %s: a profile has one of each size; give it a profile of its own", path, entry)
	}
	r.Put(entry)
	return nil
}

// Result is a profile and, where pairs were run to check it, how far its entries are from
// them.
type Result struct {
	plan.Profile
	Checked []Checked `json:"-"`
}

// finish returns the profile, and writes it where that is asked for.
func (p *Profiler) finish() (*Result, error) {
	if len(p.checked) > 0 {
		off, share := deviation(p.checked)
		p.note("Checked against %d pairs that were run: median error %.1f%%, of the mobile part's share %.1f points.", len(p.checked), 100*off, 100*share)
	}
	if err := p.profile.Validate(); err != nil {
		return nil, fmt.Errorf("BUG: the profile is not valid: %w", err)
	}
	r := &Result{p.profile, p.checked}
	if p.out == "" {
		return r, nil
	}
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return nil, err
	}
	return r, files.Write(p.out, append(text, '\n'))
}
