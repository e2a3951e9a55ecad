package serve

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"os"
	"time"

	"github.com/bottlenet/bnc/internal/fault"
	"github.com/bottlenet/bnc/runtime/bundle"
	"github.com/bottlenet/bnc/runtime/ort"
)

// RunOptions say how models are served.
type RunOptions struct {
	HTTP     string         `json:"http,omitempty"`      // address of HTTP, port 0 for any free one, or NoAddress; "" for DefaultHTTP
	GRPC     string         `json:"grpc,omitempty"`      // address of gRPC likewise; "" for DefaultGRPC
	Watch    string         `json:"watch,omitempty"`     // folder whose bundles and models are served, as they come and go
	MaxBatch int            `json:"max_batch,omitempty"` // images that are computed together at most; 0 for 8
	MaxDelay *time.Duration `json:"max_delay,omitempty"` // how long an image waits for others; nil for 2 ms

	Queue     int    `json:"queue,omitempty"`     // requests of a model that may wait, more are refused; 0 for 256
	Instances int    `json:"instances,omitempty"` // runs that are computed at a time; 0 for 1
	Threads   int    `json:"threads,omitempty"`   // of a session; 0 for one a core
	Providers string `json:"ep,omitempty"`        // execution providers in order of preference, of cpu, cuda, tensorrt; "" for cpu

	CertFile     string `json:"tls_cert,omitempty"`  // PEM file with the server's certificate
	KeyFile      string `json:"tls_key,omitempty"`   // PEM file with its key
	ClientCAFile string `json:"client_ca,omitempty"` // PEM file with authorities: clients need a certificate of theirs
	TokenFile    string `json:"tokens,omitempty"`    // file of bearer tokens, one a line: clients need one of them
	// Insecure lets everybody in, from other machines too. Without it, tokens and
	// authorities only loopback addresses are served.
	Insecure bool `json:"insecure,omitempty"`

	MaxBody        int64         `json:"max_body,omitempty"`        // bytes of a request at most; 0 for DefaultMaxBody
	MaxPixels      int           `json:"max_pixels,omitempty"`      // pixels of an image file at most; 0 for DefaultMaxPixels
	Memory         int64         `json:"memory,omitempty"`          // bytes that requests may take together, half of them as they arrive, half for decoded images; 0 for DefaultRequestMemory
	MaxConnections int           `json:"max_connections,omitempty"` // of HTTP and of gRPC at most; 0 for DefaultMaxConnections
	DrainTimeout   time.Duration `json:"drain,omitempty"`           // how long requests may go on when ctx ends; 0 for DefaultDrainTimeout

	Log *slog.Logger `json:"-"` // nothing is logged
	// Ready is called once, when all models are loaded.
	Ready func(Serving) error `json:"-"`
	// Reload lets the server read tokens and certificates again at every signal that it
	// gives. Changed files are noticed without it, within a second of being used.
	Reload <-chan os.Signal `json:"-"`
}

// Values of RunOptions.
const (
	NoAddress            = "none" // there is no listener
	DefaultHTTP          = "127.0.0.1:8000"
	DefaultGRPC          = "127.0.0.1:8001"
	DefaultRequestMemory = 2 * DefaultMemory
)

// Serving is what a server that is ready serves, and where.
type Serving struct {
	HTTP   string   `json:"http"` // HOST:PORT, "" where it is off
	GRPC   string   `json:"grpc"`
	Models []string `json:"models"`
}

// check finds options that cannot be.
func (o RunOptions) check() error {
	switch {
	case o.MaxBatch < 0 || o.Queue < 0 || o.Instances < 0:
		return fault.Usage("max_batch", "%d, option queue %d, option instances %d: expected 1 or more", o.MaxBatch, o.Queue, o.Instances)
	case o.MaxDelay != nil && *o.MaxDelay < 0:
		return fault.Usage("max_delay", "%v: expected 0 or more", *o.MaxDelay)
	case o.MaxPixels < 0 || o.Memory < 0 || o.Memory == 1:
		return fault.Usage("max_pixels", "%d, option memory %d: expected more than 0", o.MaxPixels, o.Memory)
	case o.MaxBody < 0 || o.MaxConnections < 0 || o.DrainTimeout < 0:
		return fault.Usage("max_body", "%d, option max_connections %d, option drain %v: expected more than 0", o.MaxBody, o.MaxConnections, o.DrainTimeout)
	}
	return nil
}

// models are the options of the models' repository.
func (o RunOptions) models() (Options, error) {
	providers, err := ort.ParseProviders(o.Providers)
	m := Options{
		MaxBatch: o.MaxBatch, MaxDelay: 2 * time.Millisecond, Queue: o.Queue, Instances: o.Instances, MaxPixels: o.MaxPixels,
		Memory: cmp.Or(o.Memory, DefaultRequestMemory) / 2, Session: ort.Options{Threads: o.Threads, Providers: providers}, Log: o.Log,
	}
	if o.MaxDelay != nil {
		m.MaxDelay = *o.MaxDelay
	}
	return m, err
}

// server are the options of the listeners.
func (o RunOptions) server() ServerOptions {
	address := func(given, standard string) string {
		if given == NoAddress {
			return ""
		}
		return cmp.Or(given, standard)
	}
	memory := cmp.Or(o.Memory, DefaultRequestMemory)
	return ServerOptions{
		HTTP: address(o.HTTP, DefaultHTTP), GRPC: address(o.GRPC, DefaultGRPC),
		CertFile: o.CertFile, KeyFile: o.KeyFile, ClientCAFile: o.ClientCAFile, TokenFile: o.TokenFile, Insecure: o.Insecure,
		MaxBody: o.MaxBody, Memory: memory - memory/2, MaxConnections: o.MaxConnections, DrainTimeout: o.DrainTimeout, Log: o.Log,
	}
}

// Run serves the cloud halves of the bundles, and the whole models, at paths, under
// their folders' and files' names, by the Open Inference Protocol over HTTP and gRPC until
// ctx ends. Requests that run then are finished.
func Run(ctx context.Context, paths []string, o RunOptions) (failed error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if len(paths) == 0 && o.Watch == "" {
		return fault.Usage("", "expected bundles or models to serve, or a folder of them with option watch")
	}
	if err := o.check(); err != nil {
		return err
	}
	with, err := o.models()
	if err != nil {
		return fault.Usage("", "%w", err)
	}
	models, err := Named(paths, bundle.Name)
	if err != nil {
		return err
	}
	metrics, listening := NewMetrics(), o.server()
	listening.Metrics, with.Observe = metrics, metrics
	server, err := Listen(listening) // before the models: what is wrong with options is told at once
	if err != nil {
		return err
	}
	repository := NewRepository(with)
	defer func() { failed = errors.Join(failed, repository.CloseSoon()) }()
	ctx, end := context.WithCancel(ctx)
	defer end()
	go func() {
		for {
			select {
			case <-o.Reload:
				server.Reload()
			case <-ctx.Done():
				return
			}
		}
	}()

	// It is alive at once, and ready when the models are there.
	started := repository.Starting()
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(ctx, repository) }()
	serving := Serving{HTTP: server.HTTPAddr(), GRPC: server.GRPCAddr()}
	o.Log.Info("listening", "http", serving.HTTP, "grpc", serving.GRPC)
	err = repository.LoadAll(ctx, models)
	if err == nil && o.Watch != "" {
		if err = repository.Watch(ctx, o.Watch); err != nil {
			err = fault.Unusable("option watch: %w", err)
		}
	}
	if err == nil && ctx.Err() == nil {
		started()
		serving.Models = repository.Models()
		o.Log.Info("serving", "http", serving.HTTP, "grpc", serving.GRPC, "models", serving.Models)
		if o.Ready != nil {
			err = o.Ready(serving)
		}
	}
	if err != nil {
		end()
	}
	return errors.Join(err, <-ended)
}
