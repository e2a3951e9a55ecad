package bench

import (
	"context"
	"path/filepath"

	"github.com/bottlenet/bnc/internal/progress"
	"github.com/bottlenet/bnc/runtime/bundle"
	"github.com/bottlenet/bnc/runtime/data"
	"github.com/bottlenet/bnc/runtime/eval"
	"github.com/bottlenet/bnc/runtime/feed"
	"github.com/bottlenet/bnc/runtime/imagecodec"
	"github.com/bottlenet/bnc/runtime/imagein"
)

// RunOptions say what is measured, of which images.
type RunOptions struct {
	Options
	eval.ImageOptions
	Reporter progress.Reporter `json:"-"`
}

// Run measures the bundles and models at paths, of whose graphs some are told, and draws what
// they say.
func (o RunOptions) Run(ctx context.Context, paths []string, graphs eval.Graphs) (*Result, error) {
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
	photos, err := ReadPhotos(o.Input, names, o.JPEGBytes, skipped.Add)
	if err != nil {
		return nil, err
	}
	phase := p.Phase("measuring", o.Steps())
	prepare := func(inherited *imagein.Preprocess) feed.Chooser { return o.Chooser(inherited) }
	result, err := o.measure(ctx, paths, photos, prepare, func() { phase.Step(1) })
	if err != nil || o.Draw == "" {
		return result, err
	}
	return result, o.draw(ctx, paths, graphs)
}

// draw compares each bundle with the whole model, if one is measured, else with its own
// network without the bottleneck.
func (o RunOptions) draw(ctx context.Context, paths []string, graphs eval.Graphs) error {
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
		_, err := eval.ReportOptions{
			Data: o.Input, Teacher: whole, Draw: filepath.Join(o.Draw, bundle.Name(path)), ImageOptions: o.ImageOptions, Reporter: o.Reporter,
		}.Report(ctx, path, graphs)
		if err != nil {
			return err
		}
	}
	return nil
}
