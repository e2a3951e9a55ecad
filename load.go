package bnc

import (
	"context"
	"fmt"

	"github.com/bottlenet/bnc/compiler/cut"
	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/compiler/onnx"
	"github.com/bottlenet/bnc/compiler/survey"
	"github.com/bottlenet/bnc/internal/files"
	"github.com/bottlenet/bnc/runtime/ort"
)

// analyse is survey.Open.
func analyse(ctx context.Context, path string, fix map[string][]int64) (*cut.Analysis, error) {
	return survey.Open(ctx, path, fix)
}

// openModel opens a session of a model in memory.
func openModel(m *ir.Model, name string, o ort.Options) (*ort.Session, error) {
	file, err := onnx.Marshal(m)
	if err != nil {
		return nil, err
	}
	return ort.OpenBytes(name, file, o)
}

// fits checks before any work that the file that an option names, if any, can be written.
func fits(option, path string) error {
	if path == "" {
		return nil
	}
	if err := files.Check(path); err != nil {
		return fmt.Errorf("option %s: %w", option, err)
	}
	return nil
}
