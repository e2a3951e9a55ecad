package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"maps"
	"os"
	"os/signal"
	"runtime/debug"
	"slices"
	"syscall"
	"time"

	"github.com/bottlenet/bnc/runtime/bundle"
	"github.com/bottlenet/bnc/runtime/ort"
	"github.com/bottlenet/bnc/runtime/serve"
	"github.com/spf13/pflag"
)

var serveCommand = command{
	name:  "serve",
	args:  "BUNDLE|MODEL... [FLAGS]",
	short: "Serve the cloud halves of bundles over HTTP and gRPC (Open Inference Protocol v2)",
	long: `
A model's name is its folder's, or its file's without .onnx. Any client of the
protocol can call it: KServe's, Triton's (tritonclient), grpcurl, curl, and
bnc run --cloud. A bundle's input is its payload, UINT8 [-1]; a whole model has
its own inputs. Requests that come together are computed together.

--watch DIR serves every bundle and model in a folder, and follows what is added,
replaced and removed there while the server runs; one that cannot be loaded leaves
the one before in place.

Without --tokens and --client-ca only programs of this machine get in: addresses
must be loopback ones, unless --insecure is said. With them nothing but health
(/v2/health/live, /v2/health/ready; ServerLive, ServerReady and grpc.health.v1's
Check) answers without; where both are given, a client needs both. The server is
live as soon as it listens, and ready when its models are loaded. /metrics is for
Prometheus. Changed tokens and certificates are noticed within a second of
being used; SIGHUP reads them at once.

A whole model that takes one image also takes a JPEG or PNG file as input "image".
Image files wait, and are refused, as other requests are; --max-pixels and --memory
bound what decoding them takes.

At SIGTERM or Ctrl-C the server takes no more requests, finishes those that it
has (--drain) and exits 0.

Examples:
  bnc serve resnet50-rb1-c1-s2
  bnc serve bundles/* --http 127.0.0.1:0 --grpc "" --json
  bnc serve --watch bundles --http :8000 --grpc :8001 --tokens tokens.txt \
            --tls-cert server.pem --tls-key server.key
  curl localhost:8000/v2/models/resnet50-rb1-c1-s2`,
	setup: setupServe,
}

type serveOptions struct {
	server              serve.ServerOptions
	models              serve.Options
	ep                  string
	watch               string
	memory              int64
	logFormat, logLevel string
	json                bool
}

func setupServe(fs *pflag.FlagSet) func(context.Context, streams, []string) error {
	var o serveOptions
	fs.StringVar(&o.server.HTTP, "http", "127.0.0.1:8000", `address of HTTP, port 0 for any free one, "" for none`)
	fs.StringVar(&o.server.GRPC, "grpc", "127.0.0.1:8001", `address of gRPC, port 0 for any free one, "" for none`)
	fs.StringVar(&o.watch, "watch", "", "folder whose bundles and models are served, as they come and go")
	fs.IntVar(&o.models.MaxBatch, "max-batch", 8, "images that are computed together at most")
	fs.DurationVar(&o.models.MaxDelay, "max-delay", 2*time.Millisecond, "how long an image waits for others")
	fs.IntVar(&o.models.Queue, "queue", 256, "requests of a model that may wait; more are refused")
	fs.IntVar(&o.models.Instances, "instances", 1, "runs that are computed at a time")
	fs.IntVar(&o.models.Session.Threads, "threads", 0, "threads of a session, 0 for one a core")
	fs.StringVar(&o.ep, "ep", "cpu", "execution providers in order of preference: cpu, cuda, tensorrt")
	fs.StringVar(&o.server.CertFile, "tls-cert", "", "PEM file with the server's certificate")
	fs.StringVar(&o.server.KeyFile, "tls-key", "", "PEM file with its key")
	fs.StringVar(&o.server.ClientCAFile, "client-ca", "", "PEM file with authorities: clients need a certificate of theirs")
	fs.StringVar(&o.server.TokenFile, "tokens", "", "file of bearer tokens, one a line: clients need one of them")
	fs.BoolVar(&o.server.Insecure, "insecure", false, "let everybody in, from other machines too")
	fs.Int64Var(&o.server.MaxBody, "max-body", serve.DefaultMaxBody, "bytes of a request at most")
	fs.IntVar(&o.models.MaxPixels, "max-pixels", serve.DefaultMaxPixels, "pixels of an image file at most")
	fs.Int64Var(&o.memory, "memory", 2*serve.DefaultMemory, "bytes that requests may take together: half of them as they arrive, half for decoded images")
	fs.IntVar(&o.server.MaxConnections, "max-connections", serve.DefaultMaxConnections, "connections of HTTP and of gRPC at most")
	fs.DurationVar(&o.server.DrainTimeout, "drain", serve.DefaultDrainTimeout, "how long requests may go on when the server ends")
	fs.StringVar(&o.logFormat, "log-format", "text", "text or json, on stderr")
	fs.StringVar(&o.logLevel, "log-level", "info", "debug (every request), info, warn or error")
	fs.BoolVar(&o.json, "json", false, "print one JSON document with addresses and models when ready")
	return func(ctx context.Context, s streams, args []string) error {
		models, err := o.check(args)
		if err != nil {
			return err
		}
		log, err := newLog(s.err, o.logFormat, o.logLevel)
		if err != nil {
			return err
		}
		return serveModels(ctx, s, log, models, o)
	}
}

// check reads the flags that have a form, and returns models by their names.
func (o *serveOptions) check(args []string) (map[string]string, error) {
	m := &o.models
	switch {
	case len(args) == 0 && o.watch == "":
		return nil, usagef("expected bundles or models to serve, or a folder of them with --watch")
	case m.MaxBatch < 1 || m.Queue < 1 || m.Instances < 1:
		return nil, usagef("--max-batch %d, --queue %d, --instances %d: expected 1 or more", m.MaxBatch, m.Queue, m.Instances)
	case m.MaxDelay < 0:
		return nil, usagef("--max-delay %v: expected 0 or more", m.MaxDelay)
	case m.MaxPixels < 1 || o.memory < 2:
		return nil, usagef("--max-pixels %d, --memory %d: expected more than 0", m.MaxPixels, o.memory)
	case o.server.MaxBody < 1 || o.server.MaxConnections < 1 || o.server.DrainTimeout <= 0:
		return nil, usagef("--max-body %d, --max-connections %d, --drain %v: expected more than 0", o.server.MaxBody, o.server.MaxConnections, o.server.DrainTimeout)
	}
	o.server.Memory, m.Memory = o.memory-o.memory/2, o.memory/2
	var err error
	if m.Session.Providers, err = ort.ParseProviders(o.ep); err != nil {
		return nil, usageError{err}
	}
	return namedModels(args, bundle.Name)
}

// namedModels returns bundles and models by the names that a server gives them.
func namedModels(paths []string, nameOf func(path string) string) (map[string]string, error) {
	models := map[string]string{}
	for _, path := range paths {
		name := nameOf(path)
		if other, taken := models[name]; taken {
			return nil, usagef("%s and %s are both named %s: rename one", other, path, name)
		}
		models[name] = path
	}
	return models, nil
}

// newLog returns a log of that form, from that level on.
func newLog(w io.Writer, format, level string) (*slog.Logger, error) {
	var from slog.Level
	if err := from.UnmarshalText([]byte(level)); err != nil {
		return nil, usagef("--log-level %q: expected debug, info, warn or error", level)
	}
	options := &slog.HandlerOptions{Level: from}
	switch format {
	case "text":
		return slog.New(slog.NewTextHandler(w, options)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(w, options)), nil
	}
	return nil, usagef("--log-format %q: expected text or json", format)
}

// servingJSON is what bnc serve --json prints when it is ready.
type servingJSON struct {
	HTTP   string   `json:"http"` // HOST:PORT, "" where it is off
	GRPC   string   `json:"grpc"`
	Models []string `json:"models"`
}

// aside is Go's memory for all but what requests take. Above both the collector works
// harder; nothing fails.
const aside = 128 << 20

func serveModels(ctx context.Context, s streams, log *slog.Logger, models map[string]string, o serveOptions) (err error) {
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(o.memory + aside)
	}
	metrics := serve.NewMetrics()
	o.server.Log, o.server.Metrics = log, metrics
	server, err := serve.Listen(o.server) // before the models: what is wrong with flags is told at once
	if wrong := (*serve.OptionsError)(nil); errors.As(err, &wrong) {
		return usageError{err}
	}
	if err != nil {
		return err
	}
	o.models.Log, o.models.Observe = log, metrics
	repository := serve.NewRepository(o.models)
	defer func() {
		// Its requests are done, or broken off.
		done, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		err = errors.Join(err, repository.Close(done))
	}()
	ctx, end := context.WithCancel(ctx)
	defer end()
	go func() {
		for {
			select {
			case <-hangup:
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
	serving := servingJSON{HTTP: server.HTTPAddr(), GRPC: server.GRPCAddr()}
	log.Info("listening", "http", serving.HTTP, "grpc", serving.GRPC)
	if err = loadModels(ctx, repository, models, o.watch); err == nil && ctx.Err() == nil {
		started()
		serving.Models = repository.Models()
		log.Info("serving", "http", serving.HTTP, "grpc", serving.GRPC, "models", serving.Models)
		if o.json {
			err = printJSON(s.out, serving)
		}
	}
	if err != nil {
		end()
	}
	return errors.Join(err, <-ended)
}

// loadModels loads all models, or those before ctx is done.
func loadModels(ctx context.Context, repository *serve.Repository, models map[string]string, watch string) error {
	for _, name := range slices.Sorted(maps.Keys(models)) {
		if ctx.Err() != nil {
			return nil
		}
		if err := repository.Load(name, models[name]); err != nil {
			return unusableError{err}
		}
	}
	if watch != "" {
		if err := repository.Watch(ctx, watch); err != nil {
			return unusablef("--watch: %w", err)
		}
	}
	return nil
}
