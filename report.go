package bnc

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/bottlenet/bnc/compiler/cut"
	"github.com/bottlenet/bnc/runtime/report"
)

// ReportOptions say what a report is of.
type ReportOptions struct {
	Profiles     []string `json:"profile"`                 // of the device: files, or names of built-in ones
	CloudProfile string   `json:"cloud_profile,omitempty"` // of the server; "": the device's profile holds its times
	Results      string   `json:"results,omitempty"`       // file of a search's results
	Model        string   `json:"model,omitempty"`         // the model, for the sizes of its tensors
	Evals        []string `json:"eval,omitempty"`          // [NAME=]FILE with an EvalResult as JSON
	Networks     []string `json:"network,omitempty"`       // a network's name, RATE[,DELAY] or a FILE.json; DefaultNetworks()
	MaxLoss      *float64 `json:"max_loss,omitempty"`      // with Results: accuracy that a choice may lose, percentage points; the search's
	ImageBytes   float64  `json:"image_bytes,omitempty"`   // of the compressed image that cloud-only sends; the profile's
	Title        string   `json:"title,omitempty"`         // of the page; made of the model's name

	// What is written, nothing where "".
	Out      string `json:"output,omitempty"`   // HTML file
	Markdown string `json:"markdown,omitempty"` // Markdown file with the same tables
	CSV      string `json:"csv,omitempty"`      // folder for the same tables, all digits of the numbers in them
}

// ReportResult is a report and what was written of it.
type ReportResult struct {
	Files []string       `json:"files"`
	Page  *report.Report `json:"-"`
}

// check finds wrong options before any work.
func (o ReportOptions) check() error {
	if err := profilesGiven(o.Profiles); err != nil {
		return err
	}
	switch {
	case o.ImageBytes != 0 && !aboveZero(o.ImageBytes):
		return usage("image_bytes", "%v: expected a number above 0", o.ImageBytes)
	case o.MaxLoss != nil && !(*o.MaxLoss >= 0 && *o.MaxLoss <= 100):
		return usage("max_loss", "%v: expected percentage points from 0 to 100", *o.MaxLoss)
	}
	return errors.Join(fits("output", o.Out), fits("markdown", o.Markdown))
}

// Report shows search, profiles and selection for one model on one page.
func Report(ctx context.Context, o ReportOptions) (*ReportResult, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	in, err := o.input(ctx)
	if err != nil {
		return nil, err
	}
	page, err := report.New(in)
	if err != nil {
		return nil, unusable("%w", err)
	}
	written, err := page.Write(o.Out, o.Markdown, o.CSV)
	if err != nil {
		return nil, err
	}
	return &ReportResult{written, page}, nil
}

// input reads the files that the options name.
func (o ReportOptions) input(ctx context.Context) (in report.Input, err error) {
	in = report.Input{Title: o.Title, ImageBytes: o.ImageBytes}
	for _, name := range o.Profiles {
		p, err := report.OpenProfile(name)
		if err != nil {
			return in, unusable("%w", err)
		}
		in.Profiles = append(in.Profiles, *p)
	}
	if o.CloudProfile != "" {
		if in.Cloud, err = report.OpenProfile(o.CloudProfile); err != nil {
			return in, unusable("option cloud_profile: %w", err)
		}
	}
	if o.Results != "" {
		if in.Results, err = report.OpenResults(o.Results); err != nil {
			return in, unusable("option results: %w", err)
		}
		in.Limits.LossPoints = cmp.Or(o.MaxLoss, new(in.Results.Value.MaxLoss()))
	}
	for _, named := range o.Evals {
		e, err := report.OpenEval(named)
		if err != nil {
			return in, unusable("option eval: %w", err)
		}
		in.Evals = append(in.Evals, *e)
	}
	for _, name := range networksOf(o.Networks) {
		n, err := report.OpenNetwork(name)
		if err != nil {
			return in, usage("network", ": %w", err)
		}
		in.Networks = append(in.Networks, *n)
	}
	if o.Model != "" {
		if in.Model, err = modelSizes(ctx, o.Model); err != nil {
			return in, fmt.Errorf("option model: %w", err)
		}
	}
	return in, nil
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
