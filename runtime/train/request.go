package train

import (
	"cmp"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/bottlenet/bnc/internal/fault"
	"github.com/bottlenet/bnc/internal/progress"
	"github.com/bottlenet/bnc/runtime/bundle"
	"github.com/bottlenet/bnc/runtime/eval"
)

// RunOptions say how a bundle or a model is trained.
type RunOptions struct {
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

	// Freeze is what keeps its weights: "none", "backbone" (all but the bottleneck), "before"
	// (what is before the cut), "mobile" or "cloud" (that half); "" by what is trained.
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
	FeatureWeight  *float64 `json:"feature_weight,omitempty"`  // of Distill: weight of matching the cut tensor; nil by what is trained
	RateWeight     float64  `json:"rate_weight,omitempty"`     // how much of the loss a byte of payload is
	// TargetBytes is the mean payload below which training ends: what a byte is of the loss
	// begins with RateWeight then, 0 for by the first loss, and is steered. 0 for none.
	TargetBytes float64 `json:"target_bytes,omitempty"`

	Optimizer   string   `json:"optimizer,omitempty"`    // "sgd", "adam", "adamw" or "adam-relative"; "" by what is trained
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
	eval.TaskOptions
	eval.ImageOptions
	eval.FeedOptions
	Reporter progress.Reporter `json:"-"`
}

// By which channels are chosen in a calibration.
const (
	BySensitivity = "sensitivity" // what the outputs feel most
	ByVariance    = "variance"    // what varies most
)

// NoEpochs stands for no training at all: only the quality of the codec changes.
const NoEpochs = -1

// EpochsToRun is the number of epochs.
func (o *RunOptions) EpochsToRun() int {
	switch o.Epochs {
	case 0:
		return 10
	case NoEpochs:
		return 0
	}
	return o.Epochs
}

// Check finds wrong usage before any work. Step checks what a step is.
func (o *RunOptions) Check(step func() error) error {
	switch {
	case o.Quality < 0 || o.Quality > 100:
		return fault.Usage("quality", "%d: expected 1 to 100", o.Quality)
	case o.Epochs < NoEpochs, o.Epochs == NoEpochs && o.Quality == 0:
		return fault.Usage("epochs", "%d: expected 1 or more, or 0 to change no more than the option quality", o.EpochsToRun())
	case !o.Distill && (o.Temperature != nil || o.FeatureWeight != nil):
		return fault.Usage("temperature", "and option feature_weight have a meaning with option distill only")
	case len(o.Outputs) > 1 && !o.Distill:
		return fault.Usage("outputs", "has a meaning with option distill only")
	case o.Teacher != "" && !o.Distill:
		return fault.Usage("teacher", "has a meaning with option distill only")
	case o.Counting() != "" && o.Naive:
		return fault.Usage(o.Counting(), "has no meaning with option naive, which trains without the codec")
	case o.Counting() != "" && o.Frozen() == "mobile":
		return fault.Usage(o.Counting(), "has no meaning with option freeze mobile: what decides about payloads does not learn")
	}
	if err := cmp.Or(fault.OneOf("range", o.Range, "", bundle.RangeStatic, bundle.RangeDynamic), fault.OneOf("calib_by", o.CalibrateBy, "", BySensitivity, ByVariance)); err != nil {
		return err
	}
	for _, check := range []func() error{o.TaskOptions.Check, o.Images().Check, step, o.Settings().Check} {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

// Images say which images train and judge.
func (o *RunOptions) Images() SetsOptions {
	return SetsOptions{
		Data: o.Data, Val: o.Val, ValSplit: orElse(o.ValSplit, 0.15), Seed: o.Seed, Limit: o.Limit, ValLimit: o.ValLimit, Taught: o.Distill,
	}
}

// Settings say how the training goes on.
func (o *RunOptions) Settings() Settings {
	return Settings{
		Epochs: o.EpochsToRun(), Seed: o.Seed, Schedule: cmp.Or(o.Schedule, Cosine), Warmup: orElse(o.Warmup, 0.5),
		Varied:   Varied{ResizedCrop: o.RandomResizedCrop, Crop: o.RandomCrop, Flip: o.Flip},
		Payload:  Payload{Weight: o.RateWeight, Target: o.TargetBytes},
		Patience: o.Patience, KeepLast: o.KeepLast, Resume: o.Resume, Every: orElse(o.CheckpointEvery, time.Minute),
	}
}

// Frozen is what keeps its weights, "" where what is trained decides.
func (o *RunOptions) Frozen() string {
	if o.Epochs == NoEpochs {
		return "backbone"
	}
	return o.Freeze
}

// Counting is the option that lets the bytes of payloads count, "" where they do not.
func (o *RunOptions) Counting() string {
	switch {
	case o.TargetBytes != 0:
		return "target_bytes"
	case o.RateWeight != 0:
		return "rate_weight"
	}
	return ""
}

// For finds wrong usage of what is trained, tells outputs apart, and returns the file that learns.
func (o *RunOptions) For(s *eval.Subject) (string, error) {
	var outputs []string
	for _, p := range s.Outputs {
		outputs = append(outputs, p.Name)
	}
	if err := o.NameOutputs(outputs); err != nil {
		return "", err
	}
	bottleneck := s.Joined != ""
	switch {
	case s.Pair != nil && !bottleneck:
		return "", fault.Usage("", "%s has no bottlenet.onnx: a plain pair has nothing to train; split the model with a bottleneck", s.Path)
	case bottleneck && s.Pair == nil:
		return "", fault.Usage("", "%s is one file of a bundle, and all three change together: give the folder %s", s.Path, filepath.Dir(s.Path))
	case bottleneck:
		return s.Joined, nil
	case o.Output == "":
		return "", fault.Usage("", "which file is to be written? give option output FILE: a model is not changed in place")
	case o.Naive, o.NoCalib, o.Range != "", o.Quality > 0, o.Counting() != "":
		return "", fault.Usage("naive", ", option no_calib, option range, option quality, option rate_weight and option target_bytes have a meaning for bundles only: %s has no bottleneck", s.Path)
	case cmp.Or(o.Frozen(), "none") != "none":
		return "", fault.Usage("freeze", "%s has a meaning for bundles only: %s has no bottleneck", o.Freeze, s.Path)
	case o.Distill && o.Teacher == "":
		return "", fault.Usage("distill", "of a whole model needs option teacher MODEL: its own answers teach it nothing")
	}
	return s.Path, nil
}

// NameOutputs tells apart what is taught and what is written, by the outputs that there are.
func (o *RunOptions) NameOutputs(known []string) error {
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
		return fault.Usage("outputs", "%s has a meaning with option distill only", taught[0])
	}
	return nil
}

// Destination is what is written.
func (o *RunOptions) Destination(path string) string {
	if o.Output != "" {
		return filepath.Clean(o.Output)
	}
	return filepath.Clean(path)
}

// InPlace tells whether what is read is replaced.
func (o *RunOptions) InPlace(path string) bool { return o.Destination(path) == filepath.Clean(path) }

// Screening are the options of a screening: those of a training that say what is learnt of, and
// from whom.
func (o RunOptions) Screening() RunOptions {
	return RunOptions{
		Data: o.Data, Val: o.Val, ValSplit: o.ValSplit, Limit: o.Limit, ValLimit: o.ValLimit, Batch: o.Batch, Distill: o.Distill, Scores: o.Scores,
		Input: o.Input, TaskOptions: o.TaskOptions, ImageOptions: o.ImageOptions, FeedOptions: o.FeedOptions, Seed: o.Seed, Threads: o.Threads,
		Epochs: 1, Freeze: "backbone", CalibrateBy: o.CalibrateBy, CheckpointEvery: new(time.Duration(0)),
	}
}

// Plain leaves out what says no more than a zero value does, so that plans of the same search
// are the same.
func (o *RunOptions) Plain() {
	for value, usual := range map[*string]string{&o.Schedule: Cosine, &o.Layout: "auto"} {
		if *value == usual {
			*value = ""
		}
	}
}

// orElse returns what an option points to, or its default where it points to nothing.
func orElse[T any](v *T, fallback T) T {
	if v == nil {
		return fallback
	}
	return *v
}
