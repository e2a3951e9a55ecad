package triton

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/bottlenet/bnc/internal/files"
)

// ForeignError says that a folder of a repository is not bnc's to replace.
type ForeignError struct {
	Dir string
	err error
}

// Error names the folder and what to do.
func (e *ForeignError) Error() string {
	return fmt.Sprintf("%s exists and is no export of bnc's; it is not replaced: choose another option output or remove it (%v)", e.Dir, e.err)
}

// Unwrap returns why the folder is not bnc's.
func (e *ForeignError) Unwrap() error { return e.err }

// Replaceable checks that a model's folder is not there, or of an earlier export: it is a
// *ForeignError otherwise.
func Replaceable(dir string) error {
	if _, err := os.Lstat(dir); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err := Exported(dir); err != nil {
		return &ForeignError{dir, err}
	}
	return nil
}

// Install writes m into a folder of its own, which then changes places with the one of
// the repository.
func (m Model) Install(repository string) error {
	d, err := files.CreateDir(filepath.Join(repository, m.Config.Name), beside(repository))
	if err != nil {
		return err
	}
	defer d.Discard()
	if err := m.Write(d.Temp); err != nil {
		return err
	}
	return d.Commit()
}

// beside returns where to put a model together. A server that polls takes every folder of
// its repository for a model, so that is the folder above, unless it is another file
// system or cannot be written.
func beside(repository string) string {
	above := filepath.Dir(repository)
	if files.Movable(above, repository) {
		return above
	}
	return repository
}
