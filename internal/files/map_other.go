//go:build !unix

package files

import (
	"io"
	"math"
	"os"
)

// Map reads a file: there is no mapping here that would be as simple.
func Map(f *os.File) (*Mapping, error) {
	b, err := io.ReadAll(io.NewSectionReader(f, 0, math.MaxInt64))
	return &Mapping{Bytes: b}, err
}
