package bnc

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/bottlenet/bnc/compiler/cut"
	"github.com/bottlenet/bnc/compiler/onnx"
	"github.com/bottlenet/bnc/compiler/survey"
	"github.com/bottlenet/bnc/internal/files"
	"github.com/bottlenet/bnc/runtime/model"
)

// analyse is survey.Open.
func analyse(ctx context.Context, path string, fix map[string][]int64) (*cut.Analysis, error) {
	return survey.Open(ctx, path, fix)
}

// fixedPorts returns a model's inputs with the shapes that are given.
func fixedPorts(inputs []model.Port, fix map[string][]int64) []model.Port {
	inputs = slices.Clone(inputs)
	for i, in := range inputs {
		dims, ok := fix[in.Name]
		if !ok {
			continue
		}
		inputs[i].Ranked, inputs[i].Shape = true, nil
		for _, n := range dims {
			inputs[i].Shape = append(inputs[i].Shape, model.Dim{Size: n})
		}
	}
	return inputs
}

// startHash hashes a file in the background; the function it returns waits for the
// result, or for the end of ctx.
func startHash(ctx context.Context, path string) func() (string, error) {
	type result struct {
		hash string
		err  error
	}
	done := make(chan result, 1)
	go func() {
		h, err := onnx.Hash(path)
		done <- result{h, err}
	}()
	return sync.OnceValues(func() (string, error) {
		select {
		case r := <-done:
			return r.hash, r.err
		case <-ctx.Done():
			return "", context.Cause(ctx)
		}
	})
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
