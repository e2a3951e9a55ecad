package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/color"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/bottlenet/bnc/passes/bottleneck"
	"github.com/bottlenet/bnc/runtime/bundle"
	"github.com/bottlenet/bnc/runtime/data"
	"github.com/bottlenet/bnc/runtime/feed"
	"github.com/bottlenet/bnc/runtime/ort"
	"github.com/bottlenet/bnc/runtime/plan"
	"github.com/bottlenet/bnc/runtime/power"
	"github.com/spf13/pflag"
)

var profileCommand = command{
	name:  "profile",
	args:  "BUNDLE|MODEL... [FLAGS]",
	short: "Measure what a model takes on this device, at every cut",
	long: `
Writes a profile for bnc select: latency of the mobile part with reduction and
codec, of the cloud part, and of the whole model; batch 1, warm.

A bundle's halves are run as they are. A model's cuts are measured without running
a pair for each: node times of one session of the whole model are summed up before
and behind every cut, and the bottleneck's units are measured alone. --check runs
the pairs as well and prints how far the two are apart.

Energy: --power auto reads the board's sensors (INA3221, INA226) or the processor's
counters (RAPL, as root); rails:LABEL,LABEL reads named rails; command:CMD asks a
command for mW; constant:MW takes your word.

Examples:
  bnc profile resnet50.onnx --input photos/ -o laptop.json
  bnc profile resnet50.onnx --cuts rb1,rb4 --c 2 --s 2 --check --power constant:9000
  bnc profile net-rb1 net-rb4 net.onnx --input photos/ --power auto -o tx2.json`,
	setup: setupProfile,
}

type profileOptions struct {
	splitOptions
	sampling
	cuts    []string
	input   string   // the images
	given   []string // --input: the images, and shapes
	ep      string
	threads int
	power   string
	device  string
	check   bool
}

func setupProfile(fs *pflag.FlagSet) func(context.Context, streams, []string) error {
	var o profileOptions
	fs.StringSliceVar(&o.cuts, "cuts", nil, "cuts of a model: names, or all (default: the residual sums, or all where there are none)")
	fs.StringVar(&o.channels, "c", "1", "channels that cross, or full")
	fs.Int64Var(&o.stride, "s", 0, "spatial reduction, 1 to 4 (default 2; 1 where height or width is 1)")
	fs.StringArrayVar(&o.given, "input", nil, "image or .npy file, or a folder of them, to run (default: a drawn image); NAME=DIMS fixes an input's shape; may be repeated")
	fs.IntVar(&o.runs, "runs", 200, "runs that are measured at most")
	fs.Float64Var(&o.precision, "confidence", 2, "stop when the median's 95% confidence interval is within so many percent on either side")
	fs.IntVar(&o.threads, "threads", 0, "threads of a session, 0 for one a core")
	fs.StringVar(&o.ep, "ep", "cpu", "execution providers in order of preference: cpu, cuda, tensorrt")
	fs.StringVar(&o.power, "power", "", "source of power: auto, rails:LABEL,..., command:CMD or constant:MW (default: none)")
	fs.StringVar(&o.device, "device", "", "what to call this device (default: its processor)")
	fs.BoolVar(&o.check, "check", false, "also run a pair for every cut of a model and compare")
	fs.StringVarP(&o.out, "output", "o", "", "profile to write (default: JSON on stdout)")
	o.images.declare(fs)
	fs.BoolVar(&o.asJSON, "json", false, "print the profile as one JSON document, also with -o")
	o.bits, o.quality, o.codecAt, o.codec, o.target = 8, 20, bottleneck.CodecInGraph, "jpeg", "default"
	return func(ctx context.Context, s streams, args []string) error {
		switch {
		case len(args) == 0:
			return usagef("expected bundles or a model to measure")
		case o.runs < fewestRun:
			return usagef("--runs %d: expected %d or more", o.runs, fewestRun)
		case !(o.precision >= 0):
			return usagef("--confidence %v: expected percent from 0 on", o.precision)
		}
		if err := o.sortInputs(); err != nil {
			return err
		}
		o.after = "each" // of check, which wants one
		if err := o.splitOptions.check(fs); err != nil {
			return err
		}
		return profile(ctx, s, args, o)
	}
}

// sortInputs tells the shapes among the --input flags from the images.
func (o *profileOptions) sortInputs() error {
	for _, given := range o.given {
		_, missing := os.Stat(given)
		if _, err := parseInputs([]string{given}); err == nil && missing != nil {
			o.inputs = append(o.inputs, given)
			continue
		}
		if o.input != "" {
			return usagef("--input %s and --input %s: expected one file or folder of images, and shapes as NAME=DIMS", o.input, given)
		}
		o.input = given
	}
	return nil
}

// profiler measures.
type profiler struct {
	profileOptions
	streams
	session ort.Options
	meter   power.Meter // nil for none
	pace    *pace       // nil until a whole model was measured
	items   []data.Item
	drawn   bool    // the image is no real one
	call    float64 // what a run takes besides its nodes, ms
	// perNode is what profiling adds to a node's time, microseconds that are much
	// of a small one; below 0, what passes between two nodes is more than that. ms.
	perNode float64
}

func profile(ctx context.Context, s streams, paths []string, o profileOptions) (err error) {
	if err := fits("-o", o.splitOptions.out); err != nil {
		return err
	}
	if o.splitOptions.out == standardOutput { // where it goes without -o
		o.splitOptions.out = ""
	}
	p := &profiler{profileOptions: o, streams: s}
	providers, err := ort.ParseProviders(o.ep)
	if err != nil {
		return usageError{err}
	}
	p.session = ort.Options{Providers: providers, Threads: o.threads}
	if o.power != "" {
		if p.meter, err = power.Open(o.power, "/"); err != nil {
			return usagef("--power: %w", err)
		}
	}
	r, err := p.start()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.pace.close()) }()
	for _, bundles := range []bool{false, true} { // the whole model first: it tells how fast the machine is
		for _, path := range paths {
			if bundle.IsBundle(path) != bundles {
				continue
			}
			if err := p.add(ctx, r, path); err != nil {
				return err
			}
		}
	}
	if err := r.Validate(); err != nil {
		return fmt.Errorf("BUG: the profile is not valid: %w", err)
	}
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	text = append(text, '\n')
	if o.out != "" {
		if err := s.writeFile(o.out, text); err != nil {
			return err
		}
	}
	if o.out == "" || o.asJSON {
		_, err := s.out.Write(text)
		return err
	}
	return writeProfile(s, r)
}

// start returns a profile without entries, with the idle power measured.
func (p *profiler) start() (*plan.Profile, error) {
	r := &plan.Profile{
		Format: plan.FileFormat, Kind: plan.KindProfile, Name: "measured", Device: p.device, Threads: p.threads, Provider: p.ep,
		Power: plan.Power{Source: plan.PowerNone}, Cuts: []plan.CutProfile{},
		Notes: []string{
			"Batch 1, warm. median_ms with the half width of its 95% confidence interval.",
			"method pair: both halves run alone, one after the other. method nodes: node times of one session of the whole model before and behind the cut, and the units measured alone.",
		},
	}
	if file := p.splitOptions.out; file != "" {
		r.Name = strings.TrimSuffix(filepath.Base(file), ".json")
	}
	if r.Device == "" {
		r.Device = processor()
	}
	if err := p.readInputs(); err != nil {
		return nil, err
	}
	if p.drawn {
		r.Notes = append(r.Notes, "No --input: times and payloads are those of a drawn image.")
	}
	if p.meter == nil {
		return r, nil
	}
	r.Power.Source = p.meter.Source()
	r.Notes = append(r.Notes, "power: "+p.meter.Detail())
	if mw, ok := p.meter.(power.Constant); ok {
		r.Power.ComputeMW = float64(mw)
		return r, nil
	}
	idle, err := p.meanPower(func() error { time.Sleep(time.Second); return nil })
	r.Power.IdleMW = idle
	return r, err
}

// add measures the bundle or model at path.
func (p *profiler) add(ctx context.Context, r *plan.Profile, path string) error {
	if bundle.IsBundle(path) {
		p.notice("%s: both halves", path)
		entry, source, err := p.pair(ctx, path)
		if err != nil {
			return err
		}
		if err := sameSource(r, path, source); err != nil {
			return err
		}
		if r.Power.Source != plan.PowerNone && r.Power.ComputeMW == 0 && entry.EnergyMJ != nil {
			r.Power.ComputeMW = *entry.EnergyMJ / entry.Mobile.MeanMS * 1e3
		}
		if slices.ContainsFunc(r.Cuts, func(e plan.CutProfile) bool { return e.Method == plan.MethodPair && e.String() == entry.String() }) {
			return usagef("%s is a second bundle of %s: a profile has one of each size; give it a profile of its own", path, entry)
		}
		put(r, entry)
		return nil
	}
	hash := startHash(ctx, path)
	if err := p.model(ctx, r, path); err != nil {
		return err
	}
	source, err := hash()
	if err != nil {
		return err
	}
	return sameSource(r, path, source)
}

// sameSource refuses to mix models.
func sameSource(r *plan.Profile, path, sha256 string) error {
	if r.SourceSHA256 != "" && r.SourceSHA256 != sha256 {
		return unusablef("%s is of another model (sha256 %.12s) than what was measured before (%.12s): one profile is of one model", path, sha256, r.SourceSHA256)
	}
	r.SourceSHA256 = sha256
	if r.Model == "" || !bundle.IsBundle(path) {
		r.Model = bundle.Name(path)
	}
	return nil
}

// put adds an entry; a pair that was run takes the place of a sum of nodes.
func put(r *plan.Profile, entry plan.CutProfile) {
	for i, e := range r.Cuts {
		if e.String() == entry.String() {
			if entry.Method == plan.MethodPair {
				r.Cuts[i] = entry
			}
			return
		}
	}
	r.Cuts = append(r.Cuts, entry)
}

// mostInputs is how many images take turns: their activations are held in memory.
const mostInputs = 4

// readInputs reads the images to run.
func (p *profiler) readInputs() error {
	if p.input == "" {
		p.items, p.drawn = []data.Item{{Image: drawing()}}, true
		return nil
	}
	files, err := expand([]string{p.input}, p.notice)
	if err != nil {
		return err
	}
	skipped := leftOut{notice: p.notice}
	for _, f := range files {
		item, err := data.ReadItem(f)
		if err != nil {
			skipped.add(f, err)
			continue
		}
		if p.items = append(p.items, item); len(p.items) == mostInputs {
			return nil
		}
	}
	if len(p.items) == 0 {
		return unusablef("none of the inputs can be used: %w", skipped.first)
	}
	return nil
}

// drawing returns an image with smooth and rough parts, always the same.
func drawing() image.Image {
	const side = 256
	r := rand.New(rand.NewPCG(1, 2))
	img := image.NewRGBA(image.Rect(0, 0, side, side))
	for y := range side {
		for x := range side {
			rough := 0
			if (x/64+y/64)%2 == 1 {
				rough = r.IntN(64)
			}
			img.Set(x, y, color.RGBA{uint8(x/2 + rough), uint8(y/2 + rough), uint8((x+y)/4 + rough), 255})
		}
	}
	return img
}

// feeds prepares the images for a graph.
func (p *profiler) feeds(f *feed.Feeder) ([]ort.Feed, error) {
	var all []ort.Feed
	for _, item := range p.items {
		x, err := f.One(item)
		if err != nil {
			return nil, unusableError{err}
		}
		all = append(all, ort.Feed{f.Input(): x})
	}
	return all, nil
}

// meanPower returns the mean power while do runs, in mW.
func (p *profiler) meanPower(do func() error) (float64, error) {
	stop, err := p.meter.Start()
	if err != nil {
		return 0, err
	}
	start := time.Now()
	err = do()
	mj, failed := stop()
	return mj / time.Since(start).Seconds(), errors.Join(err, failed)
}

// energy returns what each run of do's takes, in mJ, nil where nothing measures it;
// a constant power is no measurement. Do returns how many runs it made.
func (p *profiler) energy(do func() (runs int, err error)) (*float64, error) {
	if !p.measuresEnergy() {
		_, err := do()
		return nil, err
	}
	stop, err := p.meter.Start()
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
func (p *profiler) measuresEnergy() bool {
	return p.meter != nil && p.meter.Source() != plan.PowerConstant
}

// processor names this machine's processor.
func processor() string {
	text, _ := os.ReadFile("/proc/cpuinfo") // other systems have none
	for line := range strings.Lines(string(text)) {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == "model name" {
			return fmt.Sprintf("%s, %d cores", strings.TrimSpace(value), runtime.NumCPU())
		}
	}
	return fmt.Sprintf("%s/%s, %d cores", runtime.GOOS, runtime.GOARCH, runtime.NumCPU())
}

// writeProfile prints the entries.
func writeProfile(s streams, r *plan.Profile) error {
	fmt.Fprintf(s.out, "%s on %s, %s\n", r.Model, r.Device, r.Provider)
	if r.Whole != nil {
		fmt.Fprintf(s.out, "whole model: %s ms, %d runs\n", timeText(r.Whole), r.Whole.Runs)
	}
	fmt.Fprintln(s.out)
	rows := [][]string{{"cut", "c", "s", "method", "payload bytes", "mobile ms", "cloud ms", "mobile params"}}
	for _, c := range r.Cuts {
		rows = append(rows, slices.Concat([]string{c.Cut}, sizeText(c.C, c.S), []string{
			c.Method, fmt.Sprintf("%.0f", c.PayloadBytes), timeText(c.Mobile), timeText(c.Cloud), count(c.MobileParams),
		}))
	}
	return writeTable(s.out, rows, 4, false)
}

func timeText(t *plan.Timing) string { return fmt.Sprintf("%.2f ±%.2f", t.MedianMS, t.HalfWidthMS) }
