package bnc

import (
	"cmp"
	"context"
	"path/filepath"
	"slices"

	"github.com/bottlenet/bnc/compiler/cut"
	"github.com/bottlenet/bnc/compiler/onnx"
	"github.com/bottlenet/bnc/compiler/survey"
	"github.com/bottlenet/bnc/internal/fault"
	"github.com/bottlenet/bnc/internal/progress"
	"github.com/bottlenet/bnc/passes"
	"github.com/bottlenet/bnc/passes/bottleneck"
	"github.com/bottlenet/bnc/passes/convert"
	"github.com/bottlenet/bnc/passes/grad"
	"github.com/bottlenet/bnc/passes/output"
	"github.com/bottlenet/bnc/passes/split"
	"github.com/bottlenet/bnc/runtime/bundle"
	"github.com/bottlenet/bnc/runtime/data"
	"github.com/bottlenet/bnc/runtime/eval"
	"github.com/bottlenet/bnc/runtime/heldout"
	"github.com/bottlenet/bnc/runtime/imagein"
	"github.com/bottlenet/bnc/runtime/model"
	"github.com/bottlenet/bnc/runtime/ort"
	"github.com/bottlenet/bnc/runtime/plan"
	"github.com/bottlenet/bnc/runtime/probe"
	"github.com/bottlenet/bnc/runtime/task"
)

// Channels is a number of channels that cross a cut. In JSON and text Full is "full".
type Channels = bottleneck.Channels

// Each is a value for each crossing tensor: in JSON the value where it is one, a list of
// several.
type Each[T any] = bottleneck.Each[T]

// Full stands for all channels of the cut tensor, without channel units.
const Full = bottleneck.Full

// Auto stands for as many channels of each tensor as Bytes of a payload have room for.
const Auto = bottleneck.Auto

// ParseChannels reads a number from 1 on, or full.
func ParseChannels(text string) (Channels, error) { return bottleneck.ParseChannels(text) }

// The values of SplitOptions that are no numbers.
const (
	TargetDefault = convert.DefaultTarget // any runtime
	TargetTX2     = convert.TX2           // TensorRT 8 on a Jetson TX2

	CodecInGraph      = bottleneck.CodecInGraph      // a node in both graphs
	CodecOnDeviceHost = bottleneck.CodecOnDeviceHost // the device's program encodes, the cloud graph decodes
	CodecOnHost       = bottleneck.CodecOnHost       // both programs; neither graph has a custom operator
)

// DefaultCodec is the codec where SplitOptions name none.
const DefaultCodec = bottleneck.DefaultCodec

// Codecs are the values of SplitOptions.Codec.
func Codecs() []string { return bottleneck.Codecs() }

// Targets are the values of SplitOptions.Target.
func Targets() []string { return convert.Targets() }

// SplitOptions say how a model is split.
type SplitOptions struct {
	After        string             `json:"after,omitempty"`         // cut to split at: rbK, cutN or a tensor's name; "" with Bytes for the one with the fewest multiply-adds before it that loses no point more than the best
	Channels     Each[Channels]     `json:"c,omitempty"`             // that cross, from 1 on, or Full: one number for all tensors of the cut, or one for each; none for 1, or with Bytes, as Auto, for what is best
	Stride       Each[int]          `json:"s,omitempty"`             // spatial reduction, 1 to 4, as many; none and 0 for 2, or 1 where height or width is 1; with Bytes for what is best
	Bytes        int                `json:"bytes,omitempty"`         // of a payload, in the mean, that what is not said is chosen for; 0 for any
	Profiles     []string           `json:"profile,omitempty"`       // with Bytes and without After, the cut is the one of least latency by these profiles: files, or names of built-in ones
	CloudProfile string             `json:"cloud_profile,omitempty"` // of the server; "": the device's profile holds its times
	Network      string             `json:"network,omitempty"`       // that latencies are predicted for: a name, RATE[,DELAY] or a FILE.json; "" for 4g
	Bits         int                `json:"bits,omitempty"`          // of the quantiser, 2 to 8; 0 for 8
	Quality      int                `json:"quality,omitempty"`       // of a codec that has one, 1 to 100; 0 for its default, or with Bytes for the highest that fits
	Codec        string             `json:"codec,omitempty"`         // one of Codecs; "" for DefaultCodec, or with Bytes, as CodecAuto, for the best
	VariableRate bool               `json:"variable_rate,omitempty"` // each record tells its own quality: who encodes chooses it for each image
	MaxLoss      *float64           `json:"max_loss,omitempty"`      // of agreement with the whole model, percentage points, that a client may choose to lose by a lower rate; nil for no choice
	Range        string             `json:"range,omitempty"`         // static (calibrated, nothing travels) or dynamic (each image's own travels); "" for static with Calibrate, else dynamic
	CodecAt      string             `json:"codec_at,omitempty"`      // CodecInGraph, CodecOnDeviceHost or CodecOnHost; "" for the first, or what Target implies
	RestoreWidth int                `json:"restore_width,omitempty"` // width of a residual branch in the restoration, 0 for none
	Target       string             `json:"target,omitempty"`        // what the mobile half is for: TargetDefault or TargetTX2
	FP16         bool               `json:"fp16,omitempty"`          // compute in float16; inputs, outputs and quantiser stay float32
	Plain        bool               `json:"plain,omitempty"`         // no bottleneck: the cut tensor itself crosses
	Input        map[string][]int64 `json:"input,omitempty"`         // shapes of inputs that the model leaves open, by name
	Calibrate    string             `json:"calib,omitempty"`         // images to calibrate the bottleneck on: a folder, classes or flat, IDX or .npy
	CalibrateBy  string             `json:"calib_by,omitempty"`      // BySensitivity or ByVariance: how a calibration chooses channels; "" for the first
	Seed         uint64             `json:"seed,omitempty"`          // of the bottleneck's weights
	Out          string             `json:"output,omitempty"`        // bundle to write; "" for MODEL-CUT-cC-sS, or with Bytes MODEL-CUT-bB, in the working directory
	ExternalData bool               `json:"external_data,omitempty"` // keep large weights in FILE.data beside each graph
	Dump         string             `json:"dump,omitempty"`          // folder to write the model to after each pass
	Depfile      string             `json:"depfile,omitempty"`       // make-style dependency file to write
	TaskOptions
	ImageOptions
	FeedOptions
	Reporter Reporter `json:"-"`
}

// SplitResult is what Split wrote.
type SplitResult struct {
	Bundle       string          `json:"bundle"`
	Mobile       string          `json:"mobile"`
	Cloud        string          `json:"cloud"`
	Bottlenet    *string         `json:"bottlenet"` // nil for a plain split
	Cut          string          `json:"cut"`
	Tensor       Each[string]    `json:"tensor"`
	CutShape     Each[[]any]     `json:"cut_shape"`     // int64, symbols as string, nil for unknown
	ReducedShape Each[[]any]     `json:"reduced_shape"` // of what crosses before it is tiled; nil for a plain split
	Tile         Each[[2]int64]  `json:"tile"`          // height, width
	Passes       []passes.Report `json:"passes"`
	// Choice is what was chosen for Bytes, and Tried what it was chosen from: bottlenecks at
	// the cut, or without After cuts with their best one.
	Choice  *Choice       `json:"choice,omitempty"`
	Tried   []Choice      `json:"tried,omitempty"`
	Rates   *Rates        `json:"rates,omitempty"` // with MaxLoss, measured on images that the calibration has not seen
	Codec   string        `json:"-"`               // "" for a plain split
	Quality int           `json:"-"`               // of the codec, 0 where it has none
	Files   []output.File `json:"-"`
}

// raw is what is asked of the passes, as far as it is said.
func (o *SplitOptions) raw() split.Request {
	r := split.Request{
		Channels: o.Channels, Strides: o.Stride, Bits: o.Bits, Quality: o.Quality, Codec: o.Codec, VariableRate: o.VariableRate, Range: o.Range, CodecAt: o.CodecAt,
		RestoreWidth: o.RestoreWidth, Target: o.Target, FP16: o.FP16, Plain: o.Plain, Seed: o.Seed, Calibrated: o.Calibrate != "",
	}
	if slices.Contains(r.Channels, Auto) {
		r.Channels = nil
	}
	if r.Codec == CodecAuto {
		r.Codec = ""
	}
	if names := o.codecs(); o.Bytes > 0 && r.Codec == "" && len(names) > 0 {
		r.Codec = names[0]
	}
	return r
}

// request is what is asked of the passes, checked.
func (o *SplitOptions) request() (*split.Request, error) {
	if o.After == "" && o.Bytes == 0 {
		return nil, usage("", "which cut? give option after CUT (bnc inspect lists them), or option bytes B for one to be chosen")
	}
	if err := cmp.Or(o.checkBytes(), plan.CheckRates(o.MaxLoss, o.VariableRate, o.Calibrate != ""), o.TaskOptions.Check(), fault.OneOf("calib_by", o.CalibrateBy, "", BySensitivity, ByVariance)); err != nil {
		return nil, err
	}
	r := o.raw()
	return &r, r.Check()
}

// progress tells how a split goes on.
func (o *SplitOptions) progress() progress.Progress { return progress.Progress{To: o.Reporter} }

// Split divides the model at path at a cut and writes the bundle: mobile.onnx,
// cloud.onnx and, unless the split is plain, bottlenet.onnx, all at once. A bundle that is
// there is replaced; anything else is refused.
func Split(ctx context.Context, path string, o SplitOptions) (*SplitResult, error) {
	request, err := o.request()
	if err != nil {
		return nil, err
	}
	hash := onnx.StartHash(ctx, path)
	a, err := analyse(ctx, path, o.Input)
	if err != nil {
		return nil, err
	}
	w, err := o.where(path, a, request)
	if err != nil {
		return nil, err
	}
	dest, err := o.destination(path, w.name, a.Model.Opset(""))
	if err != nil {
		return nil, err
	}
	defer dest.Discard()
	known, err := o.prepare(path, a)
	if err != nil {
		return nil, err
	}
	if o.Calibrate != "" {
		if err := o.calibrate(ctx, path, a, w, known); err != nil {
			return nil, err
		}
	}
	c, settings := w.cut, w.settings
	if why := a.Fused(c); why != "" && o.Plain {
		o.progress().Notice("%s", why)
	}
	meta := settings.MetaAt(a, c)
	meta.Task, meta.Decoder = known.task.Recorded()
	meta.Labels, meta.Backbone, meta.Calibrated = known.labels, true, o.Calibrate != ""
	if known.preprocess != nil {
		meta.Preprocess = known.preprocess
	}
	result := o.result(dest.Path, c, settings, meta)
	result.Choice, result.Tried, result.Rates = w.choice, w.tried, w.rates
	if w.rates != nil {
		meta.Rates = w.rates
	}
	dump, err := output.Dumper(ctx, o.Dump)
	if err != nil {
		return nil, err
	}
	b, reports, err := split.Split(ctx, a, c, settings, dump)
	if err != nil {
		return nil, err
	}
	result.Passes = reports
	err = dest.Save(ctx, b, onnx.SaveOptions{External: o.ExternalData}, func() (bottleneck.Meta, error) {
		var err error
		if meta.SourceSHA256, err = hash(); err != nil {
			return meta, err
		}
		meta.Pair, err = split.PairID(meta.SourceSHA256, c, settings)
		return meta, err
	})
	if err != nil {
		return nil, err
	}
	result.Files = dest.Files
	return result, output.WriteDepfile(o.Depfile, result.Bundle, path, known.files)
}

// where is a cut with the settings of a split there, and the name of its bundle.
type where struct {
	name     string
	cut      *cut.Cut // nil until it is chosen
	settings split.Settings
	choice   *Choice
	tried    []Choice
	rates    *Rates // nil where they are not asked for
}

// where finds what the options name. With Bytes the settings are those before anything is
// chosen.
func (o *SplitOptions) where(path string, a *cut.Analysis, r *split.Request) (*where, error) {
	if o.After == "" {
		return &where{name: o.boundName(path, nil)}, nil
	}
	c, err := a.Resolve(o.After)
	if err != nil {
		return nil, err
	}
	w := &where{cut: c}
	if w.settings, err = r.Settings(c); err != nil {
		return nil, err
	}
	w.name = r.Name(path, o.After, c, w.settings)
	if o.Bytes > 0 {
		w.name = o.boundName(path, c)
	}
	return w, nil
}

// oldestOpset is the oldest operator set that a bottleneck is written in: before,
// broadcasting had to be asked for, and ONNX Runtime does not run it.
const oldestOpset = 7

// destination opens the bundle that is written, of that name where nothing else is said,
// when everything that names a file fits it.
func (o *SplitOptions) destination(path, name string, opset int64) (*output.Writer, error) {
	dir := cmp.Or(o.Out, name)
	for _, file := range []struct{ option, path string }{{"", path}, {"depfile", o.Depfile}, {"dump", o.Dump}, {"labels", o.Labels}} {
		if err := output.Outside(dir, file.option, file.path); err != nil {
			return nil, err
		}
	}
	if err := fits("depfile", o.Depfile); err != nil {
		return nil, err
	}
	if !o.Plain && opset < oldestOpset {
		return nil, unusable("%s: a bottleneck needs operator set %d or newer, found %d: convert the model, or use option plain", path, oldestOpset, opset)
	}
	return output.Create(dir)
}

// prepared is what is known of the images and classes of a split.
type prepared struct {
	subject    *eval.Subject
	preprocess *imagein.Preprocess // nil for nothing
	labels     []string
	task       *task.Chosen
	files      []string // that were read for it
}

// prepare finds what is known of images and classes.
func (o *SplitOptions) prepare(path string, a *cut.Analysis) (*prepared, error) {
	subject, err := openSubject(path, ort.Options{})
	if err != nil {
		return nil, err
	}
	k := &prepared{subject: subject}
	if k.labels, err = subject.Labels(o.Labels); err != nil {
		return nil, err
	}
	if o.Labels != "" {
		k.files = []string{o.Labels}
		if heads, err := grad.Logits(grad.Want{Classes: len(k.labels)}, a.Model); err == nil {
			if err := asMany(k.labels, heads.Scores[0]); err != nil {
				return nil, err
			}
		}
	}
	p := o.progress()
	if k.task, err = subject.OpenTask(o.TaskOptions, k.labels); err != nil {
		return nil, err
	}
	k.task.Tell(p.Notice)
	k.task.Adapt(&o.Overrides, subject.Meta.Preprocess, p.Notice)
	k.preprocess, err = o.ForModel(path, model.FixPorts(subject.Inputs, o.Input), subject.Meta.Preprocess)
	return k, err
}

// judged says by which images, and which outputs, bottlenecks are judged.
func (k *prepared) judged(held *data.Set) (heldout.Judged, error) {
	outputs, _, err := k.subject.JudgedBy(k.task.Task, eval.Want{})
	return heldout.Judged{Set: held.Unlabelled(), Task: k.task.Task, Outputs: outputs}, err
}

// calibrate calibrates the bottlenecks at a place on images, and chooses it for Bytes.
func (o *SplitOptions) calibrate(ctx context.Context, path string, a *cut.Analysis, w *where, k *prepared) error {
	p := o.progress()
	set, err := data.OpenOption("calib", o.Calibrate, data.Train, p.Notice)
	if err != nil {
		return err
	}
	given, err := o.OpenGiven(k.subject.Inputs)
	if err != nil {
		return err
	}
	src := calibrationSource{
		Source:  probe.Source{Path: path, Set: set, Choose: o.Chooser(k.preprocess), Given: given, Option: "calib", LeftOut: (&progress.LeftOut{To: p}).Add},
		analyse: func() (*cut.Analysis, error) { return analyse(ctx, path, o.Input) },
		felt:    o.CalibrateBy != ByVariance, raw: !task.OfScores(k.task.Task),
	}
	var cal *probe.Seen
	if o.Bytes > 0 {
		cal, err = o.within(ctx, path, a, w, k, src)
	} else {
		known := src
		known.Tensors = w.cut.Names()
		if o.MaxLoss != nil {
			if known.Set, _, err = heldout.HoldOption(set, "calib", o.Calibrate, p.Notice); err != nil {
				return err
			}
		}
		cal, err = calibrate(ctx, p, known, &w.settings)
	}
	if err == nil && o.MaxLoss != nil {
		w.rates, err = o.rates(ctx, src, w, k)
		cal.Read(set)
	}
	if err != nil {
		return err
	}
	k.files = append(k.files, cal.Files...)
	if k.preprocess == nil {
		k.preprocess = cal.Preprocess
	}
	return nil
}

// result says what is to be written.
func (o *SplitOptions) result(dir string, c *cut.Cut, s split.Settings, meta bottleneck.Meta) *SplitResult {
	r := &SplitResult{
		Bundle: dir, Mobile: filepath.Join(dir, bundle.MobileFile), Cloud: filepath.Join(dir, bundle.CloudFile),
		Cut: meta.Cut, Tensor: c.Names(), Tile: meta.Tile, Quality: int(meta.Quality),
	}
	for _, t := range c.Tensors {
		r.CutShape = append(r.CutShape, survey.TensorOf("", t.Type).Shape)
	}
	for i, t := range s.Tensors {
		r.ReducedShape = append(r.ReducedShape, []any{r.CutShape[i][0], t.Reduced, t.ReducedH(), t.ReducedW()})
	}
	if !o.Plain {
		joined := filepath.Join(dir, bundle.JoinedFile)
		r.Codec, r.Bottlenet = s.Tensors[0].Codec.Name, &joined
	}
	return r
}
