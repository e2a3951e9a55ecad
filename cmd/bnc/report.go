package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/bottlenet/bnc"
	"github.com/bottlenet/bnc/internal/flags"
	"github.com/bottlenet/bnc/runtime/plan"
	"github.com/bottlenet/bnc/runtime/report"
	"github.com/spf13/pflag"
)

var reportCommand = command{
	name:  "report",
	args:  "--profile NAME|FILE[,...] -o FILE.html [FLAGS]",
	short: "Show search, profiles and selection on one page",
	long: `
Writes one HTML file that needs nothing else, for the user's own model: choices
beside mobile-only and cloud-only (the paper's Table 5), latency and energy of all
cuts over every network (Table 4), size of the features by cut (Fig. 6), accuracy
against size with the Pareto front, accuracy lost against bits (Fig. 7), what was
not trained and why, and the measured times. Every row tells the file and the entry
that it comes from; the files are listed with their SHA-256.

--eval takes what bnc eval --json prints, NAME=FILE or FILE: of bundles at several
--quality, such as one trained with --naive and one without, and of the model as it
is, which they are compared with (default: the baseline of the results). Those of
the model with --input-codec, of the same images, tell what the best image codec
takes for the same accuracy, and where a bundle is not better. --model
tells the sizes of the cut tensors and of the input; without it those of profiled
plain splits are shown.

Examples:
  bnc report --profile paper --model resnet50.onnx -o paper.html
  bnc report --results search.json --profile phone.json --cloud-profile server.json -o report.html
  bnc eval net.onnx --data photos --input-codec avif --quality 10-70:10 --json > avif.json
  bnc report --profile laptop.json --eval rb9=rb9.json --eval avif=avif.json -o report.html
  bnc report --results search.json --profile laptop.json --model net.onnx --eval aware=aware.json --eval naive=naive.json \
      --network 3g --network 12Mbit,20ms -o report.html --markdown report.md --csv tables`,
	setup: setupReport,
}

func setupReport(fs *pflag.FlagSet) func(context.Context, streams, []string) error {
	var o bnc.ReportOptions
	fs.StringSliceVar(&o.Profiles, "profile", nil, "profiles of the device: files, or "+strings.Join(plan.BuiltinProfiles(), ", "))
	fs.StringVar(&o.CloudProfile, "cloud-profile", "", "profile of the server (default: the device's profile holds its times)")
	fs.StringVar(&o.Results, "results", "", "results of bnc search")
	fs.StringVar(&o.Model, "model", "", "the model, for the sizes of its tensors")
	fs.StringArrayVar(&o.Evals, "eval", nil, "`[NAME=]FILE`, what bnc eval --json printed; may be repeated")
	fs.StringArrayVar(&o.Networks, "network", plan.DefaultNetworks(), "a network's name, `RATE[,DELAY]` or a FILE.json; may be repeated")
	fs.Var(flags.Float(&o.MaxLoss), "max-loss", "with --results: accuracy that a choice may lose, percentage points (default: the search's)")
	fs.Float64Var(&o.ImageBytes, "image-bytes", 0, "size of the compressed image that cloud-only sends (default: the profile's)")
	fs.StringVarP(&o.Out, "output", "o", "", "HTML file to write, - for standard output")
	fs.StringVar(&o.Markdown, "markdown", "", "Markdown file with the same tables")
	fs.StringVar(&o.CSV, "csv", "", "folder for the same tables as CSV, all digits of the numbers in them")
	fs.StringVar(&o.Title, "title", "", "title of the page (default: made of the model's name)")
	asJSON := fs.Bool("json", false, "print the names of the files written as one JSON document")
	return func(ctx context.Context, s streams, args []string) error {
		switch {
		case len(args) > 0:
			return usagef("expected flags only, found %s", argumentsText(args))
		case o.Out == "" && len(o.Profiles) > 0:
			return usagef("-o is missing: which file?")
		}
		said, err := s.beside(o.Out, *asJSON)
		if err != nil {
			return err
		}
		var toStdout []func(*report.Report, io.Writer) error
		for _, f := range []struct {
			name  *string
			write func(*report.Report, io.Writer) error
		}{{&o.Out, (*report.Report).WriteHTML}, {&o.Markdown, (*report.Report).WriteMarkdown}} {
			if *f.name == standardOutput {
				*f.name, toStdout = "", append(toStdout, f.write)
			}
		}
		r, err := bnc.Report(ctx, o)
		if err != nil {
			return err
		}
		for _, write := range toStdout {
			r.Files = append([]string{standardOutput}, r.Files...)
			if err := write(r.Page, s.out); err != nil {
				return err
			}
		}
		if *asJSON {
			return printJSON(said.out, r)
		}
		fmt.Fprintln(said.out, strings.Join(r.Files, "\n"))
		return nil
	}
}
