package bnc

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/bottlenet/bnc/internal/fault"
	"github.com/bottlenet/bnc/passes/grad"
	"github.com/bottlenet/bnc/runtime/bundle"
	"github.com/bottlenet/bnc/runtime/train"
)

// TrainOptions say how a bundle or a model is trained.
type TrainOptions struct {
	// Data are the images to train on: an image folder (one sub-folder a class), a folder
	// with MNIST-named IDX files, .npy arrays, or images with masks; with Distill also a
	// flat folder of images. train/ or train-* is trained on, val/ or t10k-* judged by.
	Data string `json:"data"`
	// Val are the images to judge by; "": those of Data, or a part of it.
	Val string `json:"val,omitempty"`
	// ValSplit is the part of Data, 0 to below 1, that is kept for judging where it is not
	// divided; 0 for none, nil for 0.15.
	ValSplit *float64 `json:"val_split,omitempty"`
	Limit    int      `json:"limit,omitempty"`     // images to train on, spread over the set; 0 for all
	ValLimit int      `json:"val_limit,omitempty"` // images to judge by, spread over the set; 0 for all

	// Epochs are the times that each image is trained on; 0 for 10. NoEpochs changes no
	// more than the Quality.
	Epochs  int    `json:"epochs,omitempty"`
	Batch   int    `json:"batch,omitempty"`   // images a step; 0 for 64, and 16 for more than 64x64 pixels
	Threads int    `json:"threads,omitempty"` // of a session; 0 for one a core
	Seed    uint64 `json:"seed,omitempty"`    // of shuffling and augmentation

	// Freeze is what keeps its weights: "none" or "", "backbone" (all but the bottleneck),
	// "mobile" or "cloud" (that half).
	Freeze  string `json:"freeze,omitempty"`
	Distill bool   `json:"distill,omitempty"`  // learn from the original model's answers; labels, if any, only judge
	Teacher string `json:"teacher,omitempty"`  // original model; "" for the bundle without its bottleneck
	Naive   bool   `json:"naive,omitempty"`    // leave quantiser and codec out of training
	NoCalib bool   `json:"no_calib,omitempty"` // start from the bottleneck as it is, uncalibrated
	// CalibrateBy is how an uncalibrated bottleneck gets its channels: ByVariance or
	// BySensitivity; "" for the first.
	CalibrateBy string `json:"calib_by,omitempty"`
	// Range is the quantiser's after training, "static" or "dynamic"; "": as the bundle was
	// split, else static.
	Range   string `json:"range,omitempty"`
	Quality int    `json:"quality,omitempty"` // of the codec from now on, 1 to 100; 0 for the bundle's

	// Loss is "cross-entropy", "mse", or with Distill "distill", "mse"; "" for the first.
	Loss           string   `json:"loss,omitempty"`
	LabelSmoothing float64  `json:"label_smoothing,omitempty"` // share of a label's weight that all classes get
	Temperature    *float64 `json:"temperature,omitempty"`     // of Distill; nil for 1
	FeatureWeight  *float64 `json:"feature_weight,omitempty"`  // of Distill: weight of matching the cut tensor; nil for 1
	RateWeight     float64  `json:"rate_weight,omitempty"`     // how much of the loss a byte of payload is
	// TargetBytes is the mean payload below which training ends: what a byte is of the loss
	// begins with RateWeight then, 0 for by the first loss, and is steered. 0 for none.
	TargetBytes float64 `json:"target_bytes,omitempty"`

	Optimizer   string   `json:"optimizer,omitempty"`    // "sgd", "adam" or "adamw"; "" by what is trained
	LR          float64  `json:"lr,omitempty"`           // highest learning rate; 0 by what is trained
	Momentum    *float64 `json:"momentum,omitempty"`     // of sgd; nil for 0.9
	Nesterov    bool     `json:"nesterov,omitempty"`     // Nesterov's momentum
	WeightDecay *float64 `json:"weight_decay,omitempty"` // nil for 5e-4 for sgd, 0 for adam, 0.01 for adamw
	DecayAll    bool     `json:"decay_all,omitempty"`    // decay biases and batch normalisation too
	ClipNorm    *float64 `json:"clip_norm,omitempty"`    // largest norm of all gradients together; 0 for any, nil for 1 without batch normalisation
	EMA         float64  `json:"ema,omitempty"`          // decay of an average of the weights that is used in the end; 0 for none
	Schedule    string   `json:"schedule,omitempty"`     // of the learning rate: "cosine" or "", "step", "constant"
	Warmup      *float64 `json:"warmup,omitempty"`       // epochs in which the learning rate rises; nil for 0.5

	// RandomResizedCrop is the smallest and largest part of an image's area, "0.35,1", or
	// "none"; "" for "0.5,1" for images of other sizes than the input's.
	RandomResizedCrop string `json:"random_resized_crop,omitempty"`
	RandomCrop        string `json:"random_crop,omitempty"` // pixels of padding, or "none"; "" for 2 for images of the input's size
	Flip              string `json:"flip,omitempty"`        // "on" or "off": mirror half of the images; "" for on

	Patience int  `json:"patience,omitempty"`  // end after so many epochs without a better result; 0 for never
	KeepLast bool `json:"keep_last,omitempty"` // end with the last epoch's weights, not with the best
	// Scores is the only output with scores of classes to train; "" for all.
	Scores string `json:"scores,omitempty"`
	// Annotations say what is to be detected in the images that judge: a file in COCO's
	// JSON, of a detector.
	Annotations string `json:"annotations,omitempty"`
	// Statistics are those of batch normalisation in training: "batch", or "running" as in
	// inference; "" for running with the backbone frozen, else batch.
	Statistics string `json:"statistics,omitempty"`
	Layout     string `json:"layout,omitempty"` // of activations in the step graph: "auto" or "", "nchw", "chwn"

	// CheckpointEvery is the time between checkpoints within an epoch, in nanoseconds; 0
	// for none, nil for a minute.
	CheckpointEvery *time.Duration `json:"checkpoint_every,omitempty"`
	Resume          bool           `json:"resume,omitempty"` // go on from the checkpoint of an interrupted training with the same options
	// Outputs are the only outputs that Distill teaches, NAME, NAME=LOSS or
	// NAME=LOSS:WEIGHT, with one of grad's losses by ends and a weight among the others;
	// nil for all, by what they end in. What Output says is one of them where it is the name
	// of an output; one of them that names none is Output where that is not given.
	Outputs []string `json:"outputs,omitempty"`
	Output  string   `json:"output,omitempty"` // model file to write, or a bundle other than the one that is read
	Dump    string   `json:"dump,omitempty"`   // folder to write the graphs of step and evaluation to

	Input map[string][]int64 `json:"input,omitempty"` // shapes that inputs are fixed to
	TaskOptions
	ImageOptions
	FeedOptions
	Reporter Reporter `json:"-"`

	hopeless       func([]train.Epoch) bool // tells whether the epochs so far leave no hope; nil for never
	keepCheckpoint bool                     // that of a training that is done is the caller's
}

// NoEpochs stands for no training at all: only the quality of the codec changes.
const NoEpochs = -1

// epochs is the number of epochs.
func (o *TrainOptions) epochs() int {
	switch o.Epochs {
	case 0:
		return 10
	case NoEpochs:
		return 0
	}
	return o.Epochs
}

// check finds wrong usage before any work.
func (o *TrainOptions) check() error {
	switch {
	case o.Quality < 0 || o.Quality > 100:
		return usage("quality", "%d: expected 1 to 100", o.Quality)
	case o.Epochs < NoEpochs, o.Epochs == NoEpochs && o.Quality == 0:
		return usage("epochs", "%d: expected 1 or more, or 0 to change no more than the option quality", o.epochs())
	case !o.Distill && (o.Temperature != nil || o.FeatureWeight != nil):
		return usage("temperature", "and option feature_weight have a meaning with option distill only")
	case len(o.Outputs) > 1 && !o.Distill:
		return usage("outputs", "has a meaning with option distill only")
	case o.Teacher != "" && !o.Distill:
		return usage("teacher", "has a meaning with option distill only")
	case o.counting() != "" && o.Naive:
		return usage(o.counting(), "has no meaning with option naive, which trains without the codec")
	case o.counting() != "" && o.frozen() == "mobile":
		return usage(o.counting(), "has no meaning with option freeze mobile: what decides about payloads does not learn")
	}
	if err := cmp.Or(fault.OneOf("range", o.Range, "", bundle.RangeStatic, bundle.RangeDynamic), fault.OneOf("calib_by", o.CalibrateBy, "", BySensitivity, ByVariance)); err != nil {
		return err
	}
	for _, check := range []func() error{o.TaskOptions.Check, o.images().Check, o.step().Check, o.settings().Check} {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

// images say which images train and judge.
func (o *TrainOptions) images() train.SetsOptions {
	return train.SetsOptions{
		Data: o.Data, Val: o.Val, ValSplit: orElse(o.ValSplit, 0.15), Seed: o.Seed, Limit: o.Limit, ValLimit: o.ValLimit, Taught: o.Distill,
	}
}

// step says what a step is.
func (o *TrainOptions) step() grad.BuildOptions {
	return grad.BuildOptions{
		Loss: o.loss(), Teach: o.Outputs, Output: o.Scores, Distilled: o.Distill, OwnTeacher: o.Teacher == "", Naive: o.Naive,
		Freeze: o.frozen(), Batch: o.Batch, Rate: o.LR, Decay: o.WeightDecay, Clip: o.ClipNorm,
		Opt:        grad.Optimizer{Kind: o.Optimizer, Momentum: orElse(o.Momentum, 0.9), Nesterov: o.Nesterov, DecayAll: o.DecayAll, EMA: o.EMA},
		Statistics: o.Statistics, Layout: grad.Layout(cmp.Or(o.Layout, "auto")),
	}
}

// settings say how the training goes on.
func (o *TrainOptions) settings() train.Settings {
	return train.Settings{
		Epochs: o.epochs(), Seed: o.Seed, Schedule: cmp.Or(o.Schedule, train.Cosine), Warmup: orElse(o.Warmup, 0.5),
		Varied:   train.Varied{ResizedCrop: o.RandomResizedCrop, Crop: o.RandomCrop, Flip: o.Flip},
		Payload:  train.Payload{Weight: o.RateWeight, Target: o.TargetBytes},
		Patience: o.Patience, KeepLast: o.KeepLast, Resume: o.Resume, Every: orElse(o.CheckpointEvery, time.Minute), Hopeless: o.hopeless,
	}
}

// frozen is what keeps its weights.
func (o *TrainOptions) frozen() string {
	switch {
	case o.Epochs == NoEpochs:
		return "backbone"
	case o.Freeze == "":
		return "none"
	}
	return o.Freeze
}

// counting is the option that lets the bytes of payloads count, "" where they do not.
func (o *TrainOptions) counting() string {
	switch {
	case o.TargetBytes != 0:
		return "target_bytes"
	case o.RateWeight != 0:
		return "rate_weight"
	}
	return ""
}

// loss is what training makes small.
func (o *TrainOptions) loss() grad.Loss {
	l := grad.Loss{Kind: o.Loss, LabelSmoothing: o.LabelSmoothing, Temperature: orElse(o.Temperature, 1), Rate: o.counting() != ""}
	if l.Kind == "" {
		l.Kind = grad.CrossEntropy
		if o.Distill {
			l.Kind = grad.Distill
		}
	}
	if o.Distill {
		l.FeatureWeight = orElse(o.FeatureWeight, 1)
	}
	return l
}

// nameOutputs tells apart what is taught and what is written, by the outputs that there are.
func (o *TrainOptions) nameOutputs(known []string) error {
	var taught []string
	for _, text := range append([]string{o.Output}, o.Outputs...) {
		name, _, how := strings.Cut(text, "=")
		switch {
		case text == o.Output && !slices.Contains(known, text):
		case text == o.Output:
			o.Output, taught = "", append(taught, text)
		case o.Output == "" && !how && !slices.Contains(known, name):
			o.Output = text
		default:
			taught = append(taught, text)
		}
	}
	if o.Outputs = taught; len(taught) > 0 && !o.Distill {
		return usage("outputs", "%s has a meaning with option distill only", taught[0])
	}
	return nil
}

// destination is what is written.
func (o *TrainOptions) destination(path string) string {
	if o.Output != "" {
		return filepath.Clean(o.Output)
	}
	return filepath.Clean(path)
}

// inPlace tells whether what is read is replaced.
func (o *TrainOptions) inPlace(path string) bool { return o.destination(path) == filepath.Clean(path) }

// TrainResult is what a training gave.
type TrainResult = train.Result

// Train trains a bundle with its codec in the way, or a whole model. A bundle is updated
// in place, its three files together; a whole model goes to Output. An untrained
// bottleneck is calibrated on the training images first. Beside what is written,
// NAME.train holds log.jsonl, curves.html and, until the training is done, the checkpoint
// that Resume goes on from.
func Train(ctx context.Context, path string, o TrainOptions) (*TrainResult, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	opened, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	t, err := openTraining(ctx, path, o)
	if err != nil {
		return nil, err
	}
	dir := train.FolderOf(t.destination(path))
	if held, err := dir.HasCheckpoint(); err == nil && !held && o.Resume {
		return nil, usage("resume", ": there is no checkpoint in %s: start without option resume", dir)
	}
	unlock, err := dir.Lock()
	if err != nil {
		return nil, err
	}
	defer unlock()
	if now, err := os.Stat(path); err != nil || !os.SameFile(opened, now) {
		return nil, fmt.Errorf("%s was replaced while it was read, by a training that ended just now: start again", path)
	}
	sets, err := t.openSets()
	if err != nil {
		return nil, err
	}
	if err := t.settle(sets); err != nil {
		return nil, err
	}
	for _, name := range sets.Train.EmptyClasses() {
		t.Notice("class %q has no images to train on", name)
	}
	done, err := t.before(path, dir)
	if err == nil && done == nil {
		done, err = t.run(ctx, path, dir, sets)
	}
	if err != nil {
		return nil, err
	}
	return t.finish(ctx, path, dir, sets, done)
}

// before returns what an earlier process gave that trained and did not come to the end,
// nil for none.
func (t *training) before(path string, dir train.Folder) (*train.Written, error) {
	switch {
	case t.Resume && t.bottleneck && t.inPlace(path):
		return dir.Written(t.meta.Pair)
	case !t.Resume && t.epochs() > 0:
		return nil, dir.Forget()
	}
	return nil, nil
}

// run trains and writes what was learnt.
func (t *training) run(ctx context.Context, path string, dir train.Folder, sets *train.Sets) (*train.Written, error) {
	if err := t.calibrate(ctx, sets); err != nil {
		return nil, err
	}
	if _, _, err := t.settleCodec(ctx, sets, false); err != nil {
		return nil, err
	}
	job, err := t.compile(ctx, sets)
	if err != nil {
		return nil, err
	}
	defer job.Close()
	history, err := t.learn(ctx, dir, job)
	if err != nil {
		return nil, err
	}
	done := &train.Written{History: history}
	err = t.write(ctx, path, job.Trainer.Params(), sets, func(pair string, requantised bool) error {
		done.Pair, done.Requantised = pair, requantised
		if t.epochs() == 0 || !t.inPlace(path) {
			return nil
		}
		return dir.Note(done)
	})
	if err != nil {
		return nil, fmt.Errorf("%w; what was learnt is kept in %s: option resume writes it again", err, dir)
	}
	return done, nil
}

// finish makes the result of a training that is written, and leaves its folder with the
// curves.
func (t *training) finish(ctx context.Context, path string, dir train.Folder, sets *train.Sets, done *train.Written) (*TrainResult, error) {
	r := train.NewResult(done.History, t.kind.Kind, sets.Train.Len(), t.destination(path), dir)
	if done.Requantised && sets.Val != nil { // the range is another than that of the last epoch
		v, err := t.judge(ctx, sets)
		if err != nil {
			return nil, err
		}
		r.Rejudge(v, t.said != nil)
	}
	if t.epochs() == 0 {
		return r, nil
	}
	if err := train.WriteCurves(dir.Curves(), filepath.Base(r.Destination), t.kind.Task, done.History); err != nil {
		return nil, err
	}
	if t.keepCheckpoint {
		return r, nil
	}
	return r, dir.Finish()
}
