package bnc

import (
	"context"
	"io"

	"github.com/bottlenet/bnc/compiler/cut"
	"github.com/bottlenet/bnc/compiler/onnx"
	"github.com/bottlenet/bnc/models"
)

// ModelOptions say how a well-known network is built.
type ModelOptions struct {
	Classes int    `json:"classes,omitempty"` // 0 for as many as were published
	Input   [3]int `json:"input,omitzero"`    // channels, height, width; zero for those that were published
	Seed    uint64 `json:"seed,omitempty"`    // of the weights
	Out     string `json:"output,omitempty"`  // file to write; "" for NAME.onnx
	// To is written to instead of a file, unless nil.
	To io.Writer `json:"-"`
}

// ModelResult is what WriteModel wrote.
type ModelResult struct {
	File   string `json:"file"`
	Params int64  `json:"params"` // number of parameters
}

// Models lists the networks that WriteModel knows, families together.
func Models() []models.Info {
	var all []models.Info
	for _, name := range models.Names() {
		info, err := models.Lookup(name)
		if err != nil {
			panic("BUG: a network that is listed is not known: " + name)
		}
		all = append(all, info)
	}
	return all
}

// WriteModel writes a network of Models with random weights as ONNX. A name that is not
// known, and a size that the network cannot take, are UsageErrors.
func WriteModel(ctx context.Context, name string, o ModelOptions) (*ModelResult, error) {
	if o.Out == "" {
		o.Out = name + ".onnx"
	}
	if o.To == nil {
		if err := fits("output", o.Out); err != nil {
			return nil, err
		}
	}
	m, err := models.Build(name, models.Options{Classes: o.Classes, Input: o.Input, Seed: o.Seed})
	if err != nil {
		return nil, usage("", "%w", err)
	}
	if o.To == nil {
		err = onnx.Save(ctx, o.Out, m, onnx.SaveOptions{})
	} else {
		var b []byte
		if b, err = onnx.Marshal(m); err == nil {
			_, err = o.To.Write(b)
		}
	}
	if err != nil {
		return nil, err
	}
	return &ModelResult{o.Out, cut.ModelParameters(m)}, nil
}
