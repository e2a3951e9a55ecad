package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/bottlenet/bnc"
	"github.com/bottlenet/bnc/internal/flags"
	"github.com/bottlenet/bnc/internal/table"
	"github.com/bottlenet/bnc/runtime/plan"
	"github.com/bottlenet/bnc/runtime/profile"
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

func setupProfile(fs *pflag.FlagSet) func(context.Context, streams, []string) error {
	var o bnc.ProfileOptions
	fs.StringSliceVar(&o.Cuts, "cuts", nil, "cuts of a model: names, those of several tensors joined with +, or all (default: the residual sums, or all where there are none)")
	fs.Var(channels(&o.Channels), "c", "channels that cross, or full")
	flags.StandsFor(fs, "c", 1)
	fs.Var(flags.Bounded(&o.Stride, 1, 4), "s", "spatial reduction, 1 to 4 (default 2; 1 where height or width is 1)")
	fs.StringVar(&o.Codec, "codec", "", "codec at the cuts of a model: "+strings.Join(bnc.Codecs(), " or "))
	flags.StandsFor(fs, "codec", bnc.DefaultCodec)
	inputs := fs.StringArray("input", nil, "image or .npy file, or a folder of them, to run (default: a drawn image); NAME=DIMS fixes an input's shape; may be repeated")
	fs.IntVar(&o.Runs, "runs", 200, "runs that are measured at most")
	fs.Var(flags.Float(&o.Confidence), "confidence", "stop when the median's 95% confidence interval is within so many percent on either side (default 2)")
	fs.IntVar(&o.Threads, "threads", 0, "threads of a session, 0 for one a core")
	fs.StringVar(&o.Providers, "ep", "cpu", "execution providers in order of preference: cpu, cuda, tensorrt")
	fs.StringVar(&o.Power, "power", "", "source of power: auto, rails:LABEL,..., command:CMD or constant:MW (default: none)")
	fs.StringVar(&o.Device, "device", "", "what to call this device (default: its processor)")
	fs.BoolVar(&o.Check, "check", false, "also run a pair for every cut of a model and compare")
	fs.StringVarP(&o.Out, "output", "o", "", "profile to write (default: JSON on stdout)")
	declareImages(fs, &o.ImageOptions)
	declareFeed(fs, &o.FeedOptions)
	asJSON := fs.Bool("json", false, "print the profile as one JSON document, also with -o")
	return func(ctx context.Context, s streams, args []string) error {
		if err := sortInputs(*inputs, &o); err != nil {
			return err
		}
		if o.Out == standardOutput { // where it goes without -o
			o.Out = ""
		}
		bar := newReporter(s.err)
		defer bar.done()
		o.Reporter = bar
		r, err := bnc.Profile(ctx, args, o)
		if err != nil {
			return err
		}
		bar.done()
		if err := writeChecked(s, r); err != nil {
			return err
		}
		if o.Out == "" || *asJSON {
			return printJSON(s.out, r)
		}
		return writeProfile(s, r)
	}
}

// sortInputs tells the shapes among the --input flags from the images.
func sortInputs(given []string, o *bnc.ProfileOptions) error {
	for _, text := range given {
		_, missing := os.Stat(text)
		if missing != nil && flags.Shapes(&o.Input).Set(text) == nil {
			continue
		}
		if o.Images != "" {
			return usagef("--input %s and --input %s: expected one file or folder of images, and shapes as NAME=DIMS", o.Images, text)
		}
		o.Images = text
	}
	return nil
}

// writeChecked prints what --check compared.
func writeChecked(s streams, r *profile.Result) error {
	if r.Checked == nil {
		return nil
	}
	rows := [][]string{{"cut", "mobile ms", "pair's", "off", "cloud ms", "pair's", "off"}}
	for _, c := range r.Checked {
		mobile, cloud := c.Errors()
		rows = append(rows, []string{
			c.Nodes.Cut, timeText(c.Nodes.Mobile), timeText(c.Pair.Mobile), fmt.Sprintf("%+.1f%%", 100*mobile),
			timeText(c.Nodes.Cloud), timeText(c.Pair.Cloud), fmt.Sprintf("%+.1f%%", 100*cloud),
		})
	}
	if err := table.Left(s.err, rows); err != nil {
		return err
	}
	s.notice("%s", r.Notes[len(r.Notes)-1])
	return nil
}

// writeProfile prints the entries.
func writeProfile(s streams, r *profile.Result) error {
	fmt.Fprintf(s.out, "%s on %s, %s\n", r.Model, r.Device, r.Provider)
	if r.Whole != nil {
		fmt.Fprintf(s.out, "whole model: %s ms, %d runs\n", timeText(r.Whole), r.Whole.Runs)
	}
	fmt.Fprintln(s.out)
	rows := [][]string{{"cut", "c", "s", "codec", "method", "payload bytes", "mobile ms", "cloud ms", "mobile params"}}
	for _, c := range r.Cuts {
		rows = append(rows, slices.Concat([]string{c.Cut}, sizeText(c.C, c.S), []string{
			orDash(c.Codec), c.Method, fmt.Sprintf("%.0f", c.PayloadBytes), timeText(c.Mobile), timeText(c.Cloud), count(c.MobileParams),
		}))
	}
	return table.Left(s.out, rows)
}

func timeText(t *plan.Timing) string { return fmt.Sprintf("%.2f ±%.2f", t.MedianMS, t.HalfWidthMS) }
