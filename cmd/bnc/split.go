package main

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/bottlenet/bnc"
	"github.com/bottlenet/bnc/internal/flags"
	"github.com/bottlenet/bnc/runtime/plan"
	"github.com/bottlenet/bnc/runtime/task"
	"github.com/dustin/go-humanize/english"
	"github.com/spf13/pflag"
)

var splitCommand = command{
	name:  "split",
	args:  "MODEL --after CUT|--bytes B [FLAGS]",
	short: "Split a model at a cut into a mobile and a cloud graph",
	long: `
Writes a bundle: a folder with mobile.onnx, cloud.onnx and bottlenet.onnx (the
joined network, for bnc train). CUT is an alias (rb1), an ID (cut7) or the name
of a tensor; bnc inspect lists them.

A bottleneck that was neither calibrated (--calib) nor trained (bnc train)
predicts noise. A calibrated one is usable at moderate reductions.

With --bytes B and --calib what is not said of the bottleneck is chosen for payloads
of B bytes in the mean: channels, stride, codec and quality are tried on images that
are held out from the calibration, and what they take and how far the pair agrees
with the whole model there is printed. Without --after the cut is chosen, too: the
one with the fewest multiply-adds before it that loses no point more than the best
one, or with --profile the one of least latency.

Examples:
  bnc split resnet50.onnx --after rb1 --c 1 --s 2
  bnc split net.onnx --after rb6 --c 24 --s 1 --calib photos/ -o net-rb6
  bnc split net.onnx --after rb9 --bytes 400 --calib photos/
  bnc split net.onnx --bytes 400 --calib photos/ --profile phone.json --network 3g
  bnc split net.onnx --after rb6 --c 24 --s 1 --codec transform --variable-rate --max-loss 2 --calib photos/
  bnc split net.onnx --after rb14 --plain
  bnc split net.onnx --after rb1 --target tx2`,
	setup: setupSplit,
}

func setupSplit(fs *pflag.FlagSet) func(context.Context, streams, []string) error {
	var o bnc.SplitOptions
	declareSplit(fs, &o)
	fs.Var(flags.Float(&o.MaxLoss), "max-loss", "with --variable-rate and --calib: measure rates on images held out, so that bnc run --cloud chooses each image's by the link and loses no more agreement with the whole model, in points")
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
	fs.Var(flags.List(&o.Channels, "N|full|auto", bnc.ParseChannels), "c", "channels that cross, or full: all of them, without channel units; of several tensors one number for all or one for each, as in 16,32,8; auto: what is best for --bytes, as without --c")
	fs.Var(flags.CountFrom1(&o.Bytes), "bytes", "bytes that a payload takes in the mean: what is not said is chosen for it, with --calib")
	fs.StringSliceVar(&o.Profiles, "profile", nil, "with --bytes and without --after: choose the cut of least latency by the times of these profiles of the device: files of bnc profile, or "+strings.Join(plan.BuiltinProfiles(), ", "))
	fs.StringVar(&o.CloudProfile, "cloud-profile", "", "profile of the server (default: the device's profile holds its times)")
	fs.StringVar(&o.Network, "network", "", "network that --profile predicts for: a name, RATE[,DELAY] or a FILE.json (default 4g)")
	fs.Var(flags.List(&o.Stride, "int", flags.Within(1, 4)), "s", "spatial reduction, 1 to 4 (default 2; 1 where height or width is 1); of several tensors as --c")
	fs.Var(flags.Bounded(&o.Bits, 2, 8), "bits", "bits of the quantiser, 2 to 8")
	fs.Var(flags.Bounded(&o.Quality, 1, 100), "quality", "quality of the codec, 1 to 100 (default: the codec's own, 20 of jpeg, 50 of transform)")
	fs.StringVar(&o.Codec, "codec", "", "codec: "+strings.Join(bnc.Codecs(), " or ")+"; auto: the better one for --bytes, as without --codec")
	fs.BoolVar(&o.VariableRate, "variable-rate", false, "each record tells its own quality, in one byte: bnc run chooses it for each image (codec transform)")
	fs.StringVar(&o.Range, "range", "", "quantiser's range: static (calibrated, nothing travels) or dynamic (each image's own travels)")
	fs.StringVar(&o.CodecAt, "codec-at", "", "where the codec runs: graph, device-host or host")
	fs.IntVar(&o.RestoreWidth, "restore-width", 0, "width of a residual branch in the restoration, 0 for none")
	fs.StringVar(&o.Target, "target", "", "what the mobile half is for: default or tx2 (Jetson TX2)")
	fs.BoolVar(&o.FP16, "fp16", false, "compute in float16 (inputs, outputs and quantiser stay float32)")
	fs.BoolVar(&o.Plain, "plain", false, "no bottleneck: the cut tensor itself crosses")
	fs.Var(flags.Shapes(&o.Input), "input", "fix an input's shape, NAME=DIMS; may be repeated")
	fs.StringVar(&o.Calibrate, "calib", "", "images to calibrate the bottleneck on: a folder, classes or flat, IDX or .npy")
	fs.StringVar(&o.CalibrateBy, "calib-by", "", "how --calib chooses the channels that cross: sensitivity (what the outputs feel most, by gradients) or variance (default sensitivity)")
	fs.Uint64Var(&o.Seed, "seed", 0, "seed of the bottleneck's weights")
	fs.StringVarP(&o.Out, "output", "o", "", "bundle to write (default MODEL-CUT-cC-sS, or with --bytes MODEL-CUT-bB, in the working directory)")
	fs.BoolVar(&o.ExternalData, "external-data", false, "keep large weights in FILE.data beside each graph")
	fs.StringVar(&o.Dump, "dump", "", "folder to write the model to after each pass")
	fs.StringVar(&o.Depfile, "depfile", "", "make-style dependency file to write")
	declareTask(fs, &o.TaskOptions)
	declareImages(fs, &o.ImageOptions)
	declareFeed(fs, &o.FeedOptions)
	for name, value := range map[string]any{"c": 1, "bits": 8, "codec": bnc.DefaultCodec, "codec-at": bnc.CodecInGraph, "target": bnc.TargetDefault} {
		flags.StandsFor(fs, name, value)
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
	if c := r.Choice; c != nil {
		fmt.Fprintf(s.out, "  takes    %s bytes in the mean, %s at the 95th percentile, %s at most, on %s that the calibration has not seen\n",
			count(int64(math.Round(c.PayloadBytes.Mean))), count(int64(c.PayloadBytes.P95)), count(int64(c.PayloadBytes.Max)), english.Plural(c.N, "image", ""))
		fmt.Fprintf(s.out, "  %-8s %s with the whole model there\n", task.Text(c.Agreement.Name), agreesText(c))
	}
	if r.Rates != nil {
		for _, p := range r.Rates.Points {
			more := ""
			if p.Loss > r.Rates.MaxLoss {
				more = ": more than --max-loss, clients do not choose it"
			}
			fmt.Fprintf(s.out, "  rate %-3d %s bytes in the mean, %.1f points of agreement lost%s\n", p.Quality, count(int64(math.Round(p.Bytes))), p.Loss, more)
		}
	}
	for _, f := range r.Files {
		fmt.Fprintf(s.out, "  %-15s %s bytes\n", f.Name, count(f.Bytes))
	}
	if r.Tried != nil {
		fmt.Fprintln(s.out, "\nTried:")
		writeTable(s.out, triedTable(r), 1, false)
	}
	if r.Tile != nil && o.Calibrate == "" {
		s.notice("The bottleneck is neither calibrated nor trained: the pair predicts noise. Calibrate with --calib IMAGES, train with bnc train.")
	}
}

// agreesText is an agreement with its interval.
func agreesText(c *bnc.Choice) string {
	m := task.MeasureOf(c.Agreement.Name)
	text := m.Short(c.Agreement.Value)
	if between := c.Agreement.Interval; between != [2]float64{} {
		text += fmt.Sprintf(" (95%% between %s and %s)", m.Short(between[0]), m.Short(between[1]))
	}
	return text
}

// triedTable has a line for each of what a choice was made from.
func triedTable(r *bnc.SplitResult) [][]string {
	latency := r.Choice.LatencyMS != nil
	rows := [][]string{{"cut", "MMACs", "c", "s", "codec", "quality", "bytes", "p95", "most", task.Text(r.Choice.Agreement.Name)}}
	if latency {
		rows[0] = slices.Insert(rows[0], 2, "ms")
	}
	for _, c := range r.Tried {
		row := []string{c.Cut, "?", eachText(c.C), eachText(c.S), c.Codec, fmt.Sprint(c.Quality)}
		if macs := cmp.Or(c.DeviceMACs, c.MACsBefore); macs != nil {
			row[1] = fmt.Sprintf("%.1f", float64(*macs)/1e6)
		}
		switch {
		case c.Agreement != nil:
			row = append(row, fmt.Sprintf("%.0f", c.PayloadBytes.Mean), fmt.Sprintf("%.0f", c.PayloadBytes.P95), fmt.Sprint(c.PayloadBytes.Max), agreesText(&c))
		case c.Why != "":
			row = append(row, "", "", "", c.Why)
		default:
			row = append(row, fmt.Sprintf("%.0f", c.Least), "", "", "takes more")
		}
		if latency {
			ms := ""
			if c.LatencyMS != nil {
				ms = fmt.Sprintf("%.1f", *c.LatencyMS)
			}
			row = slices.Insert(row, 2, ms)
		}
		rows = append(rows, row)
	}
	return rows
}

// eachText is a number for all tensors, or one for each.
func eachText[T comparable](numbers []T) string {
	if len(slices.Compact(slices.Clone(numbers))) == 1 {
		numbers = numbers[:1]
	}
	return strings.Trim(strings.ReplaceAll(fmt.Sprint(numbers), " ", ","), "[]")
}
