package bnc

import (
	"context"

	"github.com/bottlenet/bnc/runtime/bundle"
	"github.com/bottlenet/bnc/runtime/client"
	"github.com/bottlenet/bnc/runtime/predict"
)

// RemoteOptions say which server is called, and as whom.
type RemoteOptions = client.RemoteOptions

// ServerOptions say with which server Run classifies, and how.
type ServerOptions = predict.ServerOptions

// Rate is what an image may take, of a pair that was split with VariableRate.
type Rate = bundle.Rate

// RunOptions say how Run classifies.
type RunOptions = predict.RunOptions

// RunResult is what Run gives: the results in the inputs' order, without those of inputs
// that cannot be used.
type RunResult = predict.Results

// Run classifies inputs, images or .npy tensors or folders of them, with the bundle or
// model at path: here, or with o.Cloud the mobile half here and the rest on a server,
// through the best bundle of a folder of them. Inputs that cannot be used are told, left
// out and counted by a DataError, which comes beside the result of the others.
func Run(ctx context.Context, path string, inputs []string, o RunOptions) (*RunResult, error) {
	return o.Run(ctx, path, inputs, graphs{})
}
