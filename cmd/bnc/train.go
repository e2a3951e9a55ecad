package main

import (
	"context"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/bottlenet/bnc"
	"github.com/bottlenet/bnc/internal/flags"
	"github.com/bottlenet/bnc/runtime/task"
	"github.com/bottlenet/bnc/runtime/train"
	"github.com/spf13/pflag"
)

var trainCommand = command{
	name:  "train",
	args:  "BUNDLE|MODEL --data DATA [FLAGS]",
	short: "Train a bundle compression-aware, or a whole model",
	long: `
The codec runs for real on the way forward and is the identity on the way back
(codec transform for what it gives back of each coefficient). A bundle is updated in
place, its three files together; a whole model goes to -o. An untrained bottleneck is
calibrated on the training images first.

DATA is an image folder (one sub-folder a class), a folder with MNIST-named IDX
files, .npy arrays, or images with masks (a PNG of class numbers beside each); with
--distill also a flat folder of images: then the original model teaches and no
labels are needed. train/ or train-* is trained on, val/ or t10k-* judged by, as is
--val; other folders are divided by --val-split.

Beside the bundle or -o, NAME.train holds log.jsonl, curves.html and, until the
training is done, the checkpoint that --resume goes on from.

Examples:
  bnc train net-rb1-c1-s2 --data imagenette --epochs 10
  bnc train net-rb1-c1-s2 --data photos --distill --freeze backbone
  bnc train resnet20.onnx --data fashion-mnist --epochs 10 -o trained.onnx
  bnc train net-rb1-c1-s2 --data imagenette --resume`,
	setup: setupTrain,
}

// declareTrain declares the flags of a training.
func declareTrain(fs *pflag.FlagSet, o *bnc.TrainOptions) {
	fs.StringVar(&o.Data, "data", "", "images to train on")
	fs.StringVar(&o.Val, "val", "", "images to judge by (default: DATA's val/ or t10k-*, else a part of DATA)")
	fs.Var(flags.Float(&o.ValSplit), "val-split", "part of DATA that is kept for judging where it is not divided; 0 for none (default 0.15)")
	fs.IntVar(&o.Limit, "limit", 0, "train on that many images, spread over the set (default: all)")
	fs.IntVar(&o.ValLimit, "val-limit", 0, "judge by that many images, spread over the set (default: all)")
	fs.Var(epochCount(&o.Epochs), "epochs", "times that each image is trained on")
	flags.StandsFor(fs, "epochs", 10)
	fs.Var(flags.CountFrom1(&o.Batch), "batch", "images a step (default 64; 16 for more than 64x64 pixels)")
	fs.IntVar(&o.Threads, "threads", 0, "threads of a session, 0 for one a core")
	fs.Uint64Var(&o.Seed, "seed", 0, "seed of shuffling and augmentation")
	fs.StringVar(&o.Freeze, "freeze", "", "what keeps its weights: none, backbone (all but the bottleneck), before (what is before the cut), mobile or cloud (that half) (default: by what is trained, see docs/training.md)")
	fs.BoolVar(&o.Distill, "distill", false, "learn from the original model's answers; labels, if any, only judge")
	fs.StringVar(&o.Teacher, "teacher", "", "original model (default: the bundle without its bottleneck)")
	fs.BoolVar(&o.Naive, "naive", false, "leave quantiser and codec out of training (the paper's comparison)")
	fs.BoolVar(&o.NoCalib, "no-calib", false, "start from the bottleneck as it is, uncalibrated")
	fs.StringVar(&o.CalibrateBy, "calib-by", "", "how an untrained bottleneck gets the channels that cross: variance or sensitivity (what the outputs feel most) (default variance)")
	fs.StringVar(&o.Range, "range", "", "quantiser's range after training: static or dynamic (default: as the bundle was split, else static)")
	fs.IntVar(&o.Quality, "quality", 0, "the codec's quality from now on, 1 to 100; with --epochs 0 nothing else changes (default: the bundle's)")
	fs.StringVar(&o.Loss, "loss", "", "cross-entropy, mse, or with --distill: distill, mse")
	fs.Float64Var(&o.LabelSmoothing, "label-smoothing", 0, "share of a label's weight that all classes get")
	fs.Var(flags.Float(&o.Temperature), "temperature", "of --distill (default 1)")
	fs.Var(flags.Float(&o.FeatureWeight), "feature-weight", "of --distill: weight of matching the cut tensor (default 1, 0 where detectors and segmenters learn behind the cut, see docs/training.md)")
	fs.Float64Var(&o.RateWeight, "rate-weight", 0, "how much of the loss a byte of payload is: fewer bytes for a little accuracy; with --target-bytes at the start")
	fs.Var(flags.NumberAbove0(&o.TargetBytes), "target-bytes", "mean payload, in bytes, to end below: what a byte is of the loss is steered, and the best epoch is one of those that fit")
	fs.StringVar(&o.Optimizer, "optimizer", "", "sgd, adam, adamw or adam-relative, whose rate is relative to each weight's size (default: by what is trained, see docs/training.md)")
	fs.Var(flags.NumberAbove0(&o.LR), "lr", "highest learning rate (default: by what is trained, see docs/training.md)")
	fs.Var(flags.Float(&o.Momentum), "momentum", "of sgd (default 0.9)")
	fs.BoolVar(&o.Nesterov, "nesterov", false, "Nesterov's momentum")
	fs.Var(flags.Float(&o.WeightDecay), "weight-decay", "weight decay (default 5e-4 for sgd, 0 for adam, 0.01 for adamw)")
	fs.BoolVar(&o.DecayAll, "decay-all", false, "decay biases and batch normalisation too")
	fs.Var(flags.Float(&o.ClipNorm), "clip-norm", "largest norm of all gradients together; 0 for any (default 1 for networks without batch normalisation, and with --distill for all but class scores)")
	fs.Float64Var(&o.EMA, "ema", 0, "decay of an average of the weights that is used in the end, e.g. 0.999")
	fs.StringVar(&o.Schedule, "schedule", train.Cosine, "of the learning rate: cosine, step or constant")
	fs.Var(flags.Float(&o.Warmup), "warmup", "epochs in which the learning rate rises (default 0.5)")
	fs.StringVar(&o.RandomResizedCrop, "random-resized-crop", "", "smallest and largest part of an image's area, e.g. 0.35,1; none (default: 0.5,1 for images of other sizes than the input's)")
	fs.StringVar(&o.RandomCrop, "random-crop", "", "pixels of padding; none (default: 2 for images of the input's size)")
	fs.StringVar(&o.Flip, "flip", "", "on or off: mirror half of the images (default on)")
	fs.IntVar(&o.Patience, "patience", 0, "end after so many epochs without a better result, 0 for never")
	fs.BoolVar(&o.KeepLast, "keep-last", false, "end with the last epoch's weights, not with the best: those of another epoch, or of the start")
	fs.StringVar(&o.Annotations, "annotations", "", "what is to be detected in the images that judge: a file in COCO's JSON")
	fs.StringVar(&o.Scores, "scores", "", scoresUsage)
	fs.StringVar(&o.Statistics, "statistics", "", "of batch normalisation in training: batch, or running as in inference (default running with --freeze backbone, and with --distill of a bundle by fewer than 32 images a step, else batch)")
	fs.StringVar(&o.Layout, "layout", "auto", "of activations in the step graph: auto, nchw or chwn")
	fs.Var(flags.Duration(&o.CheckpointEvery), "checkpoint-every", "time between checkpoints within an epoch (default 1m0s)")
	fs.BoolVar(&o.Resume, "resume", false, "go on from the checkpoint of an interrupted training with the same flags")
	fs.VarP(outputs(o), "output", "o", "model file to write, or a bundle other than the one that is read; with --distill also NAME, NAME=LOSS or NAME=LOSS:WEIGHT, the only outputs to teach, may be repeated (LOSS: "+strings.Join(bnc.OutputLosses(), ", ")+"; default: all, by what they end in)")
	fs.StringVar(&o.Dump, "dump", "", "folder to write the graphs of step and evaluation to")
	fs.Var(flags.Shapes(&o.Input), "input", "fix an input's shape, NAME=DIMS; may be repeated")
	declareTask(fs, &o.TaskOptions)
	declareImages(fs, &o.ImageOptions)
	declareFeed(fs, &o.FeedOptions)
}

// outputs is the flag --output: what is written, and which outputs are taught.
func outputs(o *bnc.TrainOptions) pflag.Value {
	return flags.Parsed{Kind: "FILE|NAME[=LOSS[:WEIGHT]]", Text: func() string { return o.Output }, Parse: func(text string) error {
		if o.Output == "" && !taughtOutput.MatchString(text) {
			o.Output = text
		} else {
			o.Outputs = append(o.Outputs, text)
		}
		return nil
	}}
}

// taughtOutput is an output with how it is to be compared.
var taughtOutput = regexp.MustCompile(`=(` + strings.Join(bnc.OutputLosses(), "|") + `)(:.*)?$`)

func setupTrain(fs *pflag.FlagSet) func(context.Context, streams, []string) error {
	var o bnc.TrainOptions
	var asJSON bool
	declareTrain(fs, &o)
	fs.BoolVar(&asJSON, "json", false, "print one JSON document")
	return func(ctx context.Context, s streams, args []string) error {
		path, err := oneArg(args, "bundle or model")
		if err != nil {
			return err
		}
		if err := noStdout(o.Output, "a model or bundle with a folder beside it"); err != nil {
			return err
		}
		r := newReporter(s.err)
		defer r.done()
		r.status = trainStatus
		o.Reporter = r
		result, err := bnc.Train(ctx, path, o)
		r.done()
		switch {
		case err != nil:
			return err
		case asJSON:
			return printJSON(s.out, result)
		}
		printTraining(s, result)
		return nil
	}
}

// trainStatus is what the bar of an epoch says.
func trainStatus(status any) string {
	s, ok := status.(train.Status)
	if !ok {
		return ""
	}
	if len(s.Errors) > 0 {
		line := fmt.Sprintf("loss %.4f", s.Loss)
		for _, o := range s.Errors[:min(len(s.Errors), 4)] { // the rest has no place in a line
			line += fmt.Sprintf("  %s %.3f", o.Output, o.Error)
		}
		return fmt.Sprintf("%s  %.0f img/s  %s left", line, s.ImagesPerSec, s.Left.Round(time.Second))
	}
	if !s.Counted {
		return fmt.Sprintf("loss %.4f  %.0f img/s  %s left", s.Loss, s.ImagesPerSec, s.Left.Round(time.Second))
	}
	return fmt.Sprintf("loss %.4f  top-1 %.1f%%  %.0f img/s  %s left", s.Loss, 100*s.Primary, s.ImagesPerSec, s.Left.Round(time.Second))
}

func printTraining(s streams, r *bnc.TrainResult) {
	kept := fmt.Sprintf("epoch %d of %d", r.Kept, len(r.Epochs))
	if r.Kept == 0 {
		kept = "as at the start"
	}
	fmt.Fprintf(s.out, "%s, %s\n", r.Destination, kept)
	agreed := "-"
	if r.OfImages() {
		agreed = rateText(r.Agreement)
	}
	for _, row := range []struct {
		name string
		text string
	}{{"top-1", rateText(r.Top1)}, {"agreement", agreed}} {
		if row.text != "-" {
			fmt.Fprintf(s.out, "  %-14s %s\n", row.name, row.text)
		}
	}
	for _, o := range r.Outputs {
		fmt.Fprintf(s.out, "  %-14s %s %s\n", o.Output, o.Words(), task.MeasureOf(o.Measure).Short(o.Value))
	}
	if r.PayloadBytes != nil {
		fmt.Fprintf(s.out, "  %-14s %.1f bytes an image\n", "payload", *r.PayloadBytes)
	}
	if len(r.Epochs) > 0 {
		fmt.Fprintf(s.out, "  %-14s %.0f images a second\n", "trained at", r.ImagesPerSec)
		fmt.Fprintf(s.out, "  %-14s %s\n", "curves", filepath.Join(r.Folder, train.CurvesFile))
	}
}
