package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/bottlenet/bnc/compiler/onnx"
	"github.com/bottlenet/bnc/passes"
	"github.com/bottlenet/bnc/runtime/bundle"
	"golang.org/x/sys/unix"
)

// bundleParts are the files of a bundle in the order in which they are listed.
var bundleParts = []string{"mobile", "cloud", "bottlenet"}

// bundleWriter writes a bundle beside its destination and swaps it in whole.
type bundleWriter struct {
	dir, temp string
	sizes     []partSize
}

// filesOf are the files that a part may take.
func filesOf(part string) []string { return []string{part + ".onnx", part + ".onnx.data"} }

type partSize struct {
	name string
	size int64
}

// openBundle prepares to write the bundle dir. Where dir exists and is anything
// but a bundle it refuses: nothing of the user's is ever replaced.
func openBundle(dir string) (*bundleWriter, error) {
	dir = filepath.Clean(dir)
	if st, err := os.Lstat(dir); err == nil {
		if st.Mode()&os.ModeSymlink != 0 { // what it leads to is replaced
			if dir, err = filepath.EvalSymlinks(dir); err != nil {
				return nil, err
			}
		}
		if err := onlyBundle(dir); err != nil {
			return nil, err
		}
	} else if !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return nil, err
	}
	temp, err := os.MkdirTemp(filepath.Dir(dir), "."+filepath.Base(dir)+".*.tmp")
	if err != nil {
		return nil, err
	}
	return &bundleWriter{dir: dir, temp: temp}, os.Chmod(temp, 0o755)
}

// outside checks that a file that a flag names is not in the folder dir, which is
// replaced as a whole.
func outside(dir, flag, path string) error {
	if path == "" {
		return nil
	}
	into, err1 := withoutLinks(dir)
	file, err2 := withoutLinks(path)
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	if rest, err := filepath.Rel(into, file); err == nil && filepath.IsLocal(rest) {
		return usagef("%s %s lies in the bundle %s, which is replaced as a whole: choose another place", flag, path, dir)
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
		return usagef("%s exists and is no bundle; it is not replaced: choose another -o or remove it", dir)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		own := slices.ContainsFunc(bundleParts, func(part string) bool { return slices.Contains(filesOf(part), e.Name()) })
		if !own || !e.Type().IsRegular() {
			return usagef("%s holds %s, which is not of a bundle; it is not replaced: move the file away or choose another -o", dir, e.Name())
		}
	}
	return nil
}

// save writes the parts of b, all at once, and swaps the bundle in. Late is
// called, once, when the graphs are written; what it returns becomes their
// metadata.
func (w *bundleWriter) save(ctx context.Context, b *passes.Bundle, o onnx.SaveOptions, late func() (passes.Meta, error)) error {
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
			return passes.Describe(m, meta)
		}
		group.Go(func() { errs[i] = onnx.Save(filepath.Join(w.temp, part+".onnx"), m, saving) })
	}
	group.Wait()
	if err := errors.Join(append(errs, ctx.Err())...); err != nil {
		return err
	}
	for _, part := range bundleParts {
		for _, name := range filesOf(part) {
			if st, err := os.Stat(filepath.Join(w.temp, name)); err == nil {
				w.sizes = append(w.sizes, partSize{name, st.Size()})
			}
		}
	}
	return w.commit()
}

// commit puts the new folder into place. Where there was one, the two change
// places in one step, so that there is a whole bundle at any moment.
func (w *bundleWriter) commit() error {
	if _, err := os.Lstat(w.dir); errors.Is(err, os.ErrNotExist) {
		if err := os.Rename(w.temp, w.dir); err != nil {
			return err
		}
		w.temp = ""
		return nil
	}
	if err := exchange(w.temp, w.dir); err != nil {
		return fmt.Errorf("replacing %s: %w", w.dir, err)
	}
	return nil // the old bundle is in temp now, for discard
}

// exchange swaps two folders.
func exchange(a, b string) error {
	err := unix.Renameat2(unix.AT_FDCWD, a, unix.AT_FDCWD, b, unix.RENAME_EXCHANGE)
	if !errors.Is(err, unix.ENOSYS) && !errors.Is(err, unix.EINVAL) {
		return err
	}
	aside := a + ".old" // a file system without it: three steps, the old one kept until the end
	if err := os.Rename(b, aside); err != nil {
		return err
	}
	if err := os.Rename(a, b); err != nil {
		return errors.Join(err, os.Rename(aside, b))
	}
	return os.Rename(aside, a)
}

// discard removes what is left of the temporary folder.
func (w *bundleWriter) discard() {
	if w.temp != "" {
		os.RemoveAll(w.temp)
	}
}
