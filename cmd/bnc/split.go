package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/bottlenet/bnc"
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

func setupSplit(fs *pflag.FlagSet) func(context.Context, streams, []string) error {
	var o bnc.SplitOptions
	declareSplit(fs, &o)
	asJSON := fs.Bool("json", false, "print one JSON document")
	return func(ctx context.Context, s streams, args []string) error {
		path, err := oneArg(args, "model")
		if err != nil {
			return err
		}
		if err := noStdout(o.Out, "a folder"); err != nil {
			return err
		}
		bar := newReporter(s.err)
		defer bar.done()
		o.Reporter = bar
		r, err := bnc.Split(ctx, path, o)
		if err != nil {
			return err
		}
		if *asJSON {
			return printJSON(s.out, r)
		}
		printSplit(s, r, o)
		return nil
	}
}

// declareSplit declares the flags of a split's options. What is not given stays zero, which
// stands for the default that the help shows.
func declareSplit(fs *pflag.FlagSet, o *bnc.SplitOptions) {
	fs.StringVar(&o.After, "after", "", "cut to split at: rbK, cutN or a tensor's name")
	fs.Var(each(&o.Channels, "N|full|auto", bnc.ParseChannels), "c", "channels that cross, or full: all of them, without channel units; of several tensors one number for all or one for each, as in 16,32,8; auto: as many of each as --bytes have room for")
	fs.Var(countFrom1(&o.Bytes), "bytes", "bytes that a payload takes in the mean, with --c auto and --calib")
	fs.Var(each(&o.Stride, "int", within(1, 4)), "s", "spatial reduction, 1 to 4 (default 2; 1 where height or width is 1); of several tensors as --c")
	fs.Var(bounded(&o.Bits, 2, 8), "bits", "bits of the quantiser, 2 to 8")
	fs.Var(bounded(&o.Quality, 1, 100), "quality", "quality of the codec, 1 to 100 (default: the codec's own, 20 of jpeg, 50 of transform)")
	fs.StringVar(&o.Codec, "codec", "", "codec: "+strings.Join(bnc.Codecs(), " or "))
	fs.BoolVar(&o.VariableRate, "variable-rate", false, "each record tells its own quality, in one byte: bnc run chooses it for each image (codec transform)")
	fs.StringVar(&o.Range, "range", "", "quantiser's range: static (calibrated, nothing travels) or dynamic (each image's own travels)")
	fs.StringVar(&o.CodecAt, "codec-at", "", "where the codec runs: graph, device-host or host")
	fs.IntVar(&o.RestoreWidth, "restore-width", 0, "width of a residual branch in the restoration, 0 for none")
	fs.StringVar(&o.Target, "target", "", "what the mobile half is for: default or tx2 (Jetson TX2)")
	fs.BoolVar(&o.FP16, "fp16", false, "compute in float16 (inputs, outputs and quantiser stay float32)")
	fs.BoolVar(&o.Plain, "plain", false, "no bottleneck: the cut tensor itself crosses")
	fs.Var(inputShapes(&o.Input), "input", "fix an input's shape, NAME=DIMS; may be repeated")
	fs.StringVar(&o.Calibrate, "calib", "", "images to calibrate the bottleneck on: a folder, classes or flat, IDX or .npy")
	fs.StringVar(&o.CalibrateBy, "calib-by", "", "how --calib chooses the channels that cross: sensitivity (what the outputs feel most, by gradients) or variance (default sensitivity)")
	fs.Uint64Var(&o.Seed, "seed", 0, "seed of the bottleneck's weights")
	fs.StringVarP(&o.Out, "output", "o", "", "bundle to write (default MODEL-CUT-cC-sS in the working directory)")
	fs.BoolVar(&o.ExternalData, "external-data", false, "keep large weights in FILE.data beside each graph")
	fs.StringVar(&o.Dump, "dump", "", "folder to write the model to after each pass")
	fs.StringVar(&o.Depfile, "depfile", "", "make-style dependency file to write")
	declareTask(fs, &o.TaskOptions)
	declareImages(fs, &o.ImageOptions)
	declareFeed(fs, &o.FeedOptions)
	for name, value := range map[string]any{"c": 1, "bits": 8, "codec": bnc.DefaultCodec, "codec-at": bnc.CodecInGraph, "target": bnc.TargetDefault} {
		standsFor(fs, name, value)
	}
}

func printSplit(s streams, r *bnc.SplitResult, o bnc.SplitOptions) {
	fmt.Fprintf(s.out, "%s\n", r.Bundle)
	for i, name := range r.Tensor {
		cut := r.Cut
		if len(r.Tensor) > 1 {
			cut = fmt.Sprintf("%d of %d", i+1, len(r.Tensor))
		}
		fmt.Fprintf(s.out, "  cut      %s, tensor %q %s\n", cut, name, shapeText(r.CutShape[i]))
	}
	codec := strings.ToUpper(r.Codec)
	if r.Quality > 0 {
		codec += fmt.Sprintf(" quality %d", r.Quality)
	}
	for i, tile := range r.Tile {
		fmt.Fprintf(s.out, "  crosses  %s as a %d x %d tile, %s\n", shapeText(r.ReducedShape[i]), tile[0], tile[1], codec)
	}
	if r.Tile == nil {
		fmt.Fprintf(s.out, "  crosses  the tensor itself\n")
	}
	for _, f := range r.Files {
		fmt.Fprintf(s.out, "  %-15s %s bytes\n", f.Name, count(f.Bytes))
	}
	if r.Tile != nil && o.Calibrate == "" {
		s.notice("The bottleneck is neither calibrated nor trained: the pair predicts noise. Calibrate with --calib IMAGES, train with bnc train.")
	}
}
