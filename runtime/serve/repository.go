// Package serve is the cloud's side: it hosts the cloud halves of bundles, and
// whole models, and answers requests of the Open Inference Protocol.
//
// A Repository holds the models, joins requests into batches, and refuses what
// it cannot do at once. It is an oip.Service; a Server gives one to the network.
package serve

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/bottlenet/bnc/runtime/oip"
	"github.com/bottlenet/bnc/runtime/ort"
)

// Options say how models are run. The zero Options are good for a machine of
// its own.
type Options struct {
	// MaxBatch is how many images one run computes at most; requests of one
	// model that wait at the same time are joined up to it, and a request of
	// more images is computed in several runs. 0 means 8, and 1 never joins.
	// Models whose batch size is built in are not joined either.
	//
	// Joining relies on what a batch axis means: that an image's result does
	// not depend on its neighbours. A graph that quantises by the range of the
	// whole batch (DynamicQuantizeLinear) wants 1.
	MaxBatch int
	// MaxDelay is how long the first request of a batch waits for others. With
	// 0 it doesn't: what came during the last run makes the next batch.
	MaxDelay time.Duration
	// Queue is how many requests of a model may wait; further ones are refused
	// at once as oip.Overloaded. 0 means 256.
	Queue int
	// MaxPixels is how many pixels an image file may have, and Memory how many bytes
	// those take that are decoded at the same time; what does not fit in is refused
	// as oip.TooLarge. 0 means 2^26 pixels and 192 MiB.
	MaxPixels int
	Memory    int64
	// Instances is how many runs are computed at once, whatever their models.
	// 0 means 1: ONNX Runtime then spreads each run over all cores, which
	// answers soonest. As many instances as cores, each run on one core, lose
	// nothing to waiting for the slowest thread of a node, so that they answer
	// more requests a second where cloud halves are small and batches are 1,
	// each request taking longer. Session.Threads of 0 follows from it.
	Instances int
	Session   ort.Options
	Log       *slog.Logger // nil: nothing is logged
	Observe   Observer     // nil: nothing is counted
}

// Observer is told what happens, for metrics. Its methods are called from many
// goroutines at once, and must not block.
type Observer interface {
	// Request tells of a request that was answered (cause "") or refused (cause
	// is an oip.Cause's name). The model is "" where none of that name is
	// served. payloadBytes counts all inputs.
	Request(model string, cause string, queue, compute, total time.Duration, payloadBytes int)
	// Batch tells of a run of so many images.
	Batch(model string, images int)
	// Queue tells how many requests of a model wait.
	Queue(model string, waiting int)
}

// The values of zero Options.
const (
	defaultMaxBatch  = 8
	defaultQueue     = 256
	DefaultMaxPixels = 1 << 26
	DefaultMemory    = 192 << 20
)

// withDefaults fills in what the zero value stands for.
func (o Options) withDefaults() Options {
	for _, x := range []struct {
		field *int
		value int
	}{{&o.MaxBatch, defaultMaxBatch}, {&o.Queue, defaultQueue}, {&o.Instances, 1}, {&o.MaxPixels, DefaultMaxPixels}} {
		if *x.field <= 0 {
			*x.field = x.value
		}
	}
	if o.Memory <= 0 {
		o.Memory = DefaultMemory
	}
	if o.Session.Threads == 0 && o.Instances > 1 {
		// The runs of a session share its threads, and each brings its own.
		o.Session.Threads = max(1, runtime.GOMAXPROCS(0)-o.Instances+1)
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Observe == nil {
		o.Observe = unobserved{}
	}
	return o
}

type unobserved struct{}

func (unobserved) Request(string, string, time.Duration, time.Duration, time.Duration, int) {}
func (unobserved) Batch(string, int)                                                        {}
func (unobserved) Queue(string, int)                                                        {}

// Repository serves models by their names. It implements oip.Service; its
// methods may be called from many goroutines at once.
//
//	repository := serve.NewRepository(serve.Options{MaxBatch: 8})
//	err := repository.Load("resnet50-rb1-c1-s2", "bundles/resnet50-rb1-c1-s2")
//	response, err := repository.Infer(ctx, request)
type Repository struct {
	opts  Options
	slots chan struct{} // one a run that is being computed
	// pictures is shared by all models.
	pictures *pictures

	closing    context.Context // done when Close begins
	beginClose context.CancelFunc
	cutoff     context.Context // done when Close has no time left
	cutOff     context.CancelFunc

	watchers sync.WaitGroup
	dropped  sync.WaitGroup // models that have left the map and are not freed yet
	loading  sync.Mutex     // held by Load: of two for one name the later one stays

	mu       sync.RWMutex
	models   map[string]*served
	starting bool // others are going to be loaded
	closed   bool
}

var _ oip.Service = (*Repository)(nil)

// errStarting is the answer to what the models that are still loaded may change.
var errStarting = oip.Errorf(oip.Unavailable, "the server is starting: models are still loaded; ask again later")

// errEnding is why a run is stopped when Close has no time left, and what
// requests get after Close.
var errEnding = oip.Errorf(oip.Unavailable, "the server is ending: ask another one, or later")

// NewRepository returns a repository without models.
func NewRepository(opts Options) *Repository {
	opts = opts.withDefaults()
	r := &Repository{opts: opts, slots: make(chan struct{}, opts.Instances), pictures: newPictures(opts), models: map[string]*served{}}
	r.closing, r.beginClose = context.WithCancel(context.Background())
	r.cutoff, r.cutOff = context.WithCancel(context.Background())
	return r
}

// Starting makes Ready say no, and requests for models that are not there yet
// Unavailable instead of NotFound, until the function that it returns is called.
func (r *Repository) Starting() (started func()) {
	set := func(starting bool) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.starting = starting
	}
	set(true)
	return func() { set(false) }
}

// Load makes the model of that name the one at path: a bundle's folder, whose
// cloud half is served, or an ONNX file, which is served whole. One that is
// served under the name already answers until the new one is ready, and its
// requests are finished then; it stays where Load fails.
func (r *Repository) Load(name, path string) error { return r.load(name, path, path) }

// load is Load of what is at from, a copy of what is at path.
func (r *Repository) load(name, path, from string) error {
	if err := checkName(name); err != nil {
		return err
	}
	r.loading.Lock()
	defer r.loading.Unlock()
	start := time.Now()
	m, err := r.open(name, from)
	if err != nil {
		return fmt.Errorf("model %s: %w", name, err)
	}
	r.mu.Lock()
	if r.closed {
		r.mu.Unlock()
		m.close()
		return errEnding
	}
	old := r.models[name]
	r.models[name] = m
	if old != nil {
		r.drop(old)
	}
	r.mu.Unlock()
	r.opts.Log.Info("model loaded", "model", name, "path", path, "kind", m.kind(), "replaced", old != nil, "ms", time.Since(start).Milliseconds())
	return nil
}

// checkName refuses names that a URL or a path would read as something else.
func checkName(name string) error {
	switch {
	case name == "" || len(name) > 255 || !utf8.ValidString(name):
		return fmt.Errorf("model name %q: expected 1 to 255 bytes of UTF-8", name)
	case strings.HasPrefix(name, "."):
		return fmt.Errorf("model name %q: hidden names are not served; name it without the dot", name)
	case strings.ContainsAny(name, `/\`) || strings.ContainsFunc(name, unicode.IsControl):
		return fmt.Errorf("model name %q: expected no separators and no control characters", name)
	}
	return nil
}

// Remove takes a model out; requests that it has are answered. Without a model
// of that name nothing happens.
func (r *Repository) Remove(name string) {
	r.mu.Lock()
	m := r.models[name]
	delete(r.models, name)
	if m != nil {
		r.drop(m)
	}
	r.mu.Unlock()
	if m != nil {
		r.opts.Log.Info("model removed", "model", name)
	}
}

// drop frees a model that has left the map once its last request is done. The
// caller holds mu.
func (r *Repository) drop(m *served) {
	m.queue.drain()
	r.dropped.Go(func() {
		m.users.Wait()
		if err := m.close(); err != nil {
			r.opts.Log.Error("model not freed", "model", m.name, "error", err)
		}
	})
}

// Models returns the names of all models in order.
func (r *Repository) Models() []string {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return slices.Sorted(maps.Keys(r.models))
}

// Close refuses new requests as oip.Unavailable, lets those that came before
// finish, and frees all models. When ctx is done the requests that are left are
// stopped and refused too, and Close returns an error.
func (r *Repository) Close(ctx context.Context) error {
	r.beginClose()
	r.mu.Lock()
	r.closed = true
	for name, m := range r.models {
		delete(r.models, name)
		r.drop(m)
	}
	r.mu.Unlock()

	done := make(chan struct{})
	go func() {
		defer close(done)
		r.watchers.Wait()
		r.dropped.Wait()
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
	}
	// ONNX Runtime ends between two nodes, and must have ended before the
	// process does.
	r.cutOff()
	<-done
	return fmt.Errorf("requests were stopped before they were answered: %w", context.Cause(ctx))
}

// use returns the model that a request names. The caller calls users.Done when
// it needs it no more.
func (r *Repository) use(name, version string) (*served, error) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	m := r.models[name]
	switch {
	case r.closed:
		return nil, errEnding
	case m == nil && r.starting:
		return nil, errStarting
	case m == nil && len(r.models) == 0:
		return nil, oip.Errorf(oip.NotFound, "there is no model %.100q: no model is loaded", name)
	case m == nil:
		return nil, oip.Errorf(oip.NotFound, "there is no model %.100q; there are %s", name, some(slices.Sorted(maps.Keys(r.models))))
	case version != "" && version != onlyVersion:
		return nil, oip.Errorf(oip.NotFound, "model %q has no version %.100q: its only one is %q", name, version, onlyVersion)
	}
	m.users.Add(1)
	return m, nil
}

// onlyVersion is the version of every model: others are other models.
const onlyVersion = "1"

// some lists names for a message, not too many of them.
func some(names []string) string {
	const most = 8
	if len(names) > most {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
	}
	return strings.Join(names, ", ")
}

// Live returns nil: what answers is alive.
func (r *Repository) Live(context.Context) error { return nil }

// Ready returns nil unless the repository is Starting or closed.
func (r *Repository) Ready(context.Context) error {
	r.mu.RLock()
	defer r.mu.RUnlock()
	switch {
	case r.closed:
		return errEnding
	case r.starting:
		return errStarting
	}
	return nil
}

// Metadata returns the server's name and version.
func (r *Repository) Metadata(context.Context) (*oip.ServerMetadata, error) {
	version := "(devel)"
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		version = info.Main.Version
	}
	return &oip.ServerMetadata{Name: "bnc", Version: version, Extensions: []string{"binary_tensor_data", "classification"}}, nil
}

// ModelReady returns nil where the model is served.
func (r *Repository) ModelReady(_ context.Context, name, version string) error {
	m, err := r.use(name, version)
	if err != nil {
		return err
	}
	m.users.Done()
	return nil
}

// ModelMetadata returns what clients are told about a model. Where payloads
// cross, its only input is the payload, UINT8 [-1].
func (r *Repository) ModelMetadata(_ context.Context, name, version string) (*oip.ModelMetadata, error) {
	m, err := r.use(name, version)
	if err != nil {
		return nil, err
	}
	defer m.users.Done()
	return m.metadata(), nil
}

// Infer computes a request. It waits in the model's queue, is joined with
// others, and is dropped when ctx is done. Its tensors must not be changed until
// Infer returns. An error that is no *oip.Error is the server's own and may name
// its files.
func (r *Repository) Infer(ctx context.Context, request *oip.Request) (*oip.Response, error) {
	start := time.Now()
	var spent spent
	var response *oip.Response
	name := ""
	m, err := r.use(request.Model, request.Version)
	if err == nil {
		name = m.name
		response, spent, err = m.infer(ctx, request)
		m.users.Done()
	}
	cause := ""
	if err != nil {
		cause = oip.CauseOf(err).String()
	}
	r.opts.Observe.Request(name, cause, spent.queue, spent.compute, time.Since(start), bytesOf(request))
	return response, err
}

// bytesOf counts the bytes of a request's inputs.
func bytesOf(request *oip.Request) int {
	n := 0
	for _, x := range request.Inputs {
		if x.Value == nil {
			continue
		}
		n += len(x.Value.Data)
		for _, s := range x.Value.Strings {
			n += len(s)
		}
	}
	return n
}
