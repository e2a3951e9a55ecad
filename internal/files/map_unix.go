//go:build unix

package files

import (
	"os"

	"golang.org/x/sys/unix"
)

// Map maps a file, as long as it is now, for reading; f may be closed. Where the file
// grows shorter, reading what is gone ends the process.
func Map(f *os.File) (*Mapping, error) {
	st, err := f.Stat()
	if err != nil || st.Size() == 0 {
		return new(Mapping), err
	}
	b, err := unix.Mmap(int(f.Fd()), 0, int(st.Size()), unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return nil, err
	}
	return &Mapping{b, unix.Munmap}, nil
}
