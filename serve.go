package bnc

import (
	"context"

	"github.com/bottlenet/bnc/runtime/serve"
)

// ServeOptions say how models are served.
type ServeOptions = serve.RunOptions

// Serving is what a server that is ready serves, and where.
type Serving = serve.Serving

// NoAddress, for an address of ServeOptions, is no listener.
const NoAddress = serve.NoAddress

// Serve serves the cloud halves of the bundles, and the whole models, at paths, under
// their folders' and files' names, by the Open Inference Protocol over HTTP and gRPC until
// ctx ends. Requests that run then are finished.
func Serve(ctx context.Context, paths []string, o ServeOptions) error {
	return serve.Run(ctx, paths, o)
}
