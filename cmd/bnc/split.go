package main

import (
	"context"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/bottlenet/bnc/compiler/cut"
	"github.com/bottlenet/bnc/compiler/onnx"
	"github.com/bottlenet/bnc/passes"
	"github.com/bottlenet/bnc/passes/bottleneck"
	"github.com/bottlenet/bnc/passes/grad"
	splitter "github.com/bottlenet/bnc/passes/split"
	"github.com/bottlenet/bnc/runtime/data"
	"github.com/spf13/pflag"
)

var splitCommand = command{
	name:  "split",
	args:  "MODEL --after CUT [FLAGS]",
	short: "Split a model at a cut into a mobile and a cloud graph",
	long: `
Writes a bundle: a folder with mobile.onnx, cloud.onnx and bottlenet.onnx (the
joined network, for bnc train). CUT is an alias (rb1), an ID (cut7) or the name
of a tensor; bnc inspect lists them.

A bottleneck that was neither calibrated (--calib) nor trained (bnc train)
predicts noise. A calibrated one is usable at moderate reductions.

Examples:
  bnc split resnet50.onnx --after rb1 --c 1 --s 2
  bnc split net.onnx --after rb6 --c 24 --s 1 --calib photos/ -o net-rb6
  bnc split net.onnx --after rb14 --plain
  bnc split net.onnx --after rb1 --target tx2`,
	setup: setupSplit,
}

type splitOptions struct {
	after, channels, codec, quantRange, codecAt, target string
	stride, width                                       int64
	bits, quality                                       int
	fp16, plain, external, asJSON                       bool
	inputs                                              []string
	calib, out, dump, depfile                           string
	seed                                                uint64
	images                                              imageFlags
}

func setupSplit(fs *pflag.FlagSet) func(context.Context, streams, []string) error {
	var o splitOptions
	o.declare(fs)
	return func(ctx context.Context, s streams, args []string) error {
		path, err := oneArg(args, "model")
		if err != nil {
			return err
		}
		if err := o.check(fs); err != nil {
			return err
		}
		return split(ctx, s, path, o)
	}
}

// declare declares the flags.
func (o *splitOptions) declare(fs *pflag.FlagSet) {
	fs.StringVar(&o.after, "after", "", "cut to split at: rbK, cutN or a tensor's name")
	fs.StringVar(&o.channels, "c", "1", "channels that cross, or full: all of them, without channel units")
	fs.Int64Var(&o.stride, "s", 0, "spatial reduction, 1 to 4 (default 2; 1 where height or width is 1)")
	fs.IntVar(&o.bits, "bits", 8, "bits of the quantiser, 2 to 8")
	fs.IntVar(&o.quality, "quality", 20, "quality of the JPEG codec, 1 to 100")
	fs.StringVar(&o.codec, "codec", "jpeg", "codec: jpeg")
	fs.StringVar(&o.quantRange, "range", "", "quantiser's range: static (calibrated, nothing travels) or dynamic (each image's own travels)")
	fs.StringVar(&o.codecAt, "codec-at", bottleneck.CodecInGraph, "where the codec runs: graph, device-host or host")
	fs.Int64Var(&o.width, "restore-width", 0, "width of a residual branch in the restoration, 0 for none")
	fs.StringVar(&o.target, "target", "default", "what the mobile half is for: default or tx2 (Jetson TX2)")
	fs.BoolVar(&o.fp16, "fp16", false, "compute in float16 (inputs, outputs and quantiser stay float32)")
	fs.BoolVar(&o.plain, "plain", false, "no bottleneck: the cut tensor itself crosses")
	fs.StringArrayVar(&o.inputs, "input", nil, "fix an input's shape, NAME=DIMS; may be repeated")
	fs.StringVar(&o.calib, "calib", "", "images to calibrate the bottleneck on: a folder, classes or flat, IDX or .npy")
	fs.Uint64Var(&o.seed, "seed", 0, "seed of the bottleneck's weights")
	fs.StringVarP(&o.out, "output", "o", "", "bundle to write (default MODEL-CUT-cC-sS in the working directory)")
	fs.BoolVar(&o.external, "external-data", false, "keep large weights in FILE.data beside each graph")
	fs.StringVar(&o.dump, "dump", "", "folder to write the model to after each pass")
	fs.StringVar(&o.depfile, "depfile", "", "make-style dependency file to write")
	o.images.declare(fs)
	fs.BoolVar(&o.asJSON, "json", false, "print one JSON document")
}

// targetTX2 is the --target of a Jetson TX2.
const targetTX2 = "tx2"

// check finds wrong usage before any work.
func (o *splitOptions) check(fs *pflag.FlagSet) error {
	if err := noStdout(o.out, "a folder"); err != nil {
		return err
	}
	if o.after == "" {
		return usagef("which cut? give --after CUT (bnc inspect lists them)")
	}
	for _, c := range []struct {
		flag, value string
		allowed     []string
	}{
		{"codec", o.codec, []string{"jpeg"}},
		{"range", o.quantRange, []string{"", "static", "dynamic"}},
		{"codec-at", o.codecAt, []string{bottleneck.CodecInGraph, bottleneck.CodecOnDeviceHost, bottleneck.CodecOnHost}},
		{"target", o.target, []string{"default", targetTX2}},
	} {
		if err := oneOf(c.flag, c.value, c.allowed); err != nil {
			return err
		}
	}
	switch {
	case o.bits < 2 || o.bits > 8:
		return usagef("--bits %d: expected 2 to 8", o.bits)
	case o.quality < 1 || o.quality > 100:
		return usagef("--quality %d: expected 1 to 100", o.quality)
	case o.stride < 0 || o.stride > 4 || fs.Changed("s") && o.stride == 0:
		return usagef("--s %d: expected 1 to 4", o.stride)
	case o.width < 0:
		return usagef("--restore-width %d: expected 0 or more", o.width)
	case o.quantRange == "static" && o.calib == "":
		return usagef("--range static needs --calib DATA: a static range comes from real images")
	}
	if o.channels != "full" {
		if n, err := strconv.ParseInt(o.channels, 10, 64); err != nil || n < 1 {
			return usagef("--c %q: expected a number from 1 on, or full", o.channels)
		}
	}
	if o.plain {
		for _, name := range []string{"c", "s", "bits", "quality", "range", "codec-at", "restore-width", "fp16", "calib", "target"} {
			if fs.Changed(name) {
				return usagef("--%s has no meaning with --plain", name)
			}
		}
	}
	if o.target == targetTX2 {
		if fs.Changed("codec-at") && o.codecAt != bottleneck.CodecOnDeviceHost {
			return usagef("--target tx2 implies --codec-at device-host: TensorRT's provider of that age refuses graphs with custom operators")
		}
		o.codecAt = bottleneck.CodecOnDeviceHost
	}
	return nil
}

func oneOf(flag, value string, allowed []string) error {
	for _, a := range allowed {
		if a == value {
			return nil
		}
	}
	return usagef("--%s %q: expected one of %s", flag, value, strings.TrimPrefix(strings.Join(allowed, ", "), ", "))
}

// splitResult is what bnc split --json prints.
type splitResult struct {
	Bundle       string          `json:"bundle"`
	Mobile       string          `json:"mobile"`
	Cloud        string          `json:"cloud"`
	Bottlenet    *string         `json:"bottlenet"`
	Cut          string          `json:"cut"`
	Tensor       string          `json:"tensor"`
	CutShape     []any           `json:"cut_shape"`
	ReducedShape []any           `json:"reduced_shape"`
	Tile         *[2]int64       `json:"tile"`
	Passes       []passes.Report `json:"passes"`
}

func split(ctx context.Context, s streams, path string, o splitOptions) error {
	hash := startHash(ctx, path)
	a, err := analyse(ctx, path, o.inputs)
	if err != nil {
		return err
	}
	c, err := a.Resolve(o.after)
	if err != nil {
		return err
	}
	settings, err := o.settings(c)
	if err != nil {
		return err
	}
	dir := o.out
	if dir == "" {
		dir = o.defaultName(path, c, settings)
	}
	for _, file := range []struct{ flag, path string }{{"the model", path}, {"--depfile", o.depfile}, {"--dump", o.dump}, {"--labels", o.images.labels}} {
		if err := outside(dir, file.flag, file.path); err != nil {
			return err
		}
	}
	if err := fits("--depfile", o.depfile); err != nil {
		return err
	}
	if opset := a.Model.Opset(""); !o.plain && opset < oldestOpset {
		return unusablef("%s: a bottleneck needs operator set %d or newer, found %d: convert the model, or use --plain", path, oldestOpset, opset)
	}
	dest, err := openBundle(dir)
	if err != nil {
		return err
	}
	defer dest.discard()
	preprocess, labels, err := o.images.forModel(path, o.inputs)
	if err != nil {
		return err
	}
	var used []string
	if o.images.labels != "" {
		used = []string{o.images.labels}
		if heads, err := grad.Logits(grad.Want{Classes: len(labels)}, a.Model); err == nil && int(heads.Scores[0].Classes) != len(labels) {
			return unusablef("--labels: %d names, the model's output %q is %d wide: give as many, one a line", len(labels), heads.Scores[0].Output.Name(), heads.Scores[0].Classes)
		}
	}
	if o.calib != "" {
		set, err := openData("--calib", o.calib, data.Train, s.notice)
		if err != nil {
			return err
		}
		cal, err := calibrate(ctx, s, calibrationSource{
			analyse: func() (*cut.Analysis, error) { return analyse(ctx, path, o.inputs) },
			path:    path, after: o.after, set: set, choose: o.images.chooser(preprocess), flag: "--calib", onSkip: (&leftOut{notice: s.notice}).add,
		}, settings.Geometry)
		if err != nil {
			return err
		}
		settings.Units, used = cal.units, append(used, cal.files...)
		if preprocess == nil {
			preprocess = cal.preprocess
		}
		settings.Quantiser.Lo, settings.Quantiser.Hi = settings.Units.Lo, settings.Units.Hi
	}
	dump, err := dumper(ctx, o.dump)
	if err != nil {
		return err
	}
	meta := bottleneck.Meta{
		Format: bottleneck.MetaFormat, Cut: c.Name(), Tensor: c.Value.Name(), Outputs: outputNames(a), Codec: "none",
		Labels: labels, Backbone: true,
	}
	if preprocess != nil {
		meta.Preprocess = preprocess
	}
	result := splitResult{
		Bundle: dir, Mobile: filepath.Join(dir, "mobile.onnx"), Cloud: filepath.Join(dir, "cloud.onnx"),
		Cut: c.Name(), Tensor: c.Value.Name(), CutShape: portOf("", c.Type).Shape,
	}
	if !o.plain {
		meta.Calibrated, meta.FP16 = o.calib != "", o.fp16
		if o.target == targetTX2 {
			meta.Target = o.target
		}
		describeBottleneck(&meta, &result, settings)
	}
	b, reports, err := splitter.Split(ctx, a, c, settings, dump)
	if err != nil {
		return err
	}
	result.Passes = reports
	err = dest.save(ctx, b, onnx.SaveOptions{External: o.external}, func() (bottleneck.Meta, error) {
		var err error
		if meta.SourceSHA256, err = hash(); err != nil {
			return meta, err
		}
		meta.Pair, err = splitter.PairID(meta.SourceSHA256, c, settings)
		return meta, err
	})
	if err != nil {
		return err
	}
	if o.depfile != "" {
		if err := writeDepfile(o.depfile, dir, path, used); err != nil {
			return err
		}
	}
	if o.asJSON {
		return printJSON(s.out, result)
	}
	return result.print(s, dest, settings, o)
}

// oldestOpset is the oldest operator set that a bottleneck is written in: before,
// broadcasting had to be asked for, and ONNX Runtime does not run it.
const oldestOpset = 7

func outputNames(a *cut.Analysis) []string {
	var names []string
	for _, p := range a.Model.Graph.Outputs() {
		names = append(names, p.Value.Name())
	}
	return names
}

// settings turns the flags into those of the passes.
func (o splitOptions) settings(c *cut.Cut) (splitter.Settings, error) {
	if o.plain {
		return splitter.Settings{Plain: true}, nil
	}
	channels := int64(0)
	if o.channels != "full" {
		channels, _ = strconv.ParseInt(o.channels, 10, 64) // checked
	}
	g, err := bottleneck.CutGeometry(c, channels, o.stride)
	if err != nil {
		return splitter.Settings{}, unusableError{err}
	}
	g.Width, g.Seed = o.width, o.seed
	dynamic := o.quantRange == "dynamic" || o.quantRange == "" && o.calib == ""
	return splitter.Settings{
		Geometry: g, Quantiser: bottleneck.Quantiser{Bits: o.bits, Dynamic: dynamic}, Quality: o.quality,
		CodecAt: o.codecAt, FP16: o.fp16, TX2: o.target == targetTX2,
	}, nil
}

// defaultName is MODEL-CUT-cC-sS, with the cut as it was asked for where that
// makes a plain file name.
func (o splitOptions) defaultName(path string, c *cut.Cut, s splitter.Settings) string {
	name := strings.TrimSuffix(filepath.Base(path), filepath.Ext(path)) + "-"
	if o.after == c.ID {
		name += c.ID
	} else {
		name += c.Name()
	}
	if o.plain {
		return name + "-plain"
	}
	return fmt.Sprintf("%s-c%s-s%d", name, o.channels, s.Geometry.Stride)
}

func describeBottleneck(meta *bottleneck.Meta, r *splitResult, s splitter.Settings) {
	g := s.Geometry
	rows, cols := g.Grid()
	meta.Codec, meta.CodecAt, meta.Quality = "jpeg", s.CodecAt, s.Quality
	meta.C, meta.S, meta.Bits = g.Reduced, g.Stride, s.Quantiser.Bits
	meta.Range = "dynamic"
	if !s.Quantiser.Dynamic {
		meta.Range = "static"
		meta.Lo, meta.Hi = &s.Quantiser.Lo, &s.Quantiser.Hi
	}
	meta.Tile = &[2]int64{rows * g.ReducedH(), cols * g.ReducedW()}
	meta.Grid = &[2]int64{rows, cols}
	bottlenet := filepath.Join(r.Bundle, "bottlenet.onnx")
	r.Bottlenet, r.Tile = &bottlenet, meta.Tile
	r.ReducedShape = []any{r.CutShape[0], g.Reduced, g.ReducedH(), g.ReducedW()}
}

func (r splitResult) print(s streams, dest *bundleWriter, set splitter.Settings, o splitOptions) error {
	fmt.Fprintf(s.out, "%s\n  cut      %s, tensor %q %s\n", r.Bundle, r.Cut, r.Tensor, shapeText(r.CutShape))
	if r.Tile != nil {
		fmt.Fprintf(s.out, "  crosses  %s as a %d x %d tile, JPEG quality %d\n", shapeText(r.ReducedShape), r.Tile[0], r.Tile[1], set.Quality)
	} else {
		fmt.Fprintf(s.out, "  crosses  the tensor itself\n")
	}
	for _, f := range dest.sizes {
		fmt.Fprintf(s.out, "  %-15s %s bytes\n", f.name, count(f.size))
	}
	if r.Tile != nil && o.calib == "" {
		fmt.Fprintf(s.err, "The bottleneck is neither calibrated nor trained: the pair predicts noise. Calibrate with --calib IMAGES, train with bnc train.\n")
	}
	return nil
}
