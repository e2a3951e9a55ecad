package triton

import (
	"errors"
	"os"
	"path/filepath"

	"github.com/bottlenet/bnc/internal/fault"
	"github.com/bottlenet/bnc/internal/files"
)

// replaceable checks that a model's folder is not there, or of an earlier export: it is a
// fault.UsageError otherwise.
func replaceable(dir string) error {
	if _, err := os.Lstat(dir); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err := Exported(dir); err != nil {
		return fault.Usage("", "%s exists and is no export of bnc's; it is not replaced: choose another option output or remove it (%w)", dir, err)
	}
	return nil
}

// install writes m into a folder of its own, which then changes places with the one of
// the repository.
func (m Model) install(repository string) error {
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
