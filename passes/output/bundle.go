// Package output writes what passes made: bundles, and models after each pass.
package output

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/bottlenet/bnc/compiler/onnx"
	"github.com/bottlenet/bnc/internal/fault"
	"github.com/bottlenet/bnc/internal/files"
	"github.com/bottlenet/bnc/passes/bottleneck"
	"github.com/bottlenet/bnc/passes/split"
)

// Parts are the files of a bundle in the order in which they are listed.
var Parts = []string{"mobile", "cloud", "bottlenet"}

// Writer writes a bundle beside its destination and swaps it in whole.
type Writer struct {
	Path  string // of the bundle
	dir   *files.Dir
	Files []File // once they are written
}

// File is a file of a bundle.
type File struct {
	Name  string // relative to the bundle
	Bytes int64
}

// filesOf are the files that a part may take.
func filesOf(part string) []string { return []string{part + ".onnx", part + ".onnx.data"} }

// Create prepares to write the bundle at path. Where that exists and is anything
// but a bundle it refuses: nothing of the user's is ever replaced.
func Create(path string) (*Writer, error) {
	dir := filepath.Clean(path)
	switch _, err := os.Stat(dir); {
	case err == nil:
		err = OnlyBundle(dir)
		if err != nil {
			return nil, err
		}
	case !errors.Is(err, os.ErrNotExist):
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o777); err != nil {
		return nil, err
	}
	d, err := files.CreateDir(dir, "")
	if err != nil {
		return nil, err
	}
	return &Writer{Path: path, dir: d}, nil
}

// OnlyBundle checks that dir is a bundle and holds nothing else.
func OnlyBundle(dir string) error {
	if !isBundle(dir) {
		return fault.Usage("", "%s exists and is no bundle; it is not replaced: choose another option output or remove it", dir)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		own := slices.ContainsFunc(Parts, func(part string) bool { return slices.Contains(filesOf(part), e.Name()) })
		if !own || !e.Type().IsRegular() {
			return fault.Usage("", "%s holds %s, which is not of a bundle; it is not replaced: move the file away or choose another option output", dir, e.Name())
		}
	}
	return nil
}

// isBundle tells whether the files without which there is no bundle are in dir.
func isBundle(dir string) bool {
	for _, part := range []string{"mobile", "cloud"} {
		if st, err := os.Stat(filepath.Join(dir, part+".onnx")); err != nil || !st.Mode().IsRegular() {
			return false
		}
	}
	return true
}

// Save writes the parts of b, all at once, and swaps the bundle in. Late is
// called, once, when the graphs are written; what it returns becomes their
// metadata.
func (w *Writer) Save(ctx context.Context, b *split.Bundle, o onnx.SaveOptions, late func() (bottleneck.Meta, error)) error {
	describe := sync.OnceValues(late)
	parts := b.Parts()
	var group sync.WaitGroup
	errs := make([]error, len(Parts))
	for i, part := range Parts {
		m := parts[part]
		if m == nil {
			continue
		}
		saving := o
		saving.Late = func() error {
			meta, err := describe()
			if err != nil {
				return err
			}
			meta.Part = part
			return bottleneck.Describe(m, meta)
		}
		group.Go(func() { errs[i] = onnx.Save(ctx, filepath.Join(w.dir.Temp, part+".onnx"), m, saving) })
	}
	group.Wait()
	if err := errors.Join(append(errs, ctx.Err())...); err != nil {
		return err
	}
	for _, part := range Parts {
		for _, name := range filesOf(part) {
			if st, err := os.Stat(filepath.Join(w.dir.Temp, name)); err == nil {
				w.Files = append(w.Files, File{name, st.Size()})
			}
		}
	}
	return w.dir.Commit()
}

// Discard removes what was not committed, or the bundle that was replaced.
func (w *Writer) Discard() { w.dir.Discard() }

// Fits tells before hours of work whether a bundle, or a file, can be written to a path.
func Fits(to string, bundle bool) error {
	stat, err := os.Stat(to)
	switch {
	case bundle && errors.Is(err, os.ErrNotExist):
		return nil
	case bundle:
		return OnlyBundle(to)
	case err == nil && stat.IsDir():
		return fault.Usage("output", "%s is a folder: a file is to be written", to)
	}
	return nil
}
