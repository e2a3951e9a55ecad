package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/passes/grad"
	"github.com/bottlenet/bnc/runtime/data"
	"github.com/bottlenet/bnc/runtime/imagein"
	"github.com/bottlenet/bnc/runtime/train"
	"github.com/spf13/pflag"
)

type trainOptions struct {
	data, val, teacher, freeze, out string
	valSplit                        float64
	epochs, batch, threads          int
	limit, valLimit                 int
	quality                         int // 0: the bundle's
	seed                            uint64
	distill, naive, noCalib, resume bool
	loss                            grad.Loss
	opt                             grad.Optimizer
	lr, warmup                      float64
	schedule, quantRange            string
	crop, pad, flip                 string
	patience                        int
	every                           time.Duration
	keepLast, asJSON                bool
	layout, dump, statistics        string
	inputs                          []string
	scores                          string
	images                          imageFlags
	flags                           *pflag.FlagSet
	// hopeless tells whether the epochs so far leave no hope; nil for never.
	hopeless func([]train.Epoch) bool
	// keepCheckpoint leaves the checkpoint of a training that is done to the caller.
	keepCheckpoint bool
}

// declare declares the flags.
func (o *trainOptions) declare(fs *pflag.FlagSet) {
	o.flags = fs
	fs.StringVar(&o.data, "data", "", "images to train on")
	fs.StringVar(&o.val, "val", "", "images to judge by (default: DATA's val/ or t10k-*, else a part of DATA)")
	fs.Float64Var(&o.valSplit, "val-split", 0.15, "part of DATA that is kept for judging where it is not divided; 0 for none")
	fs.IntVar(&o.limit, "limit", 0, "train on that many images, spread over the set (default: all)")
	fs.IntVar(&o.valLimit, "val-limit", 0, "judge by that many images, spread over the set (default: all)")
	fs.IntVar(&o.epochs, "epochs", 10, "times that each image is trained on")
	fs.IntVar(&o.batch, "batch", 0, "images a step (default 64; 16 for more than 64x64 pixels)")
	fs.IntVar(&o.threads, "threads", 0, "threads of a session, 0 for one a core")
	fs.Uint64Var(&o.seed, "seed", 0, "seed of shuffling and augmentation")
	fs.StringVar(&o.freeze, "freeze", "none", "what keeps its weights: none, backbone (all but the bottleneck), mobile or cloud (that half)")
	fs.BoolVar(&o.distill, "distill", false, "learn from the original model's answers; labels, if any, only judge")
	fs.StringVar(&o.teacher, "teacher", "", "original model (default: the bundle without its bottleneck)")
	fs.BoolVar(&o.naive, "naive", false, "leave quantiser and codec out of training (the paper's comparison)")
	fs.BoolVar(&o.noCalib, "no-calib", false, "start from the bottleneck as it is, uncalibrated")
	fs.StringVar(&o.quantRange, "range", "", "quantiser's range after training: static or dynamic (default: as the bundle was split, else static)")
	fs.IntVar(&o.quality, "quality", 0, "the codec's quality from now on, 1 to 100; with --epochs 0 nothing else changes (default: the bundle's)")
	fs.StringVar(&o.loss.Kind, "loss", "", "cross-entropy, mse, or with --distill: distill, mse")
	fs.Float64Var(&o.loss.LabelSmoothing, "label-smoothing", 0, "share of a label's weight that all classes get")
	fs.Float64Var(&o.loss.Temperature, "temperature", 1, "of --distill")
	fs.Float64Var(&o.loss.FeatureWeight, "feature-weight", 1, "of --distill: weight of matching the cut tensor")
	fs.Float64Var(&o.loss.RateWeight, "rate-weight", 0, "weight of the payload in the loss, as bits a cell of the tile: fewer bytes for a little accuracy")
	fs.StringVar(&o.opt.Kind, "optimizer", "", "sgd, adam or adamw (default: see the README)")
	fs.Float64Var(&o.lr, "lr", 0, "highest learning rate (default: see the README)")
	fs.Float64Var(&o.opt.Momentum, "momentum", 0.9, "of sgd")
	fs.BoolVar(&o.opt.Nesterov, "nesterov", false, "Nesterov's momentum")
	fs.Float64Var(&o.opt.WeightDecay, "weight-decay", 0, "weight decay (default 5e-4 for sgd, 0 for adam, 0.01 for adamw)")
	fs.BoolVar(&o.opt.DecayAll, "decay-all", false, "decay biases and batch normalisation too")
	fs.Float64Var(&o.opt.ClipNorm, "clip-norm", 0, "largest norm of all gradients together; 0 for any (default 1 for networks without batch normalisation)")
	fs.Float64Var(&o.opt.EMA, "ema", 0, "decay of an average of the weights that is used in the end, e.g. 0.999")
	fs.StringVar(&o.schedule, "schedule", train.Cosine, "of the learning rate: cosine, step or constant")
	fs.Float64Var(&o.warmup, "warmup", 0.5, "epochs in which the learning rate rises")
	fs.StringVar(&o.crop, "random-resized-crop", "", "smallest and largest part of an image's area, e.g. 0.35,1; none (default: 0.5,1 for images of other sizes than the input's)")
	fs.StringVar(&o.pad, "random-crop", "", "pixels of padding; none (default: 2 for images of the input's size)")
	fs.StringVar(&o.flip, "flip", "", "on or off: mirror half of the images (default on)")
	fs.IntVar(&o.patience, "patience", 0, "end after so many epochs without a better result, 0 for never")
	fs.BoolVar(&o.keepLast, "keep-last", false, "end with the last epoch's weights, not with the best: those of another epoch, or of the start")
	fs.StringVar(&o.scores, "scores", "", scoresUsage)
	fs.StringVar(&o.statistics, "statistics", "", "of batch normalisation in training: batch, or running as in inference (default running with --freeze backbone, else batch)")
	fs.StringVar(&o.layout, "layout", "auto", "of activations in the step graph: auto, nchw or chwn")
	fs.DurationVar(&o.every, "checkpoint-every", time.Minute, "time between checkpoints within an epoch")
	fs.BoolVar(&o.resume, "resume", false, "go on from the checkpoint of an interrupted training with the same flags")
	fs.StringVarP(&o.out, "output", "o", "", "model file to write, or a bundle other than the one that is read")
	fs.StringVar(&o.dump, "dump", "", "folder to write the graphs of step and evaluation to")
	fs.StringArrayVar(&o.inputs, "input", nil, "fix an input's shape, NAME=DIMS; may be repeated")
	o.images.declare(fs)
	fs.BoolVar(&o.asJSON, "json", false, "print one JSON document")
}

// check finds wrong usage before any work.
func (o *trainOptions) check() error {
	if o.data == "" {
		return usagef("--data is missing: which images?")
	}
	kinds := []string{"", grad.CrossEntropy, grad.MeanSquared}
	if o.distill {
		kinds = []string{"", grad.Distill, grad.MeanSquared}
	}
	for _, c := range []struct {
		flag, value string
		allowed     []string
	}{
		{"freeze", o.freeze, []string{"none", "backbone", "mobile", "cloud"}},
		{"loss", o.loss.Kind, kinds},
		{"optimizer", o.opt.Kind, []string{"", grad.SGD, grad.Adam, grad.AdamW}},
		{"schedule", o.schedule, []string{train.Cosine, train.Steps, train.Constant}},
		{"range", o.quantRange, []string{"", "static", "dynamic"}},
		{"statistics", o.statistics, []string{"", "batch", "running"}},
		{"flip", o.flip, []string{"", "on", "off"}},
		{"layout", o.layout, []string{"auto", "nchw", "chwn"}},
	} {
		if err := oneOf(c.flag, c.value, c.allowed); err != nil {
			return err
		}
	}
	for _, c := range []struct {
		flag       string
		value      float64
		low, below float64
	}{
		{"val-split", o.valSplit, 0, 1}, {"label-smoothing", o.loss.LabelSmoothing, 0, 1}, {"feature-weight", o.loss.FeatureWeight, 0, math.Inf(1)},
		{"rate-weight", o.loss.RateWeight, 0, math.Inf(1)},
		{"momentum", o.opt.Momentum, 0, 1}, {"weight-decay", o.opt.WeightDecay, 0, math.Inf(1)}, {"clip-norm", o.opt.ClipNorm, 0, math.Inf(1)},
		{"ema", o.opt.EMA, 0, 1}, {"lr", o.lr, 0, math.Inf(1)},
	} {
		if !(c.value >= c.low && c.value < c.below) {
			return usagef("--%s %v: expected %v or more and less than %v", c.flag, c.value, c.low, c.below)
		}
	}
	switch {
	case o.limit < 0 || o.valLimit < 0:
		return usagef("--limit %d, --val-limit %d: expected 0 (all) or more", o.limit, o.valLimit)
	case o.quality < 0 || o.quality > 100:
		return usagef("--quality %d: expected 1 to 100", o.quality)
	case o.epochs == 0 && o.resume:
		return usagef("--epochs 0 trains nothing that --resume could go on with")
	case o.epochs < 0, o.epochs == 0 && o.quality == 0:
		return usagef("--epochs %d: expected 1 or more, or 0 to change no more than the --quality", o.epochs)
	case o.batch < 0 || o.flags.Changed("batch") && o.batch == 0:
		return usagef("--batch %d: expected 1 or more", o.batch)
	case o.flags.Changed("lr") && o.lr == 0:
		return usagef("--lr 0: nothing would change")
	case !(o.loss.Temperature > 0) || math.IsInf(o.loss.Temperature, 1):
		return usagef("--temperature %v: expected a number larger than 0", o.loss.Temperature)
	case !(o.warmup >= 0 && o.warmup <= math.MaxInt32):
		return usagef("--warmup %v: expected a number of epochs, 0 or more", o.warmup)
	case o.patience < 0:
		return usagef("--patience %d: expected 0 (never) or more", o.patience)
	case o.every < 0:
		return usagef("--checkpoint-every %v: expected 0 (only after epochs) or more", o.every)
	case o.opt.Nesterov && o.opt.Momentum == 0:
		return usagef("--nesterov needs a --momentum larger than 0")
	case o.loss.RateWeight > 0 && o.naive:
		return usagef("--rate-weight has no meaning with --naive, which trains without the codec")
	case !o.distill && (o.flags.Changed("temperature") || o.flags.Changed("feature-weight")):
		return usagef("--temperature and --feature-weight have a meaning with --distill only")
	case o.teacher != "" && !o.distill:
		return usagef("--teacher has a meaning with --distill only")
	}
	if _, err := o.augment(&trainingSets{preprocess: &imagein.Preprocess{}}); err != nil {
		return err
	}
	if o.loss.Kind == "" {
		o.loss.Kind = grad.CrossEntropy
		if o.distill {
			o.loss.Kind = grad.Distill
		}
	}
	if o.epochs == 0 {
		o.freeze = "backbone"
	}
	if !o.distill {
		o.loss.FeatureWeight = 0
	}
	return nil
}

// trainPath is the command.
func trainPath(ctx context.Context, s streams, path string, o trainOptions) error {
	opened, err := os.Stat(path)
	if err != nil {
		return err
	}
	t, err := openTrainable(ctx, path, o)
	if err != nil {
		return err
	}
	dir := trainingFolder(o.destination(path))
	_, err = os.Stat(filepath.Join(dir, checkpointFile))
	if errors.Is(err, os.ErrNotExist) && o.resume {
		return usagef("--resume: there is no checkpoint in %s: start without --resume", dir)
	}
	unlock, err := lockTraining(dir)
	if err != nil {
		return err
	}
	defer unlock()
	if now, err := os.Stat(path); err != nil || !os.SameFile(opened, now) {
		return fmt.Errorf("%s was replaced while it was read, by a training that ended just now: start again", path)
	}
	sets, err := openTrainingSets(t, &o, s.notice)
	if err != nil {
		return err
	}
	for _, name := range sets.train.EmptyClasses() {
		s.notice("class %q has no images to train on", name)
	}
	var done *written
	switch {
	case o.resume && t.bottleneck && o.inPlace(path):
		if done, err = readWritten(dir, t.meta.Pair); err != nil {
			return err
		}
	case !o.resume && o.epochs > 0:
		if err := os.Remove(filepath.Join(dir, writtenFile)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	if done == nil {
		if done, err = t.train(ctx, s, path, dir, sets, &o); err != nil {
			return err
		}
	}
	result := newTrainResult(done.History, sets)
	if done.Requantised && sets.val != nil { // the range is another than that of the last epoch
		v, err := t.judge(ctx, sets, o)
		if err != nil {
			return err
		}
		result.Top1, result.PayloadBytes = v.Top1, v.PayloadBytes
		if t.said != nil {
			result.Agreement, result.Outputs = v.Agreement, v.Outputs
		}
	}
	if o.epochs > 0 {
		if err := train.WriteCurves(filepath.Join(dir, "curves.html"), filepath.Base(o.destination(path)), done.History); err != nil {
			return err
		}
		if !o.keepCheckpoint {
			if err := removeCheckpoint(dir); err != nil {
				return err
			}
		}
	}
	return printJSON(s.out, result)
}

// train trains and writes what was learnt.
func (t *trainable) train(ctx context.Context, s streams, path, dir string, sets *trainingSets, o *trainOptions) (*written, error) {
	if err := t.calibrate(ctx, s, sets, *o); err != nil {
		return nil, err
	}
	step, err := t.compile(ctx, s, o, sets)
	if err != nil {
		return nil, err
	}
	defer step.close()
	history, err := step.run(ctx, s, dir, t, sets, *o)
	if err != nil {
		return nil, err
	}
	done := &written{History: history}
	err = t.write(ctx, s, path, step.trainer.Params(), sets, *o, func(pair string, requantised bool) error {
		done.Pair, done.Requantised = pair, requantised
		if o.epochs == 0 || !o.inPlace(path) {
			return nil
		}
		return done.note(dir)
	})
	if err != nil {
		return nil, fmt.Errorf("%w; what was learnt is kept in %s: --resume writes it again", err, dir)
	}
	return done, nil
}

// destination is what is written.
func (o trainOptions) destination(path string) string {
	if o.out != "" {
		return filepath.Clean(o.out)
	}
	return filepath.Clean(path)
}

// inPlace tells whether what is read is replaced.
func (o trainOptions) inPlace(path string) bool { return o.destination(path) == filepath.Clean(path) }

// trainingFolder returns the folder for log, curves and checkpoint.
func trainingFolder(destination string) string {
	return strings.TrimSuffix(destination, ".onnx") + ".train"
}

// defaults sets what the flags leave open by what is trained: see RATIONALE.md.
func (o *trainOptions) defaults(bottleneck bool, m *ir.Model) {
	normalised := hasBatchNorm(m)
	d := trainDefaults[slices.IndexFunc(trainDefaults, func(d trainDefault) bool {
		return d.bottleneck == bottleneck && d.backboneOnly == (o.freeze == "backbone") && (d.normalised == normalised || d.backboneOnly)
	})]
	if o.opt.Kind == "" {
		o.opt.Kind = d.optimizer
	}
	if o.lr == 0 {
		o.lr = d.lr
		if d.fanIn > 0 {
			o.lr *= min(1, d.fanIn/float64(unitFanIn(m)))
		}
		if o.opt.Kind != d.optimizer {
			o.lr = map[string]float64{grad.SGD: 0.02, grad.Adam: 1e-3, grad.AdamW: 1e-3}[o.opt.Kind]
		}
	}
	if !o.flags.Changed("weight-decay") {
		o.opt.WeightDecay = map[string]float64{grad.SGD: 5e-4, grad.AdamW: 0.01}[o.opt.Kind]
	}
	if !o.flags.Changed("clip-norm") {
		o.opt.ClipNorm = d.clip
	}
}

// trainDefault is a row of the defaults.
type trainDefault struct {
	bottleneck   bool // a bundle
	backboneOnly bool // --freeze backbone
	normalised   bool // the network has batch normalisation
	optimizer    string
	lr, clip     float64
	fanIn        float64 // of the bottleneck's units up to which lr is right, 0 for any
}

var trainDefaults = []trainDefault{
	{bottleneck: false, normalised: true, optimizer: grad.SGD, lr: 0.1},
	{bottleneck: false, normalised: false, optimizer: grad.SGD, lr: 0.01, clip: 1},
	{bottleneck: true, normalised: true, optimizer: grad.SGD, lr: 0.02},
	{bottleneck: true, normalised: false, optimizer: grad.SGD, lr: 0.02, clip: 1},
	{bottleneck: true, backboneOnly: true, optimizer: grad.Adam, lr: 4e-3, fanIn: 64},
}

// openData opens DATA for a part and tells what of it is passed over.
func openData(flag, path string, part data.Part, notice func(format string, args ...any)) (*data.Set, error) {
	set, err := data.Open(path, part)
	if err != nil {
		return nil, unusablef("%s: %w", flag, err)
	}
	for _, line := range set.PassedOver() {
		notice("%s: %s", flag, line)
	}
	return set, nil
}
