package onnx

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// copyRange appends s to w inside the kernel. It returns how much it copied,
// which is less than all where the file systems do not offer it.
func copyRange(w *os.File, s fileRange) (int64, error) {
	off, done := s.off, int64(0)
	for done < s.n {
		n, err := unix.CopyFileRange(int(s.f.Fd()), &off, int(w.Fd()), nil, int(min(s.n-done, 1<<30)), 0)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil || n == 0:
			return done, nil
		}
		done += int64(n)
	}
	return done, nil
}
