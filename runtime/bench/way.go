package bench

import (
	"context"
	"errors"
	"time"

	"github.com/bottlenet/bnc/internal/fault"
	"github.com/bottlenet/bnc/runtime/bundle"
	"github.com/bottlenet/bnc/runtime/client"
	"github.com/bottlenet/bnc/runtime/feed"
	"github.com/bottlenet/bnc/runtime/model"
	"github.com/bottlenet/bnc/runtime/oip"
	"github.com/bottlenet/bnc/runtime/ort"
	"github.com/bottlenet/bnc/runtime/plan"
	"github.com/bottlenet/bnc/runtime/serve"
	"github.com/bottlenet/bnc/runtime/tensor"
)

// way is one division of the work: run does one image, and says how many bytes crossed.
type way struct {
	name, model, cut string
	run              func(ctx context.Context, image int) (bundle.Timings, int, error)
	close            func() error
}

// ways returns how the model or bundle at path can be run.
func (b *bench) ways(ctx context.Context, path string, remote *oip.Remote, network plan.Network) ([]way, error) {
	if bundle.IsBundle(path) {
		c, err := client.Open(ctx, client.Options{Bundles: []string{path}, Remote: remote, Network: network, Deadline: 5 * time.Minute, Probe: -1})
		if err != nil {
			return nil, err
		}
		next, err := b.inputs(c.Inputs(), c.Meta())
		if err != nil {
			return nil, errors.Join(err, c.Close())
		}
		return []way{{"split", bundle.Name(path), c.Meta().Cut, func(ctx context.Context, image int) (bundle.Timings, int, error) {
			x, err := next(image)
			if err != nil {
				return bundle.Timings{}, 0, err
			}
			r, err := c.Run(ctx, x)
			return r.Timings, r.PayloadBytes, err
		}, c.Close}}, nil
	}
	runner, err := bundle.OpenRunner(path, ort.Options{})
	if err != nil {
		return nil, err
	}
	next, err := b.inputs(runner.Inputs(), runner.Meta())
	if err != nil {
		return nil, errors.Join(err, runner.Close())
	}
	ways := []way{{"mobile-only", bundle.Name(path), "", func(ctx context.Context, image int) (bundle.Timings, int, error) {
		x, err := next(image)
		if err != nil {
			return bundle.Timings{}, 0, err
		}
		r, err := runner.Run(ctx, x)
		return bundle.Timings{Mobile: r.Timings.Total, Total: r.Timings.Total}, 0, err
	}, runner.Close}}
	for _, set := range b.photos.sets {
		ways = append(ways, way{set.name, bundle.Name(path), "", func(ctx context.Context, image int) (bundle.Timings, int, error) {
			return askImage(ctx, remote, b.serverName(path), serve.ImageInput, set.files[image])
		}, func() error { return nil }})
	}
	for _, s := range b.sending[path] {
		ways = append(ways, b.coded(path, s, remote))
	}
	return ways, nil
}

// inputs returns what makes the photos the input of a model.
func (b *bench) inputs(ports []model.Port, meta bundle.Meta) (func(image int) (ort.Feed, error), error) {
	feeder, err := feed.New(ports, b.prepare(meta.Preprocess))
	if err != nil {
		return nil, fault.Unusable("%w", err)
	}
	return func(image int) (ort.Feed, error) {
		x, err := feeder.One(b.photos.items[image])
		if err != nil {
			return nil, fault.Unusable("%w", err)
		}
		return ort.Feed{feeder.Input(): x}, nil
	}, nil
}

// askImage lets the server compute a whole model of an image file, which is given to an input.
func askImage(ctx context.Context, remote *oip.Remote, model, input string, file []byte) (bundle.Timings, int, error) {
	start := time.Now()
	r, err := remote.Infer(ctx, &oip.Request{Model: model, Inputs: []oip.Tensor{{Name: input, Value: tensor.Of([]int64{int64(len(file))}, file)}}})
	if err != nil {
		return bundle.Timings{}, 0, err
	}
	total := time.Since(start)
	queue, _ := r.Params[oip.ParamQueue].(float64)
	compute, _ := r.Params[oip.ParamCompute].(float64)
	cloud := time.Duration((queue + compute) * float64(time.Millisecond))
	return bundle.Timings{Link: total - cloud, Cloud: cloud, Total: total}, len(file), nil
}
