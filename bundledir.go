package bnc

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/bottlenet/bnc/compiler/onnx"
	"github.com/bottlenet/bnc/internal/files"
	"github.com/bottlenet/bnc/passes/bottleneck"
	"github.com/bottlenet/bnc/passes/split"
	"github.com/bottlenet/bnc/runtime/bundle"
)

// bundleParts are the files of a bundle in the order in which they are listed.
var bundleParts = []string{"mobile", "cloud", "bottlenet"}

// bundleWriter writes a bundle beside its destination and swaps it in whole.
type bundleWriter struct {
	path  string // of the bundle
	dir   *files.Dir
	files []BundleFile // once they are written
}

// filesOf are the files that a part may take.
func filesOf(part string) []string { return []string{part + ".onnx", part + ".onnx.data"} }

// openBundle prepares to write the bundle at path. Where that exists and is anything
// but a bundle it refuses: nothing of the user's is ever replaced.
func openBundle(path string) (*bundleWriter, error) {
	dir := filepath.Clean(path)
	switch _, err := os.Stat(dir); {
	case err == nil:
		err = onlyBundle(dir)
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
	return &bundleWriter{path: path, dir: d}, nil
}

// outside checks that a file that an option names, or the model for "", is not in the
// folder dir, which is replaced as a whole.
func outside(dir, option, path string) error {
	if path == "" {
		return nil
	}
	into, err1 := withoutLinks(dir)
	file, err2 := withoutLinks(path)
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	if rest, err := filepath.Rel(into, file); err == nil && filepath.IsLocal(rest) {
		if option == "" {
			path = "the model " + path
		}
		return usage(option, "%s lies in the bundle %s, which is replaced as a whole: choose another place", path, dir)
	}
	return nil
}

// withoutLinks is an absolute path without symbolic links, of a file that need not exist.
func withoutLinks(path string) (string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	real, err := filepath.EvalSymlinks(path)
	if !errors.Is(err, os.ErrNotExist) || path == filepath.Dir(path) {
		return real, err
	}
	parent, err := withoutLinks(filepath.Dir(path))
	return filepath.Join(parent, filepath.Base(path)), err
}

// onlyBundle checks that dir is a bundle and holds nothing else.
func onlyBundle(dir string) error {
	if !bundle.IsBundle(dir) {
		return usage("", "%s exists and is no bundle; it is not replaced: choose another option output or remove it", dir)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		own := slices.ContainsFunc(bundleParts, func(part string) bool { return slices.Contains(filesOf(part), e.Name()) })
		if !own || !e.Type().IsRegular() {
			return usage("", "%s holds %s, which is not of a bundle; it is not replaced: move the file away or choose another option output", dir, e.Name())
		}
	}
	return nil
}

// save writes the parts of b, all at once, and swaps the bundle in. Late is
// called, once, when the graphs are written; what it returns becomes their
// metadata.
func (w *bundleWriter) save(ctx context.Context, b *split.Bundle, o onnx.SaveOptions, late func() (bottleneck.Meta, error)) error {
	describe := sync.OnceValues(late)
	parts := b.Parts()
	var group sync.WaitGroup
	errs := make([]error, len(bundleParts))
	for i, part := range bundleParts {
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
	for _, part := range bundleParts {
		for _, name := range filesOf(part) {
			if st, err := os.Stat(filepath.Join(w.dir.Temp, name)); err == nil {
				w.files = append(w.files, BundleFile{name, st.Size()})
			}
		}
	}
	return w.dir.Commit()
}

// discard removes what was not committed, or the bundle that was replaced.
func (w *bundleWriter) discard() { w.dir.Discard() }
