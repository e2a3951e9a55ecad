package files

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
)

// HeldError says that another process holds a lock.
type HeldError struct {
	Path string
	By   string // as that process says
}

// Error names both.
func (e *HeldError) Error() string { return fmt.Sprintf("%s is held by %s", e.Path, e.By) }

// Lock is a lock between processes: a file that its holder has locked, with the
// holder's name in it. It ends with the process. Where a file system has no locks there
// is none, and nobody is kept out.
type Lock struct{ f *os.File }

// TryLock takes the lock at path, or tells in a [HeldError] who has it.
func TryLock(path string) (*Lock, error) {
	for {
		f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o666)
		if err != nil {
			return nil, err
		}
		locked, err := tryLock(f)
		switch {
		case err != nil:
			err = fmt.Errorf("locking %s: %w", path, err)
		case !locked:
			err = &HeldError{path, holder(f)}
		case isAt(f, path): // not removed by the holder before
			sign(f)
			return &Lock{f}, nil
		}
		f.Close()
		if err != nil {
			return nil, err
		}
	}
}

// WaitLock waits for the lock at path until ctx ends. It tries again and again, less
// often as time goes by: to wait in the system's own call could not be given up.
func WaitLock(ctx context.Context, path string) (*Lock, error) {
	for pause := time.Millisecond; ; pause = min(2*pause, time.Second) {
		if err := context.Cause(ctx); err != nil {
			return nil, err
		}
		l, err := TryLock(path)
		if held := (*HeldError)(nil); !errors.As(err, &held) {
			return l, err
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
		}
	}
}

// Unlock gives the lock back; its file goes.
func (l *Lock) Unlock() {
	os.Remove(l.f.Name()) // while it is held: whoever has opened it sees that it is not at its place
	l.f.Close()
}

// sign writes who holds the lock into its file. Where it cannot, as on a full disk, the
// lock is held all the same.
func sign(f *os.File) {
	host, err := os.Hostname()
	if err != nil {
		host = "an unknown host"
	}
	if f.Truncate(0) == nil {
		fmt.Fprintf(f, "process %d on %s\n", os.Getpid(), host)
	}
}

func holder(f *os.File) string {
	b, err := io.ReadAll(io.LimitReader(f, 1<<10))
	if by := strings.TrimSpace(string(b)); err == nil && by != "" {
		return by
	}
	return "another process"
}
