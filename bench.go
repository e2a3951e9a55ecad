package bnc

import (
	"context"
	"path/filepath"

	"github.com/bottlenet/bnc/internal/progress"
	"github.com/bottlenet/bnc/runtime/bench"
	"github.com/bottlenet/bnc/runtime/bundle"
	"github.com/bottlenet/bnc/runtime/data"
	"github.com/bottlenet/bnc/runtime/feed"
	"github.com/bottlenet/bnc/runtime/imagecodec"
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
// file that it is and as o.InputCodec says. A run that does not count comes before.
func Bench(ctx context.Context, paths []string, o BenchOptions) (*BenchResult, error) {
	if err := o.Check(); err != nil {
		return nil, err
	}
	p := progress.Progress{To: o.Reporter}
	imagecodec.TellSystem(p.Notice, o.InputCodec...)
	names, err := data.Inputs([]string{o.Input}, p.Notice)
	if err != nil {
		return nil, err
	}
	skipped := progress.LeftOut{To: p}
	photos, err := bench.ReadPhotos(o.Input, names, o.JPEGBytes, skipped.Add)
	if err != nil {
		return nil, err
	}
	phase := p.Phase("measuring", o.Steps())
	prepare := func(inherited *imagein.Preprocess) feed.Chooser { return o.Chooser(inherited) }
	result, err := o.Run(ctx, paths, photos, prepare, func() { phase.Step(1) })
	if err != nil || o.Draw == "" {
		return result, err
	}
	return result, o.draw(ctx, paths)
}

// draw compares each bundle with the whole model, if one is measured, else with its own
// network without the bottleneck.
func (o BenchOptions) draw(ctx context.Context, paths []string) error {
	whole := ""
	for _, path := range paths {
		if !bundle.IsBundle(path) {
			whole = path
		}
	}
	for _, path := range paths {
		if !bundle.IsBundle(path) {
			continue
		}
		_, err := Eval(ctx, path, EvalOptions{
			Data: o.Input, Teacher: whole, Draw: filepath.Join(o.Draw, bundle.Name(path)), ImageOptions: o.ImageOptions, Reporter: o.Reporter,
		})
		if err != nil {
			return err
		}
	}
	return nil
}
