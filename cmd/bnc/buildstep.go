package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/compiler/onnx"
	"github.com/bottlenet/bnc/compiler/onnxtext"
	"github.com/bottlenet/bnc/internal/files"
	"github.com/bottlenet/bnc/passes"
)

// startHash hashes the source model in the background; the function it returns
// waits for the result, or for the end of ctx.
func startHash(ctx context.Context, path string) func() (string, error) {
	type result struct {
		hash string
		err  error
	}
	done := make(chan result, 1)
	go func() {
		h, err := onnx.Hash(path)
		done <- result{h, err}
	}()
	return sync.OnceValues(func() (string, error) {
		select {
		case r := <-done:
			return r.hash, r.err
		case <-ctx.Done():
			return "", context.Cause(ctx)
		}
	})
}

// dumper writes the model after each pass to dir, as ONNX and, without weights,
// as text; nil where dir is empty.
func dumper(ctx context.Context, dir string) (passes.Dumper, error) {
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
			return fmt.Errorf("--dump: %w", err)
		}
		if err := files.Write(name+".txt", text.Bytes()); err != nil {
			return err
		}
		return onnx.Save(ctx, name+".onnx", m, onnx.SaveOptions{})
	}, nil
}

// writeDepfile writes a rule in make's syntax: the files of the bundle depend on
// the model, the files with its external data and the calibration images. Each
// of those gets an empty rule, so that one that is gone is no error.
func writeDepfile(file, dir, model string, used []string) error {
	inputs := []string{model}
	data, err := onnx.ExternalFiles(model)
	if err != nil {
		return err
	}
	inputs = append(append(inputs, data...), used...)
	var b strings.Builder
	for i, part := range bundleParts {
		path := filepath.Join(dir, part+".onnx")
		if _, err := os.Stat(path); err != nil {
			continue
		}
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(makeEscape(path))
	}
	b.WriteByte(':')
	for _, in := range inputs {
		b.WriteString(" \\\n  " + makeEscape(in))
	}
	b.WriteByte('\n')
	for _, in := range inputs {
		b.WriteString("\n" + makeEscape(in) + ":\n")
	}
	return files.Write(file, []byte(b.String()))
}

// makeEscape quotes what make would take for more than a name.
func makeEscape(path string) string {
	return strings.NewReplacer(" ", `\ `, "#", `\#`, "$", "$$", ":", `\:`).Replace(path)
}
