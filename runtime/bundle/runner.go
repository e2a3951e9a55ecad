package bundle

import (
	"context"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/bottlenet/bnc/runtime/model"
	"github.com/bottlenet/bnc/runtime/ort"
	"github.com/bottlenet/bnc/runtime/tensor"
)

// Where a result was computed.
const (
	WhereSplit  = "split"
	WhereMobile = "mobile"
	WhereCloud  = "cloud"
)

// Timings are how long the stages of a run took. The codec counts to the side
// that does it. Link is 0 where both halves are in one process.
type Timings struct {
	Mobile, Link, Cloud, Total time.Duration
}

// Result is what one run gives.
type Result struct {
	Outputs ort.Results // in the original model's order
	Timings Timings
	// PayloadBytes is the size of what crossed: the payload's records, or a
	// plain pair's cut tensors. 0 where nothing crosses.
	PayloadBytes int
	// Quality is what the record of the first image tells, nil where records tell none.
	Quality *int
	Where   string
}

// Runner runs a bundle, both halves in this process, or a whole model. It may
// be used from many goroutines at once.
type Runner struct {
	meta    Meta
	inputs  []model.Port
	outputs []string

	whole  *ort.Session // nil for a bundle
	mobile *Mobile
	cloud  *Cloud
	// buffers holds the cut tensors (ort.Feed) of past plain runs: those of the size
	// of an early layer are megabytes, which need not be allocated and cleared for each
	// image.
	buffers sync.Pool
}

// OpenRunner loads the bundle in the directory path, or the model in the file
// path.
func OpenRunner(path string, opts ort.Options) (*Runner, error) {
	stat, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !stat.IsDir() {
		return openWhole(path, opts)
	}
	b, err := Open(path)
	if err != nil {
		return nil, err
	}
	return b.OpenRunner(opts)
}

// OpenRunner loads both halves.
func (b *Bundle) OpenRunner(opts ort.Options) (*Runner, error) {
	mobile, err := b.OpenMobile(opts)
	if err != nil {
		return nil, err
	}
	cloud, err := b.OpenCloud(opts)
	if err != nil {
		mobile.Close()
		return nil, err
	}
	return &Runner{meta: b.Meta, inputs: b.Inputs(), outputs: b.Outputs(), mobile: mobile, cloud: cloud}, nil
}

// openWhole loads a model that is not a bundle.
func openWhole(path string, opts ort.Options) (*Runner, error) {
	session, err := ort.Open(path, opts)
	if err != nil {
		return nil, err
	}
	meta, err := ParseMeta(session.Metadata())
	if err != nil {
		session.Close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	r := &Runner{meta: meta, inputs: session.Inputs(), whole: session}
	for _, port := range session.Outputs() {
		r.outputs = append(r.outputs, port.Name)
	}
	return r, nil
}

// Meta returns the metadata of the bundle, or of the model.
func (r *Runner) Meta() Meta { return r.meta }

// Inputs returns what a run must be given.
func (r *Runner) Inputs() []model.Port { return r.inputs }

// Outputs returns the outputs' names in the original model's order.
func (r *Runner) Outputs() []string { return r.outputs }

// Split tells whether this is a bundle.
func (r *Runner) Split() bool { return r.whole == nil }

// Sessions returns the loaded sessions: the whole model's, or the mobile and
// the cloud half's.
func (r *Runner) Sessions() []*ort.Session {
	if r.whole != nil {
		return []*ort.Session{r.whole}
	}
	return []*ort.Session{r.mobile.session, r.cloud.session}
}

// Close frees the sessions.
func (r *Runner) Close() error {
	if r.whole != nil {
		return r.whole.Close()
	}
	return closeAll(r.mobile, r.cloud)
}

// Run computes the model's outputs from its inputs.
func (r *Runner) Run(ctx context.Context, feed ort.Feed) (Result, error) {
	return r.RunAt(ctx, feed, Rate{})
}

// RunAt is Run at a rate that [Meta.CheckRate] lets through.
func (r *Runner) RunAt(ctx context.Context, feed ort.Feed, rate Rate) (Result, error) {
	if r.whole != nil {
		start := time.Now()
		outputs, err := r.whole.Run(ctx, feed)
		took := time.Since(start)
		return Result{Outputs: outputs, Timings: Timings{Mobile: took, Total: took}, Where: WhereMobile}, err
	}
	start := time.Now()
	into, err := r.buffer(feed)
	if err != nil {
		return Result{}, err
	}
	crossing, early, err := r.mobile.runInto(ctx, feed, into, rate)
	if err != nil {
		return Result{}, err
	}
	crossed := time.Now()
	late, err := r.cloud.Run(ctx, crossing)
	if err != nil {
		return Result{}, err
	}
	end := time.Now()
	if into != nil {
		r.buffers.Put(into)
	}
	return Result{
		Outputs:      arrange(r.outputs, early, late),
		Timings:      Timings{Mobile: crossed.Sub(start), Cloud: end.Sub(crossed), Total: end.Sub(start)},
		PayloadBytes: Bytes(crossing),
		Quality:      r.meta.Told(crossing),
		Where:        WhereSplit,
	}, nil
}

// Bytes returns the size of what crosses.
func Bytes(crossing ort.Feed) (n int) {
	for _, t := range crossing {
		n += len(t.Data)
	}
	return n
}

// buffer returns tensors for a plain pair's cut to be written to, where their
// shapes follow from the inputs'; nothing otherwise.
func (r *Runner) buffer(feed ort.Feed) (ort.Feed, error) {
	if !r.meta.Plain() {
		return nil, nil
	}
	symbols, err := r.mobile.session.Symbols(r.mobile.own(feed))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", r.mobile.session.Name(), err)
	}
	used, _ := r.buffers.Get().(ort.Feed)
	into := ort.Feed{}
	for _, port := range r.mobile.session.Outputs()[:len(r.mobile.leaving)] {
		shape, ok := ort.Resolve(port, symbols)
		if !ok || port.DType == tensor.String || len(shape) == 0 {
			continue
		}
		if t := used[port.Name]; t != nil && slices.Equal(t.Shape, shape) {
			into[port.Name] = t
		} else if into[port.Name], err = tensor.New(port.DType, shape...); err != nil {
			return nil, fmt.Errorf("%s: output %s: %w", r.mobile.session.Name(), port.Name, err)
		}
	}
	return into, nil
}

// Arrange puts the results of both halves into the bundle's order of outputs:
// early are those that Mobile.Run gave, late the cloud's.
func (b *Bundle) Arrange(early, late ort.Results) ort.Results {
	return arrange(b.Outputs(), early, late)
}

func arrange(names []string, early, late ort.Results) ort.Results {
	outputs := make(ort.Results, 0, len(names))
	for _, name := range names {
		value, ok := late.Find(name)
		if !ok {
			value, _ = early.Find(name)
		}
		outputs = append(outputs, ort.Result{Name: name, Value: value})
	}
	return outputs
}
