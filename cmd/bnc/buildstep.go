package main

import (
	"context"
	"sync"

	"github.com/bottlenet/bnc/compiler/onnx"
)

// startHash hashes the source model in the background; the function it returns
// waits for the result, or for the end of ctx.
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
