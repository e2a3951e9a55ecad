package bnc

import (
	"context"

	"github.com/bottlenet/bnc/runtime/bench"
)

// BenchOptions say what Bench measures.
type BenchOptions = bench.RunOptions

// BenchResult is what Bench measured: a row of each way over each link.
type BenchResult = bench.Result

// Bench measures latency end to end over emulated links: of each bundle divided, of each
// whole model on the device alone and in the cloud alone, where its image crosses as the
// file that it is and as o.InputCodec says. A run that does not count comes before.
func Bench(ctx context.Context, paths []string, o BenchOptions) (*BenchResult, error) {
	return o.Run(ctx, paths, graphs{})
}
