package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"

	"github.com/bottlenet/bnc"
	"github.com/bottlenet/bnc/internal/flags"
	"github.com/bottlenet/bnc/runtime/client"
	"github.com/bottlenet/bnc/runtime/predict"
	"github.com/spf13/pflag"
)

var runCommand = command{
	name:  "run",
	args:  "BUNDLE|FOLDER-OF-BUNDLES|MODEL INPUT... [FLAGS]",
	short: "Run images through a bundle, here or with a server, or through a whole model",
	long: `
INPUT is an image (JPEG, PNG, WebP, TIFF, BMP), a .npy tensor that is prepared
already, or a folder of them. Results come in input order. An input that cannot be
used is told and left out: the others have their results, and the exit code is 3.
What is printed is what the task says: classes, boxes, the areas of a mask, the
nearest of the inputs, text; --json has every output, large ones summed up.
A model with several inputs takes NAME=FILE,NAME=FILE for one run, or by --feed what is
the same in all.

A pair that was split with --variable-rate takes --rate, the quality of its codec, and
--max-bytes, which no image exceeds: one that would gets the highest rate that fits.
With a server and --max-loss at the split each image's rate follows the link.

Without --cloud both halves of a bundle run in this process. With it the mobile
half runs here and the rest on the server, which knows a bundle by its folder's
name. Of a folder of bundles of one model the fastest is used, by what is
measured of the link, the server and this device. A whole MODEL runs on the
server alone. What the server does not answer in time is finished here
("where" says mobile).

Examples:
  bnc run resnet50-rb1-c1-s2 photo.jpg
  bnc run net-rb6 photos/ --labels labels.txt --jsonl
  bnc run detector-rb1 photos/ --draw seen/ --save outputs/
  bnc run siamese.onnx left=a.jpg,right=b.jpg
  bnc run siamese.onnx photos/ --feed right=reference.npy
  bnc run net-rb1 photo.jpg --ep tensorrt,cpu --json
  bnc run net-rb1 photos/ --cloud http://127.0.0.1:8000 --jsonl
  bnc run net-rb6 photos/ --max-bytes 400
  bnc run bundles/ photos/ --cloud grpcs://cloud.example:8001 --token token.txt
  bnc run bundles/ photos/ --cloud http://127.0.0.1:8000 --link 3g,20ms --fallback=false`,
	setup: setupRun,
}

func setupRun(fs *pflag.FlagSet) func(context.Context, streams, []string) error {
	var o bnc.RunOptions
	var asJSON, asLines bool
	fs.IntVar(&o.Top, "top", 5, "number of classes to show")
	fs.StringVar(&o.Providers, "ep", "cpu", "execution providers in order of preference: cpu, cuda, tensorrt")
	fs.IntVar(&o.Threads, "threads", 0, "threads of a session, 0 for one a core")
	fs.BoolVar(&o.TensorRTFP16, "trt-fp16", false, "let TensorRT compute in float16")
	fs.StringVar(&o.TensorRTCache, "trt-cache", "", "folder where TensorRT keeps its engines")
	fs.StringVar(&o.Draw, "draw", "", "folder for pictures with what is seen of them: boxes, masks, landmarks, words")
	fs.StringVar(&o.Save, "save", "", "folder for every output as a .npy file, NAME.OUTPUT.npy")
	fs.StringVar(&o.Scores, "scores", "", "output whose classes are shown (default: the first that has scores, of as many classes as there are labels)")
	declareTask(fs, &o.TaskOptions)
	declareImages(fs, &o.ImageOptions)
	declareFeed(fs, &o.FeedOptions)
	fs.Var(flags.Bounded(&o.Quality, 1, 100), "rate", "quality of the codec for this run, 1 to 100 (default: the pair's own, or with a server and a pair that was split with --max-loss what the link has room for)")
	fs.Var(flags.CountFrom1(&o.MaxBytes), "max-bytes", "no image takes more bytes, framing included: those that would get the highest rate that fits")
	declareRemote(fs, &o.RemoteOptions, "run the cloud half on this server of the Open Inference Protocol")
	fs.StringVar(&o.Link, "link", "", "emulate a link to the server: 3g, 4g, wifi or RATE, each with [,DELAY] one way, as in 5.85Mbit,20ms")
	fs.DurationVar(&o.Deadline, "deadline", 0, "how long an image may take with the server")
	flags.StandsFor(fs, "deadline", client.DefaultDeadline)
	flags.Bool(fs, &o.Fallback, "fallback", "finish here what the server does not answer in time")
	flags.StandsFor(fs, "fallback", true)
	fs.StringVar(&o.Model, "model", "", "the whole model, to run instead of a bundle's own cloud half where the server does not answer")
	fs.StringVar(&o.Cut, "cut", "", "use only this of a folder of bundles: a cut or a bundle's name")
	fs.IntVar(&o.InFlight, "inflight", 0, "images that are under way at a time: more for throughput, 1 for the lowest latency")
	flags.StandsFor(fs, "inflight", 1)
	fs.BoolVar(&asJSON, "json", false, "print one JSON document")
	fs.BoolVar(&asLines, "jsonl", false, "print each result as a line of JSON as soon as it is there")
	return func(ctx context.Context, s streams, args []string) error {
		if len(args) < 2 {
			return usagef("expected a bundle or model and at least one input, found %s", argumentsText(args))
		}
		if err := notZero(fs, "1 or more", "top", "inflight"); err != nil {
			return err
		}
		if err := notZero(fs, "more than 0", "deadline"); err != nil {
			return err
		}
		if asJSON && asLines {
			return usagef("--json and --jsonl exclude each other")
		}
		r := newReporter(s.err)
		defer r.done()
		o.Reporter, o.Log = r, slog.New(slog.NewTextHandler(s.err, nil))
		switch {
		case asLines:
			o.Each = func(r *predict.Result) error {
				line, err := json.Marshal(r)
				if err == nil {
					_, err = fmt.Fprintf(s.out, "%s\n", line)
				}
				return err
			}
		case !asJSON:
			o.Each = func(r *predict.Result) error { return printResult(s, r) }
		}
		result, err := bnc.Run(ctx, args[0], args[1:], o)
		if asJSON && result != nil && len(result.Results) > 0 {
			err = errors.Join(err, printJSON(s.out, result))
		}
		return err
	}
}

// printResult prints a result for people.
func printResult(s streams, r *predict.Result) error {
	link := ""
	if r.LinkMS > 0 {
		link = fmt.Sprintf("link %.1f ms, ", r.LinkMS)
	}
	rate := ""
	if r.Rate != nil {
		rate = fmt.Sprintf(" at rate %d", *r.Rate)
	}
	where := r.Where
	if r.Model != "" {
		where += " by " + r.Model
	}
	fmt.Fprintf(s.out, "%s: %d bytes crossed%s, mobile %.1f ms, %scloud %.1f ms (%s)\n", r.Input, r.PayloadBytes, rate, r.MobileMS, link, r.CloudMS, where)
	for _, b := range r.Boxes {
		fmt.Fprintf(s.out, "  %6.2f%%  %d %s  %.0f,%.0f to %.0f,%.0f\n", 100*b.Score, b.Class, b.Label, b.X0, b.Y0, b.X1, b.Y1)
	}
	if r.Boxes != nil && len(r.Boxes) == 0 {
		fmt.Fprintln(s.out, "  nothing detected")
	}
	lines := r.Lines()
	for _, line := range lines {
		fmt.Fprintf(s.out, "  %s\n", line)
	}
	if r.Unseen != "" {
		fmt.Fprintf(s.out, "  %s\n", inFlags(r.Unseen))
	}
	if len(lines) == 0 && r.Boxes == nil {
		for _, o := range r.Told {
			fmt.Fprintf(s.out, "  %s\n", o)
		}
	}
	return nil
}
