package output

import (
	"context"

	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/compiler/onnx"
)

// UpTo writes the model at path, with these tensors for its outputs, into a file.
func UpTo(ctx context.Context, path string, tensors []string, file string) error {
	m, err := onnx.Load(path)
	if err != nil {
		return err
	}
	var values []*ir.Value
	for _, name := range tensors {
		values = append(values, m.Graph.Value(name))
	}
	m.Graph.SetOutputs(values...)
	return onnx.Save(ctx, file, m, onnx.SaveOptions{})
}
