package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/bottlenet/bnc/compiler/cut"
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
is, which they are compared with (default: the baseline of the results). --model
tells the sizes of the cut tensors and of the input; without it those of profiled
plain splits are shown.

Examples:
  bnc report --profile paper --model resnet50.onnx -o paper.html
  bnc report --results search.json --profile phone.json --cloud-profile server.json -o report.html
  bnc report --results search.json --profile laptop.json --model net.onnx --eval aware=aware.json --eval naive=naive.json \
      --network 3g --network 12Mbit,20ms -o report.html --markdown report.md --csv tables`,
	setup: setupReport,
}

type reportOptions struct {
	profiles, networks, evals   []string
	cloud, results, model       string
	maxLoss, imageBytes         float64
	limit                       *float64 // maxLoss, nil where it was not given
	out, markdown, csv, heading string
	asJSON                      bool
}

func setupReport(fs *pflag.FlagSet) func(context.Context, streams, []string) error {
	var o reportOptions
	fs.StringSliceVar(&o.profiles, "profile", nil, "profiles of the device: files, or "+strings.Join(plan.BuiltinProfiles(), ", "))
	fs.StringVar(&o.cloud, "cloud-profile", "", "profile of the server (default: the device's profile holds its times)")
	fs.StringVar(&o.results, "results", "", "results of bnc search")
	fs.StringVar(&o.model, "model", "", "the model, for the sizes of its tensors")
	fs.StringArrayVar(&o.evals, "eval", nil, "[NAME=]FILE, what bnc eval --json printed; may be repeated")
	fs.StringArrayVar(&o.networks, "network", []string{"3g", "4g", "wifi"}, "a network's name, RATE[,DELAY] or a FILE.json; may be repeated")
	fs.Float64Var(&o.maxLoss, "max-loss", 0, "with --results: accuracy that a choice may lose, percentage points (default: the search's)")
	fs.Float64Var(&o.imageBytes, "image-bytes", 0, "size of the compressed image that cloud-only sends (default: the profile's)")
	fs.StringVarP(&o.out, "output", "o", "", "HTML file to write, - for standard output")
	fs.StringVar(&o.markdown, "markdown", "", "Markdown file with the same tables")
	fs.StringVar(&o.csv, "csv", "", "folder for the same tables as CSV, all digits of the numbers in them")
	fs.StringVar(&o.heading, "title", "", "title of the page (default: made of the model's name)")
	fs.BoolVar(&o.asJSON, "json", false, "print the names of the files written as one JSON document")
	return func(ctx context.Context, s streams, args []string) error {
		switch {
		case len(args) > 0:
			return usagef("expected flags only, found %s", argumentsText(args))
		case len(o.profiles) == 0:
			return usagef("--profile: expected a file of bnc profile or one of %s", strings.Join(plan.BuiltinProfiles(), ", "))
		case o.out == "":
			return usagef("-o is missing: which file?")
		case o.imageBytes != 0 && !aboveZero(o.imageBytes):
			return usagef("--image-bytes %v: expected a number above 0", o.imageBytes)
		case !(o.maxLoss >= 0 && o.maxLoss <= 100):
			return usagef("--max-loss %v: expected percentage points from 0 to 100", o.maxLoss)
		}
		if fs.Changed("max-loss") {
			o.limit = &o.maxLoss
		}
		return makeReport(ctx, s, o)
	}
}

func makeReport(ctx context.Context, s streams, o reportOptions) error {
	if err := errors.Join(fits("-o", o.out), fits("--markdown", o.markdown)); err != nil {
		return err
	}
	said, err := s.beside(o.out, o.asJSON)
	if err != nil {
		return err
	}
	in, err := o.input(ctx)
	if err != nil {
		return err
	}
	r, err := report.New(in)
	if err != nil {
		return unusableError{err}
	}
	written, err := o.write(s, r)
	if err != nil {
		return err
	}
	if o.asJSON {
		return printJSON(said.out, map[string][]string{"files": written})
	}
	fmt.Fprintln(said.out, strings.Join(written, "\n"))
	return nil
}

// input reads the files that the flags name.
func (o *reportOptions) input(ctx context.Context) (report.Input, error) {
	in := report.Input{Title: o.heading, ImageBytes: o.imageBytes}
	for _, name := range o.profiles {
		p, err := openFrom(name, plan.ReadProfile, plan.ParseProfile)
		if err != nil {
			return in, unusableError{err}
		}
		in.Profiles = append(in.Profiles, *p)
	}
	var err error
	if o.cloud != "" {
		if in.Cloud, err = openFrom(o.cloud, plan.ReadProfile, plan.ParseProfile); err != nil {
			return in, unusablef("--cloud-profile: %w", err)
		}
	}
	if o.results != "" {
		if in.Results, err = openFrom(o.results, os.ReadFile, plan.ParseResults); err != nil {
			return in, unusablef("--results: %w", err)
		}
		if in.Limits.LossPoints = o.limit; o.limit == nil {
			in.Limits.LossPoints = new(in.Results.Value.MaxLoss())
		}
	}
	for _, flag := range o.evals {
		name, file, named := strings.Cut(flag, "=")
		if !named {
			file, name = flag, strings.TrimSuffix(filepath.Base(flag), ".json")
		}
		e, err := openFrom(file, os.ReadFile, func(file string, text []byte) (*report.Eval, error) { return report.ParseEval(file, name, text) })
		if err != nil {
			return in, unusablef("--eval: %w", err)
		}
		in.Evals = append(in.Evals, *e)
	}
	for _, name := range o.networks {
		n, err := openNetwork(name)
		if err != nil {
			return in, usagef("--network: %w", err)
		}
		in.Networks = append(in.Networks, n)
	}
	if o.model != "" {
		if in.Model, err = modelSizes(ctx, o.model); err != nil {
			return in, fmt.Errorf("--model: %w", err)
		}
	}
	return in, nil
}

// openFrom reads a file with a hash of what was read.
func openFrom[T any](name string, read func(string) ([]byte, error), parse func(string, []byte) (T, error)) (*report.From[T], error) {
	text, err := read(name)
	if err != nil {
		return nil, err
	}
	value, err := parse(name, text)
	if err != nil {
		return nil, err
	}
	hash := sha256.Sum256(text)
	return &report.From[T]{File: report.File{Name: name, SHA256: hex.EncodeToString(hash[:])}, Value: value}, nil
}

// openNetwork is plan.OpenNetwork with the file's hash.
func openNetwork(name string) (report.From[plan.Network], error) {
	n, err := plan.OpenNetwork(name)
	if err != nil || !strings.HasSuffix(name, ".json") {
		return report.From[plan.Network]{Value: n}, err
	}
	from, err := openFrom(name, os.ReadFile, func(string, []byte) (plan.Network, error) { return n, nil })
	if err != nil {
		return report.From[plan.Network]{}, err
	}
	return *from, nil
}

// modelSizes returns the sizes of a model's inputs and cut tensors.
func modelSizes(ctx context.Context, path string) (*report.From[*report.Model], error) {
	hash := startHash(ctx, path)
	a, err := analyse(ctx, path, nil)
	if err != nil {
		return nil, err
	}
	sizes := new(report.Model)
	for _, v := range a.Model.Graph.Feeds() {
		bytes := a.Bytes(&cut.Cut{Type: a.Info.Of(v)})
		if bytes == nil {
			sizes.InputBytes = 0
			break
		}
		sizes.InputBytes += float64(*bytes)
	}
	for i := range a.Cuts {
		c := &a.Cuts[i]
		if bytes := a.Bytes(c); bytes != nil {
			sizes.Cuts = append(sizes.Cuts, report.CutSize{Names: append([]string{c.ID}, c.Aliases...), Tensor: c.Value.Name(), Bytes: float64(*bytes)})
		}
	}
	sum, err := hash()
	if err != nil {
		return nil, err
	}
	return &report.From[*report.Model]{File: report.File{Name: path, SHA256: sum}, Value: sizes}, nil
}

// write writes the page and what else was asked for, and returns the names.
func (o *reportOptions) write(s streams, r *report.Report) ([]string, error) {
	var written []string
	var b bytes.Buffer
	put := func(name string, err error) error {
		if err == nil {
			err = s.writeFile(name, b.Bytes())
		}
		b.Reset()
		written = append(written, name)
		return err
	}
	if err := put(o.out, r.WriteHTML(&b)); err != nil {
		return nil, err
	}
	if o.markdown != "" {
		if err := put(o.markdown, r.WriteMarkdown(&b)); err != nil {
			return nil, err
		}
	}
	if o.csv == "" {
		return written, nil
	}
	if err := os.MkdirAll(o.csv, 0o777); err != nil {
		return nil, err
	}
	for _, t := range r.Tables() {
		if err := put(filepath.Join(o.csv, t.ID+".csv"), t.WriteCSV(&b)); err != nil {
			return nil, err
		}
	}
	return written, nil
}
