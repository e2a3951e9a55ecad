package bnc

import (
	"context"

	"github.com/bottlenet/bnc/models"
)

// ModelOptions say how a well-known network is built, and where it is written to.
type ModelOptions = models.WriteOptions

// ModelResult is what WriteModel wrote.
type ModelResult = models.Written

// Models lists the networks that WriteModel knows, families together.
func Models() []models.Info { return models.All() }

// WriteModel writes a network of Models with random weights as ONNX. A name that is not
// known, and a size that the network cannot take, are UsageErrors.
func WriteModel(ctx context.Context, name string, o ModelOptions) (*ModelResult, error) {
	return models.Write(ctx, name, o)
}
