package files

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Dir is a folder that is being filled.
type Dir struct {
	// Temp is where it is filled, and after Commit what was replaced is there.
	Temp  string
	path  string // of the destination
	held  []*os.File
	aside string // what was replaced, where it is not in Temp
}

// CreateDir begins to write a folder, in the folder beside. Links are followed: what
// they lead to is replaced. A folder that is there keeps its permissions.
func CreateDir(path, beside string) (*Dir, error) {
	real, st, err := follow(path)
	if err != nil {
		return nil, err
	}
	if beside == "" {
		beside = filepath.Dir(real)
	}
	d, err := newDir(beside, real, 0o777)
	if err == nil && st != nil {
		err = os.Chmod(d.Temp, st.Mode().Perm())
	}
	return d, err
}

// Scratch makes a folder for this user alone in the system's place for temporary files.
func Scratch() (*Dir, error) { return newDir(os.TempDir(), "scratch", 0o700) }

func newDir(beside, path string, mode fs.FileMode) (*Dir, error) {
	sweep(beside)
	for {
		d := &Dir{Temp: temporary(beside, path), path: path}
		err := os.Mkdir(d.Temp, mode)
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		held, err := d.hold(d.Temp)
		if held && err == nil {
			return d, nil
		}
		d.Discard()
		if err != nil {
			return nil, err
		}
	}
}

// hold locks a folder until the end. It reports false where another process took it for
// a leftover in the meantime.
func (d *Dir) hold(folder string) (bool, error) {
	f, err := os.Open(folder)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	case err != nil:
		return false, err
	}
	d.held = append(d.held, f)
	return hold(f)
}

// Commit makes the folder, synced with all that is in it, what is at its destination.
// Where there was one the two change places in one step, so that there is a whole one
// at any moment; what was replaced is there until Discard.
func (d *Dir) Commit() error {
	if err := syncTree(d.Temp); err != nil {
		return err
	}
	_, err := os.Lstat(d.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		err = os.Rename(d.Temp, d.path)
	case err == nil:
		var done bool
		if done, err = exchange(d.Temp, d.path); !done {
			err = d.replaceInSteps()
		}
	}
	if err != nil {
		return fmt.Errorf("replacing %s: %w", d.path, err)
	}
	return errors.Join(syncDir(filepath.Dir(d.path)), syncDir(filepath.Dir(d.Temp)))
}

// replaceInSteps is for file systems that cannot let two names change places. A process
// that is killed between the steps leaves what was there under another name, and the
// next one puts it back (see sweep).
func (d *Dir) replaceInSteps() error {
	aside := filepath.Join(filepath.Dir(d.path), filepath.Base(strings.TrimSuffix(d.Temp, ".tmp")+".old"))
	if _, err := d.hold(d.path); err != nil {
		return err
	}
	if err := os.Rename(d.path, aside); err != nil {
		return err
	}
	if err := os.Rename(d.Temp, d.path); err != nil {
		return errors.Join(err, os.Rename(aside, d.path))
	}
	d.aside = aside
	return nil
}

// Discard removes what was not committed, or what was replaced.
func (d *Dir) Discard() {
	for _, name := range []string{d.Temp, d.aside} {
		if name != "" {
			os.RemoveAll(name)
		}
	}
	for _, f := range d.held { // last, as it ends the locks
		f.Close()
	}
	d.held = nil
}

// syncTree syncs all files and folders of a tree.
func syncTree(root string) error {
	return filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case e.IsDir():
			return syncDir(path)
		case !e.Type().IsRegular():
			return nil
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		return errors.Join(f.Sync(), f.Close())
	})
}
