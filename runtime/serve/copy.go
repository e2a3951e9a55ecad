package serve

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/bottlenet/bnc/internal/files"
	"github.com/bottlenet/bnc/runtime/bundle"
)

// weightsSuffix ends the name of the file beside a model that has its weights.
const weightsSuffix = ".data"

// loadEntry loads the model that is at path, and at rel in root. One with weights
// in a file of its own is loaded from a copy: ONNX Runtime maps that file, and if
// it were cut short or written over while it is served the process would end. The
// copy is removed at once; its bytes stay as long as they are mapped.
func (w *watch) loadEntry(root *os.Root, name, path, rel string, folder bool) error {
	parts := []string{rel, rel + weightsSuffix}
	if folder {
		cloud := filepath.Join(rel, bundle.CloudFile)
		parts = []string{filepath.Join(rel, bundle.MobileFile), cloud, cloud + weightsSuffix}
	}
	if stat, err := root.Stat(parts[len(parts)-1]); err != nil || !stat.Mode().IsRegular() {
		return w.load(name, path, path)
	}
	scratch, err := files.Scratch()
	if err != nil {
		return err
	}
	defer scratch.Discard()
	dir := scratch.Temp
	for _, file := range parts {
		if err := copyOut(root, file, dir); err != nil {
			return fmt.Errorf("model %s: a copy of its files in %s: %w", name, os.TempDir(), err)
		}
	}
	from := dir
	if !folder {
		from = filepath.Join(dir, filepath.Base(rel))
	}
	return w.load(name, path, from)
}

// copyOut copies a file of root into a folder.
func copyOut(root *os.Root, file, dir string) error {
	in, err := root.Open(file)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.Create(filepath.Join(dir, filepath.Base(file)))
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}
