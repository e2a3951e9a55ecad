package output

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/bottlenet/bnc/compiler/onnx"
	"github.com/bottlenet/bnc/compiler/onnxtext"
	"github.com/bottlenet/bnc/internal/fault"
	"github.com/bottlenet/bnc/passes/bottleneck"
	"github.com/bottlenet/bnc/passes/split"
)

// pair is a plain split of a network of one node.
func pair(t *testing.T) *split.Bundle {
	t.Helper()
	m, err := onnxtext.Parse(`<ir_version: 8, opset_import: ["" : 17]> net (float[2] x) => (float[2] y) { y = Relu (x) }`)
	if err != nil {
		t.Fatal(err)
	}
	return &split.Bundle{Mobile: m, Cloud: m.Clone()}
}

// save writes a bundle.
func save(t *testing.T, dir string) error {
	t.Helper()
	w, err := Create(dir)
	if err != nil {
		return err
	}
	defer w.Discard()
	return w.Save(t.Context(), pair(t), onnx.SaveOptions{}, func() (bottleneck.Meta, error) { return bottleneck.Meta{Format: 1, Pair: "p"}, nil })
}

// TestBundle: a bundle is written whole and replaced whole, what is no bundle stays, and
// nothing is left over.
func TestBundle(t *testing.T) {
	root := t.TempDir()
	dir := filepath.Join(root, "b")
	for range 2 {
		if err := save(t, dir); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"mobile.onnx", "cloud.onnx"} {
			m, err := onnx.Load(filepath.Join(dir, name))
			if err != nil {
				t.Fatal(err)
			}
			if part, _ := m.Meta("bnc.part"); part != `"`+name[:len(name)-len(".onnx")]+`"` {
				t.Errorf("%s is part %s", name, part)
			}
		}
	}
	own := filepath.Join(dir, "notes.txt")
	for _, at := range []string{own, filepath.Join(root, "folder", "x")} {
		if err := os.MkdirAll(filepath.Dir(at), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(at, []byte("mine"), 0o600); err != nil {
			t.Fatal(err)
		}
		var refused *fault.UsageError
		if err := save(t, filepath.Dir(at)); !errors.As(err, &refused) {
			t.Errorf("%s: %v, expected a refusal", filepath.Dir(at), err)
		}
		if text, err := os.ReadFile(at); err != nil || string(text) != "mine" {
			t.Errorf("%s is %q, %v", at, text, err)
		}
	}
	failure := errors.New("no metadata")
	w, err := Create(filepath.Join(root, "new"))
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Save(t.Context(), pair(t), onnx.SaveOptions{}, func() (bottleneck.Meta, error) { return bottleneck.Meta{}, failure }); !errors.Is(err, failure) {
		t.Errorf("%v, expected %v", err, failure)
	}
	w.Discard()
	left, err := os.ReadDir(root)
	if err != nil || len(left) != 2 {
		t.Errorf("%v %v: expected b and folder", left, err)
	}
}
