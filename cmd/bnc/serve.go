package main

import (
	"context"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/bottlenet/bnc"
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

func setupServe(fs *pflag.FlagSet) func(context.Context, streams, []string) error {
	var o bnc.ServeOptions
	var format, level string
	var asJSON bool
	delay := 2 * time.Millisecond
	o.MaxDelay = &delay
	fs.StringVar(&o.HTTP, "http", serve.DefaultHTTP, `address of HTTP, port 0 for any free one, "" for none`)
	fs.StringVar(&o.GRPC, "grpc", serve.DefaultGRPC, `address of gRPC, port 0 for any free one, "" for none`)
	fs.StringVar(&o.Watch, "watch", "", "folder whose bundles and models are served, as they come and go")
	fs.IntVar(&o.MaxBatch, "max-batch", 8, "images that are computed together at most")
	fs.DurationVar(&delay, "max-delay", delay, "how long an image waits for others")
	fs.IntVar(&o.Queue, "queue", 256, "requests of a model that may wait; more are refused")
	fs.IntVar(&o.Instances, "instances", 1, "runs that are computed at a time")
	fs.IntVar(&o.Threads, "threads", 0, "threads of a session, 0 for one a core")
	fs.StringVar(&o.Providers, "ep", "cpu", "execution providers in order of preference: cpu, cuda, tensorrt")
	fs.StringVar(&o.CertFile, "tls-cert", "", "PEM file with the server's certificate")
	fs.StringVar(&o.KeyFile, "tls-key", "", "PEM file with its key")
	fs.StringVar(&o.ClientCAFile, "client-ca", "", "PEM file with authorities: clients need a certificate of theirs")
	fs.StringVar(&o.TokenFile, "tokens", "", "file of bearer tokens, one a line: clients need one of them")
	fs.BoolVar(&o.Insecure, "insecure", false, "let everybody in, from other machines too")
	fs.Int64Var(&o.MaxBody, "max-body", serve.DefaultMaxBody, "bytes of a request at most")
	fs.IntVar(&o.MaxPixels, "max-pixels", serve.DefaultMaxPixels, "pixels of an image file at most")
	fs.Int64Var(&o.Memory, "memory", serve.DefaultRequestMemory, "bytes that requests may take together: half of them as they arrive, half for decoded images")
	fs.IntVar(&o.MaxConnections, "max-connections", serve.DefaultMaxConnections, "connections of HTTP and of gRPC at most")
	fs.DurationVar(&o.DrainTimeout, "drain", serve.DefaultDrainTimeout, "how long requests may go on when the server ends")
	fs.StringVar(&format, "log-format", "text", "text or json, on stderr")
	fs.StringVar(&level, "log-level", "info", "debug (every request), info, warn or error")
	fs.BoolVar(&asJSON, "json", false, "print one JSON document with addresses and models when ready")
	return func(ctx context.Context, s streams, args []string) (err error) {
		if err := notZero(fs, "1 or more", "max-batch", "queue", "instances"); err != nil {
			return err
		}
		if err := notZero(fs, "more than 0", "max-pixels", "memory", "max-body", "max-connections", "drain"); err != nil {
			return err
		}
		if o.Log, err = newLog(s.err, format, level); err != nil {
			return err
		}
		for _, address := range []*string{&o.HTTP, &o.GRPC} {
			if *address == "" {
				*address = bnc.NoAddress
			}
		}
		if asJSON {
			o.Ready = func(serving bnc.Serving) error { return printJSON(s.out, serving) }
		}
		if os.Getenv("GOMEMLIMIT") == "" {
			debug.SetMemoryLimit(o.Memory + aside)
		}
		hangup := make(chan os.Signal, 1)
		signal.Notify(hangup, syscall.SIGHUP)
		defer signal.Stop(hangup)
		o.Reload = hangup
		return bnc.Serve(ctx, args, o)
	}
}

// aside is Go's memory for all but what requests take. Above both the collector works
// harder; nothing fails.
const aside = 128 << 20

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
