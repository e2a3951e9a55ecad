package data

import (
	"bytes"
	"fmt"
	"image"
	"os"

	"github.com/bottlenet/bnc/runtime/imagein"
	"github.com/bottlenet/bnc/runtime/tensor"
)

// Reader is memory for reading items again and again. The zero Reader is
// ready; one goroutine may use it at a time.
type Reader struct {
	gray image.Gray
	file bytes.Buffer
}

// Read is Item with memory of r: what it returns is valid until r is used
// again. An image of an IDX file costs no allocation.
func (s *Set) Read(i int, r *Reader) (Item, error) { return s.source.item(s.at(i), r) }

// read reads an image or a tensor; errors name the file.
func (r *Reader) read(path string) (Item, error) {
	if isNPY(path) {
		t, err := tensor.ReadNPYFile(path)
		return Item{Tensor: t}, err
	}
	f, err := os.Open(path)
	if err != nil {
		return Item{}, err
	}
	defer f.Close()
	r.file.Reset()
	if _, err := r.file.ReadFrom(f); err != nil {
		return Item{}, err
	}
	img, err := imagein.Decode(r.file.Bytes())
	if err != nil {
		return Item{}, fmt.Errorf("%s: %w", path, err)
	}
	return Item{Image: img}, nil
}
