// Package files writes files and folders that are there whole or not at all, and
// locks what one process at a time may work on.
//
// What is written goes to a temporary name beside its destination, is synced, and
// then takes the destination's name; the folder is synced behind it. Whoever holds a
// temporary file or folder holds a lock on it (flock), which ends with the process:
// one without a holder is of a process that was killed, and the next one that writes
// into the same folder removes it. Where a file system has no locks nothing can be
// known to be left over, and nothing is removed.
package files

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
)

// UnfitError says that nothing can be written at a path, whatever it would be.
type UnfitError struct{ Path, Why string }

// Error gives the path and what to do.
func (e *UnfitError) Error() string { return e.Path + ": " + e.Why }

// File is a file that is being written. Nothing can be seen of it at its destination
// before Commit, unless that is no regular file: what is written then goes there at once.
type File struct {
	*os.File
	Path string // of the destination, links followed
	temp bool   // it has a temporary name
}

// Create begins to write a file. Links are followed: what they lead to is replaced. A
// file that is there keeps its permissions, a new one gets what the umask leaves. What
// is there and is no regular file (a device, a pipe) is never replaced but written to.
func Create(path string) (*File, error) {
	real, st, err := destination(path)
	if err != nil {
		return nil, err
	}
	if st != nil && !st.Mode().IsRegular() {
		f, err := os.OpenFile(real, os.O_WRONLY, 0)
		return &File{File: f, Path: real}, err
	}
	mode := fs.FileMode(0o666)
	if st != nil {
		mode = st.Mode().Perm()
	}
	sweep(filepath.Dir(real))
	for {
		f, err := os.OpenFile(temporary(filepath.Dir(real), real), os.O_RDWR|os.O_CREATE|os.O_EXCL, mode)
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if st != nil { // the umask is for new files
			err = f.Chmod(mode)
		}
		file := &File{f, real, true}
		held := false
		if err == nil {
			held, err = hold(f)
		}
		if held && err == nil {
			return file, nil
		}
		file.Discard()
		if err != nil {
			return nil, err
		}
	}
}

// Commit makes the file what is at its destination, synced.
func (f *File) Commit() error { return Commit(f) }

// Commit makes files that belong together what is at their destinations. Whatever can
// fail is done for all of them before the first changes. The last one refers to the
// others: where there are others, an older one in its place is removed before theirs
// change, so that it is never seen with files that are not its own.
func Commit(files ...*File) error {
	for _, f := range files {
		if !f.temp {
			continue
		}
		if err := f.Sync(); err != nil {
			return err
		}
	}
	last := files[len(files)-1]
	if len(files) > 1 && last.temp {
		if err := os.Remove(last.Path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if err := syncDir(filepath.Dir(last.Path)); err != nil {
			return err
		}
	}
	for _, f := range files {
		if f.temp {
			if err := os.Rename(f.Name(), f.Path); err != nil {
				return err
			}
			f.temp = false
			if err := syncDir(filepath.Dir(f.Path)); err != nil {
				return err
			}
		}
		if err := f.Close(); err != nil { // last, as it ends the lock
			return err
		}
	}
	return nil
}

// Discard removes what was not committed.
func (f *File) Discard() {
	if f.temp {
		os.Remove(f.Name())
		f.temp = false
	}
	f.Close()
}

// Write writes a file of those bytes.
func Write(path string, data []byte) error {
	f, err := Create(path)
	if err != nil {
		return err
	}
	defer f.Discard()
	if _, err := f.Write(data); err != nil {
		return err
	}
	return f.Commit()
}

// Check tells whether a file can be written at path, as far as that can be known before:
// its folder is there, and no folder is in its place. The error is an [UnfitError].
func Check(path string) error {
	_, _, err := destination(path)
	return err
}

// destination follows links, also one to a file that is not there yet. St is nil where
// nothing is there.
func destination(path string) (real string, st fs.FileInfo, err error) {
	if real, st, err = follow(path); err != nil {
		return "", nil, err
	}
	if st != nil && st.IsDir() {
		return "", nil, &UnfitError{path, "it is a folder, and a file is to be written: choose another name"}
	}
	if dir := filepath.Dir(real); st == nil {
		if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
			return "", nil, &UnfitError{path, fmt.Sprintf("there is no folder %s: create it or choose another place", dir)}
		} else if err != nil {
			return "", nil, err
		}
	}
	return real, st, nil
}

func follow(path string) (real string, st fs.FileInfo, err error) {
	st, err = os.Stat(path)
	switch {
	case err == nil && (st.Mode().IsRegular() || st.IsDir()):
		real, err = filepath.EvalSymlinks(path)
		return real, st, err
	case err == nil: // what /dev/stdout leads to may have no path
		return path, st, nil
	case !errors.Is(err, fs.ErrNotExist):
		return "", nil, err
	}
	link, err := os.Readlink(path)
	if err != nil {
		return path, nil, nil // nothing is there
	}
	if !filepath.IsAbs(link) {
		link = filepath.Dir(path) + string(filepath.Separator) + link // not cleaned: the folder may be a link
	}
	return follow(link)
}

// leftover is the name of what a process may leave when it is killed: of a temporary
// file or folder, or of a folder that is about to be replaced.
var leftover = regexp.MustCompile(`^\.(.+)\.bnc-[0-9]+\.(tmp|old)$`)

// temporary returns a new temporary name in dir.
func temporary(dir, path string) string {
	return filepath.Join(dir, fmt.Sprintf(".%s.bnc-%d.tmp", filepath.Base(path), rand.Uint64()))
}

// hold locks a temporary file or folder that was just made. It reports false where
// another process took it for a leftover in the meantime.
func hold(f *os.File) (bool, error) {
	locked, err := tryLock(f)
	if err != nil || !locked {
		return false, err
	}
	return isAt(f, f.Name()), nil
}

// isAt reports whether f is what has that name.
func isAt(f *os.File, name string) bool {
	opened, err1 := f.Stat()
	named, err2 := os.Lstat(name)
	return err1 == nil && err2 == nil && os.SameFile(opened, named)
}

// sweep removes what processes that were killed have left in dir. A folder that was
// about to be replaced, and whose successor did not come to its place, goes back there.
// What cannot be removed stays: it is in nobody's way.
func sweep(dir string) {
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		m := leftover.FindStringSubmatch(e.Name())
		if m == nil || !e.IsDir() && !e.Type().IsRegular() {
			continue
		}
		name := filepath.Join(dir, e.Name())
		f, ours := openLeftover(name, e.IsDir())
		if !ours {
			continue
		}
		if isAt(f, name) {
			remove(name, filepath.Join(dir, m[1]), m[2] == "old")
		}
		f.Close()
	}
}

// remove removes a leftover of what is to be at path.
func remove(name, path string, replaced bool) {
	if _, err := os.Lstat(path); replaced && errors.Is(err, fs.ErrNotExist) {
		os.Rename(name, path)
		return
	}
	os.RemoveAll(name)
}
