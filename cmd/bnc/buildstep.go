package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/compiler/onnx"
	"github.com/bottlenet/bnc/compiler/onnxtext"
	"github.com/bottlenet/bnc/passes"
)

// startHash hashes the source model in the background; the function it returns
// waits for the result.
func startHash(path string) func() (string, error) {
	type result struct {
		hash string
		err  error
	}
	done := make(chan result, 1)
	go func() {
		h, err := onnx.Hash(path)
		done <- result{h, err}
	}()
	return sync.OnceValues(func() (string, error) { r := <-done; return r.hash, r.err })
}

// dumper writes the model after each pass to dir, as ONNX and, without weights,
// as text; nil where dir is empty.
func dumper(dir string) (passes.Dumper, error) {
	if dir == "" {
		return nil, nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	return func(index int, pass string, m *ir.Model) error {
		name := filepath.Join(dir, fmt.Sprintf("%02d_%s", index, pass))
		var text bytes.Buffer
		if err := (onnxtext.Printer{MaxElements: 16}).Print(&text, m); err != nil {
			return fmt.Errorf("--dump: %w", err)
		}
		if err := os.WriteFile(name+".txt", text.Bytes(), 0o644); err != nil {
			return err
		}
		return onnx.Save(name+".onnx", m, onnx.SaveOptions{})
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
	return writeFile(file, []byte(b.String()))
}

// makeEscape quotes what make would take for more than a name.
func makeEscape(path string) string {
	return strings.NewReplacer(" ", `\ `, "#", `\#`, "$", "$$", ":", `\:`).Replace(path)
}

// writeFile writes a file whole or not at all.
func writeFile(path string, b []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*.tmp")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(b)
	if err := errors.Join(err, f.Chmod(0o644), f.Close()); err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	return os.Rename(f.Name(), path)
}
