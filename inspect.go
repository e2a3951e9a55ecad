package bnc

import (
	"context"

	"github.com/bottlenet/bnc/compiler/survey"
)

// InspectOptions say how a model is inspected.
type InspectOptions struct {
	Input map[string][]int64 `json:"input,omitempty"` // shapes of inputs that the model leaves open, by name
}

// InspectResult says what a model is and where it can be cut.
type InspectResult = survey.Model

// Inspect says where the model at path can be cut.
func Inspect(ctx context.Context, path string, o InspectOptions) (*InspectResult, error) {
	a, err := analyse(ctx, path, o.Input)
	if err != nil {
		return nil, err
	}
	return survey.Of(path, a), nil
}
