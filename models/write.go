package models

import (
	"context"
	"fmt"
	"io"

	"github.com/bottlenet/bnc/compiler/cut"
	"github.com/bottlenet/bnc/compiler/onnx"
	"github.com/bottlenet/bnc/internal/files"
)

// WriteOptions say how a network is built, and where it is written to.
type WriteOptions struct {
	Classes int    `json:"classes,omitempty"` // 0 for as many as were published
	Input   [3]int `json:"input,omitzero"`    // channels, height, width; zero for those that were published
	Seed    uint64 `json:"seed,omitempty"`    // of the weights
	Out     string `json:"output,omitempty"`  // file to write; "" for NAME.onnx
	// To is written to instead of a file, unless nil.
	To io.Writer `json:"-"`
}

// Written is what Write wrote.
type Written struct {
	File   string `json:"file"`
	Params int64  `json:"params"` // number of parameters
}

// Write writes the named network with random weights as ONNX. A name that is not known,
// and a size that the network cannot take, are errors of usage.
func Write(ctx context.Context, name string, o WriteOptions) (*Written, error) {
	if o.Out == "" {
		o.Out = name + ".onnx"
	}
	if o.To == nil {
		if err := files.Check(o.Out); err != nil {
			return nil, fmt.Errorf("option output: %w", err)
		}
	}
	m, err := Build(name, Options{Classes: o.Classes, Input: o.Input, Seed: o.Seed})
	if err != nil {
		return nil, err
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
	return &Written{o.Out, cut.ModelParameters(m)}, nil
}
