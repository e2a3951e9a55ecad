// Package predict runs image files and tensors through a bundle, a whole model or a
// client of a server, one by one, and tells what a person sees in what comes out.
//
//	c, err := predict.Open("resnet50-rb1-c1-s2", ort.Options{}, bundle.Rate{})
//	defer c.Close()
//	feeder, err := feed.Given(nil).Several(c.Inputs, feed.Always(c.Meta.Preprocess))
//	err = c.Run(ctx, files, predict.Options{Feeder: feeder, Kind: kind, Task: t, Sight: task.Sight{Most: 5}}, func(r *predict.Result) error { ... })
package predict

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/bottlenet/bnc/runtime/bundle"
	"github.com/bottlenet/bnc/runtime/client"
	"github.com/bottlenet/bnc/runtime/feed"
	"github.com/bottlenet/bnc/runtime/imagein"
	"github.com/bottlenet/bnc/runtime/model"
	"github.com/bottlenet/bnc/runtime/oip"
	"github.com/bottlenet/bnc/runtime/ort"
	"github.com/bottlenet/bnc/runtime/task"
)

// Predictor is what inputs are run through.
type Predictor struct {
	Meta   bundle.Meta
	Inputs []model.Port
	// Skipped are the execution providers that were preferred and cannot be used.
	Skipped []string

	run    func(context.Context, ort.Feed) (client.Result, error)
	close  func() error
	atOnce int
}

// Open loads the bundle or model at path, all of which runs in this process, each image at
// a rate.
func Open(path string, o ort.Options, rate bundle.Rate) (*Predictor, error) {
	runner, err := bundle.OpenRunner(path, o)
	if err != nil {
		return nil, err
	}
	if runner.Split() {
		err = runner.Meta().CheckRate(rate)
	} else {
		err = runner.Meta().CheckFileRate(rate, path)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", path, err), runner.Close())
	}
	c := &Predictor{Meta: runner.Meta(), Inputs: runner.Inputs(), close: runner.Close, atOnce: 1}
	for _, session := range runner.Sessions() {
		for _, skipped := range session.Skipped() {
			c.Skipped = append(c.Skipped, fmt.Sprintf("%s: %v; using %s", session.Name(), skipped, session.Provider()))
		}
	}
	c.run = func(ctx context.Context, feed ort.Feed) (client.Result, error) {
		r, err := runner.RunAt(ctx, feed, rate)
		return client.Result{Result: r}, err
	}
	return c, nil
}

// openClient makes a client of a server, whose connections end with it, also where there is
// an error. So many inputs are under way at a time.
func openClient(ctx context.Context, remote *oip.Remote, o client.Options, atOnce int) (*Predictor, error) {
	o.Remote = remote
	c, err := client.Open(ctx, o)
	if err != nil {
		return nil, errors.Join(err, remote.Close())
	}
	run := c.Run
	if len(o.Bundles) < 2 {
		run = func(ctx context.Context, feed ort.Feed) (client.Result, error) {
			r, err := c.Run(ctx, feed)
			r.Model = "" // it goes without saying
			return r, err
		}
	}
	return &Predictor{
		Meta: c.Meta(), Inputs: c.Inputs(), run: run, atOnce: atOnce,
		close: func() error { return errors.Join(c.Close(), remote.Close()) },
	}, nil
}

// Close frees the sessions, or ends the client.
func (c *Predictor) Close() error { return c.close() }

// Options say how inputs are fed, and what is seen in what comes out.
type Options struct {
	Feeder *feed.Several // of the Predictor's inputs
	Kind   string        // the task's name
	Task   task.Task     // what the outputs are
	Sight  task.Sight    // what is wanted to be seen of them
}

// Run runs every input, some at once, and gives each its result, in the inputs' order and
// as soon as it and those before it are there; embeddings, whose neighbours are told, when
// all are there. It stops at the first error that is not about one input alone; it names
// the input.
func (c *Predictor) Run(ctx context.Context, inputs []string, o Options, each func(*Result) error) error {
	one := func(ctx context.Context, input string) (*Result, error) {
		r, err := c.one(ctx, input, o)
		if fault := (inputFault{}); errors.As(err, &fault) {
			return &Result{Input: input, Damage: fault.error}, nil
		}
		return r, err
	}
	var held []*Result
	err := inOrder(ctx, inputs, c.atOnce, one, func(r *Result) error {
		if held == nil && r.Seen.Vector == nil {
			return each(r)
		}
		held = append(held, r)
		return nil
	})
	findNeighbours(held, o.Sight.Most)
	for _, r := range held {
		if err := each(r); err != nil {
			return err
		}
	}
	return err
}

// inputFault marks an error that is about one input and leaves the others usable.
type inputFault struct{ error }

// one runs one input. Errors name it.
func (c *Predictor) one(ctx context.Context, input string, o Options) (*Result, error) {
	fed, err := o.Feeder.Read(input)
	if err != nil {
		return nil, inputFault{err}
	}
	out, err := c.run(ctx, fed.Feed)
	if err != nil {
		err = fmt.Errorf("%s: %w", input, err)
		if unfit := (*ort.InputError)(nil); errors.As(err, &unfit) {
			return nil, inputFault{err}
		}
		return nil, err
	}
	r := &Result{
		Input: input, Task: o.Kind, Outputs: out.Outputs, Told: describe(out.Outputs), PayloadBytes: out.PayloadBytes, Rate: out.Quality, Where: out.Where,
		MobileMS: millis(out.Timings.Mobile), LinkMS: millis(out.Timings.Link), CloudMS: millis(out.Timings.Cloud), TotalMS: millis(out.Timings.Total),
		Model: out.Model, Retries: out.Retries,
	}
	if out.Fallback != nil {
		r.Fallback = out.Fallback.Error()
	}
	r.Frame, r.File = fed.Frame, fed.File
	seen, err := o.Task.See(task.Batch{Outputs: out.Outputs, Frames: []imagein.Frame{r.Frame}}, o.Sight)
	switch {
	case err != nil:
		r.Unseen = err.Error()
	case len(seen) > 1:
		return nil, inputFault{fmt.Errorf("%s holds %d images, and there is one result a file: save each as a file of its own; bnc eval takes arrays of many", input, len(seen))}
	case len(seen) == 1:
		r.see(seen[0], o.Sight.Labels)
	}
	return r, nil
}

func millis(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
