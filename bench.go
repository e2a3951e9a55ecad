package bnc

import (
	"context"

	"github.com/bottlenet/bnc/internal/progress"
	"github.com/bottlenet/bnc/runtime/bench"
	"github.com/bottlenet/bnc/runtime/feed"
	"github.com/bottlenet/bnc/runtime/imagein"
)

// BenchOptions say what Bench measures.
type BenchOptions struct {
	bench.Options
	ImageOptions
	Reporter Reporter `json:"-"`
}

// BenchResult is what Bench measured: a row of each way over each link.
type BenchResult = bench.Result

// Bench measures latency end to end over emulated links: of each bundle divided, of each
// whole model on the device alone and in the cloud alone, where its image crosses as the
// file that it is. A run that does not count comes before.
func Bench(ctx context.Context, paths []string, o BenchOptions) (*BenchResult, error) {
	if err := o.Check(); err != nil {
		return nil, err
	}
	p := progress.Progress{To: o.Reporter}
	names, err := inputFiles([]string{o.Input}, p)
	if err != nil {
		return nil, err
	}
	skipped := progress.LeftOut{To: p}
	photos, err := bench.ReadPhotos(o.Input, names, o.JPEGBytes, skipped.Add)
	if err != nil {
		return nil, err
	}
	phase := p.Phase("measuring", o.Steps(len(paths)))
	prepare := func(inherited *imagein.Preprocess) feed.Chooser { return o.Chooser(inherited) }
	return o.Run(ctx, paths, photos, prepare, func() { phase.Step(1) })
}
