package bnc

import (
	"context"
	"slices"

	"github.com/bottlenet/bnc/compiler/survey"
	"github.com/bottlenet/bnc/runtime/bundle"
	"github.com/bottlenet/bnc/runtime/model"
	"github.com/bottlenet/bnc/runtime/task"
)

// InspectOptions say how a model is inspected.
type InspectOptions struct {
	Input   map[string][]int64 `json:"input,omitempty"`   // shapes of inputs that the model leaves open, by name
	Tensors int                `json:"tensors,omitempty"` // list frontiers of up to so many tensors; 0 for none
}

// InspectResult says what a model is and where it can be cut.
type InspectResult = survey.Model

// Inspect says where the model at path can be cut.
func Inspect(ctx context.Context, path string, o InspectOptions) (*InspectResult, error) {
	a, err := analyse(ctx, path, o.Input)
	if err != nil {
		return nil, err
	}
	r := survey.Of(path, a)
	if file, err := model.ReadFile(path); err == nil { // what cannot be read of it is told where it matters
		meta, _ := bundle.ParseMeta(file.Metadata)
		kind := meta.Task
		if kind == "" {
			known := task.Model{Inputs: file.Inputs, Outputs: file.Outputs, Metadata: file.Metadata, Ends: map[string][]task.End{}}
			tell(&known, a.Model, a.Info)
			kind, _ = task.Guess(known)
		}
		r.TakeFor(kind)
		for i, out := range r.Outputs {
			if meta.Outputs != nil && !slices.Contains(meta.Outputs, out.Name) { // what crosses, and its bytes
				r.Outputs[i].As = survey.AsRaw
			}
		}
	}
	if o.Tensors != 0 {
		r.Frontiers, err = survey.FrontiersOf(a, o.Tensors)
	}
	return r, err
}
