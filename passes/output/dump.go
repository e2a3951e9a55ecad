package output

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/compiler/onnx"
	"github.com/bottlenet/bnc/compiler/onnxtext"
	"github.com/bottlenet/bnc/internal/files"
	"github.com/bottlenet/bnc/passes"
)

// Dumper writes the model after each pass to dir, as ONNX and, without weights, as text;
// nil where dir is "".
func Dumper(ctx context.Context, dir string) (passes.Dumper, error) {
	if dir == "" {
		return nil, nil
	}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return nil, err
	}
	return func(index int, pass string, m *ir.Model) error {
		name := filepath.Join(dir, fmt.Sprintf("%02d_%s", index, pass))
		var text bytes.Buffer
		if err := (onnxtext.Printer{MaxElements: 16}).Print(&text, m); err != nil {
			return fmt.Errorf("option dump: %w", err)
		}
		if err := files.Write(name+".txt", text.Bytes()); err != nil {
			return err
		}
		return onnx.Save(ctx, name+".onnx", m, onnx.SaveOptions{})
	}, nil
}
