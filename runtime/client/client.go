// Package client is the mobile side of a divided model, for embedding in an
// app: it runs the mobile half, sends what crosses to a server of the Open
// Inference Protocol, and gives the model's outputs.
//
//	remote, err := oip.Dial("https://cloud.example:8000", oip.DialOptions{Token: token})
//	c, err := client.Open(ctx, client.Options{
//		Bundles: []string{"resnet50-rb1-c1-s2", "resnet50-rb4-c2-s2"}, Remote: remote, Fallback: true,
//	})
//	defer c.Close()
//	result, err := c.Run(ctx, ort.Feed{"input": image})
//	seen, err := kind.See(task.Batch{Outputs: result.Outputs}, task.Sight{Labels: c.Meta().Labels, Most: 5}) // of task.Open
//
// With several bundles of one model each request goes through the one whose
// latency is predicted to be the lowest, by what is measured of the link, the
// server and the device. Requests that get no answer are repeated within the
// deadline; with Fallback the device then computes the rest itself, and a
// server that is down costs next to nothing.
//
// A pair of many rates is sent at Options.Rate, or where it was measured at several
// (bundle.Rates) each image at the highest that costs hardly any time.
package client

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bottlenet/bnc/runtime/bundle"
	"github.com/bottlenet/bnc/runtime/model"
	"github.com/bottlenet/bnc/runtime/oip"
	"github.com/bottlenet/bnc/runtime/ort"
	"github.com/bottlenet/bnc/runtime/plan"
)

// Options say what a Client runs and how. Bundles or Model is needed, and
// Remote; the zero values of the others are the defaults.
type Options struct {
	// Bundles are directories that bnc split wrote, all of one source model.
	// The server knows them by their folders' names.
	Bundles []string
	// Model is the ONNX file of the whole model. With Bundles it is what
	// Fallback runs in place of a bundle's cloud half. Without it is the
	// server's to run: its input crosses.
	Model string
	// Remote is the server. The Client does not close it.
	Remote  oip.Service
	Session ort.Options
	// Deadline is how long a Run may take, 10 s if it is 0. With Fallback the
	// server gets what the device does not need to finish. What the device
	// computes itself is not cut off by it, as nothing could answer in its
	// place: the context of Run does that.
	Deadline time.Duration
	// Fallback lets the device compute the rest where the server cannot be
	// reached in time, is overloaded or fails.
	Fallback bool
	// Rate is what each image may take, of pairs of many rates. Without a quality it is chosen
	// for each image where the pair was measured at several, by what the link has room for.
	Rate bundle.Rate
	// Network is a first guess at the link; 4g if it is the zero Network.
	Network plan.Network
	// Probe is the pause after which an idle Client looks at the link and the
	// server; pauses double from there. 2 s if it is 0, never if negative.
	Probe time.Duration
	Log   *slog.Logger // nothing is logged if it is nil
}

// Defaults of Options.
const (
	DefaultDeadline = 10 * time.Second
	DefaultProbe    = 2 * time.Second
)

// Result is what one Run gives. Its Timings.Cloud is what the server reports as
// its queue and computing, 0 if it reports nothing; Link is all that is
// neither the server's nor the device's: the link, the protocol, and waits
// between tries.
type Result struct {
	bundle.Result
	Model    string // the bundle's or model's name
	Retries  int    // tries that got no answer before the one that counts
	Fallback error  // why the device finished it itself, nil where the server did
}

// Client runs requests. Its methods may be called from many goroutines at once.
type Client struct {
	opts       Options
	log        *slog.Logger
	candidates []*candidate
	chooses    bool   // a cut or a rate for each image, by the link
	whole      device // what Fallback runs; nil for a bundle's own cloud half
	wholeName  string

	breaker    *breaker
	conditions *conditions
	requests   atomic.Uint64
	unpaired   sync.Once
	turn       chan struct{} // held by who measures the candidates first
	measured   bool          // with turn: the candidates were, or need not be

	mu      sync.Mutex
	current *candidate // the latest choice
	used    time.Time  // when the latest Run ended
	sample  ort.Feed   // what crossed then
	sampled *candidate // and by which

	stop context.CancelFunc
	done sync.WaitGroup
}

// Open loads the bundles' mobile halves. It does not speak to the server yet:
// the first Run does. When ctx is done the Client no longer looks at the server
// while it is idle or down, as after Close.
func Open(ctx context.Context, opts Options) (*Client, error) {
	if opts.Remote == nil {
		return nil, errors.New("client: Options.Remote is nil: expected a server, as oip.Dial gives one")
	}
	var candidates []*candidate
	closeAll := func() {
		for _, k := range candidates {
			k.device.close()
		}
	}
	for _, dir := range opts.Bundles {
		k, err := newBundle(dir, opts.Session)
		if err != nil {
			closeAll()
			return nil, err
		}
		candidates = append(candidates, k)
	}
	if len(opts.Bundles) == 0 {
		if opts.Model == "" {
			return nil, errors.New("client: neither Options.Bundles nor Options.Model says what to run")
		}
		k, err := newWhole(opts.Model, opts.Session)
		if err != nil {
			return nil, err
		}
		candidates = append(candidates, k)
	}
	err := oneModel(candidates)
	for _, k := range candidates {
		rated := k.meta.CheckRate(opts.Rate)
		if k.where == bundle.WhereCloud {
			rated = k.meta.CheckFileRate(opts.Rate, opts.Model)
		}
		if err == nil && rated != nil {
			err = fmt.Errorf("%s: %w", k.name, rated)
		}
	}
	if err != nil {
		closeAll()
		return nil, err
	}
	c := newClient(ctx, opts, candidates)
	if len(opts.Bundles) > 0 && opts.Model != "" {
		c.whole, c.wholeName = &whole{path: opts.Model, opts: opts.Session}, bundle.Name(opts.Model)
	}
	return c, nil
}

// oneModel checks that the candidates are bundles of one source model.
func oneModel(candidates []*candidate) error {
	first := candidates[0]
	for _, k := range candidates[1:] {
		if k.meta.SourceSHA256 != first.meta.SourceSHA256 {
			return &MixedError{First: first.name, Other: k.name, FirstSource: first.meta.SourceSHA256, OtherSource: k.meta.SourceSHA256}
		}
		if strings.Join(k.outputs, "\n") != strings.Join(first.outputs, "\n") {
			return fmt.Errorf("%s has the outputs %s, %s has %s: they are not of one model", first.name, first.outputs, k.name, k.outputs)
		}
	}
	return nil
}

// MixedError says that two bundles are of different models.
type MixedError struct {
	First, Other             string // the bundles' names
	FirstSource, OtherSource string // their bnc.source_sha256
}

// Error names both bundles.
func (e *MixedError) Error() string {
	return fmt.Sprintf("%s and %s are bundles of different models (bnc.source_sha256 %.12s and %.12s): the cut is chosen among bundles of one model; give those of the other a folder of their own",
		e.First, e.Other, e.FirstSource, e.OtherSource)
}

// newClient starts a Client of candidates that are there.
func newClient(ctx context.Context, opts Options, candidates []*candidate) *Client {
	if opts.Deadline == 0 {
		opts.Deadline = DefaultDeadline
	}
	if opts.Probe == 0 {
		opts.Probe = DefaultProbe
	}
	c := &Client{opts: opts, log: opts.Log, candidates: candidates, measured: len(candidates) == 1,
		conditions: newConditions(opts.Network), turn: make(chan struct{}, 1)}
	c.chooses = len(candidates) > 1 || opts.Rate.Quality == 0 && slices.ContainsFunc(candidates, func(k *candidate) bool { return k.meta.Rates != nil })
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	ctx, c.stop = context.WithCancel(ctx)
	c.breaker = newBreaker(ctx, opts.Remote.Ready, func(open bool, cause error) {
		if open {
			c.log.Warn("the server does not answer: the device finishes its work until it does", "cause", cause)
		} else {
			c.log.Info("the server is ready again")
		}
	})
	if opts.Probe > 0 {
		c.done.Go(func() { c.watch(ctx) })
	}
	return c
}

// Meta returns the metadata of the first bundle, or of the model: labels and
// how images are prepared, which are the same for all bundles of a model.
func (c *Client) Meta() bundle.Meta { return c.candidates[0].meta }

// Inputs returns what a Run must be given.
func (c *Client) Inputs() []model.Port { return c.candidates[0].inputs }

// Close ends the looks at the server and frees the sessions. Runs that are
// under way must have returned.
func (c *Client) Close() error {
	c.stop()
	c.breaker.done.Wait()
	c.done.Wait()
	var errs []error
	for _, k := range c.candidates {
		errs = append(errs, k.device.close())
	}
	if c.whole != nil {
		errs = append(errs, c.whole.close())
	}
	return errors.Join(errs...)
}
