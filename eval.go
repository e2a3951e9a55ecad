package bnc

import (
	"context"

	"github.com/bottlenet/bnc/runtime/eval"
	"github.com/bottlenet/bnc/runtime/imagecodec"
)

// EvalOptions say what is measured on which images.
type EvalOptions = eval.ReportOptions

// EvalResult is what was measured.
type EvalResult = eval.Report

// InputCodecs are the names of the codecs that images themselves can be sent as.
func InputCodecs() []string { return imagecodec.Names() }

// Eval measures accuracy, payload and agreement with a teacher of a bundle or a model
// over a set of images. A bundle is evaluated by its bottlenet.onnx, in batches; its
// halves compute the same function. Where images could not be used and were left out,
// there are both, a result of the others and an error.
func Eval(ctx context.Context, path string, o EvalOptions) (*EvalResult, error) {
	return o.Report(ctx, path, graphs{})
}
