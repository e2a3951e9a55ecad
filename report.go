package bnc

import (
	"context"
	"fmt"

	"github.com/bottlenet/bnc/compiler/onnx"
	"github.com/bottlenet/bnc/compiler/survey"
	"github.com/bottlenet/bnc/runtime/report"
)

// ReportOptions say what a report is of.
type ReportOptions struct {
	report.Options
	Model string `json:"model,omitempty"` // the model, for the sizes of its tensors
}

// ReportResult is a report and what was written of it.
type ReportResult struct {
	Files []string       `json:"files"`
	Page  *report.Report `json:"-"`
}

// Report shows search, profiles and selection for one model on one page.
func Report(ctx context.Context, o ReportOptions) (*ReportResult, error) {
	in, err := o.Input()
	if err != nil {
		return nil, err
	}
	if o.Model != "" {
		if in.Model, err = modelSizes(ctx, o.Model); err != nil {
			return nil, fmt.Errorf("option model: %w", err)
		}
	}
	page, err := report.New(in)
	if err != nil {
		return nil, unusable("%w", err)
	}
	written, err := page.Write(o.Options)
	if err != nil {
		return nil, err
	}
	return &ReportResult{written, page}, nil
}

// modelSizes returns the sizes of a model's inputs and cut tensors.
func modelSizes(ctx context.Context, path string) (*report.From[*report.Model], error) {
	hash := onnx.StartHash(ctx, path)
	a, err := analyse(ctx, path, nil)
	if err != nil {
		return nil, err
	}
	sizes := &report.Model{InputBytes: float64(survey.InputBytes(a))}
	for _, c := range survey.Of(path, a).Cuts {
		if c.Bytes != nil {
			sizes.Cuts = append(sizes.Cuts, report.CutSize{Names: append([]string{c.ID}, c.Aliases...), Tensor: c.Tensor, Bytes: float64(*c.Bytes)})
		}
	}
	sum, err := hash()
	return &report.From[*report.Model]{File: report.File{Name: path, SHA256: sum}, Value: sizes}, err
}
