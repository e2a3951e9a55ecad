package onnx

import (
	"context"
	"sync"
)

// StartHash computes the Hash of a model in the background; the function it returns waits for the
// result, or for the end of ctx.
func StartHash(ctx context.Context, path string) func() (string, error) {
	type result struct {
		hash string
		err  error
	}
	done := make(chan result, 1)
	go func() {
		h, err := Hash(path)
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
