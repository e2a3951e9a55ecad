// Package predict runs image files and tensors through a bundle, a whole model or a
// client of a server, one by one, and tells what a person sees in what comes out.
//
//	c, err := predict.Open("resnet50-rb1-c1-s2", ort.Options{})
//	defer c.Close()
//	feeder, err := feed.New(c.Inputs, feed.Always(c.Meta.Preprocess))
//	err = c.Run(ctx, files, predict.Options{Feeder: feeder, Top: 5}, func(r *predict.Result) error { ... })
package predict

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/bottlenet/bnc/runtime/bundle"
	"github.com/bottlenet/bnc/runtime/client"
	"github.com/bottlenet/bnc/runtime/data"
	"github.com/bottlenet/bnc/runtime/feed"
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

// Open loads the bundle or model at path, all of which runs in this process.
func Open(path string, o ort.Options) (*Predictor, error) {
	runner, err := bundle.OpenRunner(path, o)
	if err != nil {
		return nil, err
	}
	c := &Predictor{Meta: runner.Meta(), Inputs: runner.Inputs(), close: runner.Close, atOnce: 1}
	for _, session := range runner.Sessions() {
		for _, skipped := range session.Skipped() {
			c.Skipped = append(c.Skipped, fmt.Sprintf("%s: %v; using %s", session.Name(), skipped, session.Provider()))
		}
	}
	c.run = func(ctx context.Context, feed ort.Feed) (client.Result, error) {
		r, err := runner.Run(ctx, feed)
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

// Options say how inputs are fed and ranked.
type Options struct {
	Feeder *feed.Feeder // of the Predictor's inputs
	Task   task.Task    // what the outputs are
	Labels []string     // of the classes
	Top    int          // classes that are told, best first
	// Scores is the output whose classes are told, that labels are of; "" for whatever
	// looks like scores, but for those of Except.
	Scores string
	Except []string
}

// Result is what one input gives.
type Result struct {
	Input        string       `json:"input"`
	Top          []task.Class `json:"top"`
	PayloadBytes int          `json:"payload_bytes"`
	MobileMS     float64      `json:"mobile_ms"`
	LinkMS       float64      `json:"link_ms"`
	CloudMS      float64      `json:"cloud_ms"`
	TotalMS      float64      `json:"total_ms"`
	Where        string       `json:"where"`           // bundle.WhereSplit, WhereMobile or WhereCloud
	Model        string       `json:"model,omitempty"` // by which bundle, where there was a choice
	Retries      int          `json:"retries,omitempty"`
	Fallback     string       `json:"fallback,omitempty"` // why the device finished it itself

	Outputs ort.Results `json:"-"` // in the model's order
	Damage  error       `json:"-"` // why there is no result: it is about this input alone
}

// Run runs every input, some at once, and gives each its result, in the inputs' order and
// as soon as it and those before it are there. It stops at the first error that is not
// about one input alone; it names the input.
func (c *Predictor) Run(ctx context.Context, inputs []string, o Options, each func(*Result) error) error {
	one := func(ctx context.Context, input string) (*Result, error) {
		r, err := c.one(ctx, input, o)
		if fault := (inputFault{}); errors.As(err, &fault) {
			return &Result{Input: input, Damage: fault.error}, nil
		}
		return r, err
	}
	return inOrder(ctx, inputs, c.atOnce, one, each)
}

// inputFault marks an error that is about one input and leaves the others usable.
type inputFault struct{ error }

// one runs one input. Errors name it.
func (c *Predictor) one(ctx context.Context, input string, o Options) (*Result, error) {
	item, err := data.ReadItem(input)
	if err != nil {
		return nil, inputFault{err}
	}
	x, err := o.Feeder.One(item)
	if err != nil {
		return nil, inputFault{fmt.Errorf("%s: %w", input, err)}
	}
	out, err := c.run(ctx, ort.Feed{o.Feeder.Input(): x})
	if err != nil {
		err = fmt.Errorf("%s: %w", input, err)
		if unfit := (*ort.InputError)(nil); errors.As(err, &unfit) {
			return nil, inputFault{err}
		}
		return nil, err
	}
	best := []task.Class{}
	if seen, err := o.Task.See(task.Batch{Outputs: o.ranked(out.Outputs)}, task.Sight{Labels: o.Labels, Most: o.Top}); err == nil { // else it is of another task: nothing to see
		if len(seen) > 1 {
			return nil, inputFault{fmt.Errorf("%s holds %d images, and there is one result a file: save each as a file of its own; bnc eval takes arrays of many", input, len(seen))}
		}
		best = seen[0].Top
	}
	r := &Result{
		Input: input, Top: best, Outputs: out.Outputs, PayloadBytes: out.PayloadBytes, Where: out.Where,
		MobileMS: millis(out.Timings.Mobile), LinkMS: millis(out.Timings.Link), CloudMS: millis(out.Timings.Cloud), TotalMS: millis(out.Timings.Total),
		Model: out.Model, Retries: out.Retries,
	}
	if out.Fallback != nil {
		r.Fallback = out.Fallback.Error()
	}
	return r, nil
}

// ranked are the outputs among which scores are looked for.
func (o Options) ranked(outputs ort.Results) ort.Results {
	if v, ok := outputs.Find(o.Scores); ok {
		return ort.Results{{Name: o.Scores, Value: v}}
	}
	return slices.DeleteFunc(slices.Clone(outputs), func(r ort.Result) bool { return slices.Contains(o.Except, r.Name) })
}

func millis(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
