//go:build unix

package files

import (
	"errors"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// tryLock locks an open file for this process, true also where its file system has no
// locks; false where another one has locked it.
func tryLock(f *os.File) (bool, error) {
	for {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.EWOULDBLOCK):
			return false, nil
		case err == nil, errors.Is(err, unix.ENOLCK), errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.ENOSYS), errors.Is(err, unix.EBADF):
			return true, nil // EBADF: a folder in NFS, which locks only what is open for writing
		}
		return false, &fs.PathError{Op: "flock", Path: f.Name(), Err: err}
	}
}

// openLeftover opens what may be a leftover, without following links or waiting. It
// reports false where another process holds it, or where that cannot be known.
func openLeftover(name string, dir bool) (*os.File, bool) {
	mode := os.O_RDWR // NFS locks no file that is open for reading only
	if dir {
		mode = os.O_RDONLY
	}
	f, err := os.OpenFile(name, mode|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, false
	}
	if unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) != nil {
		f.Close()
		return nil, false
	}
	return f, true
}

// syncDir makes the names in a folder durable, where its file system can.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	if err := d.Sync(); err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOTSUP) {
		return err
	}
	return nil
}

// Movable tells whether what is made in a folder can be moved to another: they are in one
// file system, and this process may write into the first.
func Movable(from, to string) bool {
	var one, other unix.Stat_t
	return unix.Stat(from, &one) == nil && unix.Stat(to, &other) == nil && one.Dev == other.Dev && unix.Access(from, unix.W_OK) == nil
}
