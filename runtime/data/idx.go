package data

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"io"
	"os"
	"slices"
	"strconv"
)

// idxSuffixes are how the names of MNIST's files go on after "images" or
// "labels": with the number of axes, as published, and with a dot as some
// tools unpack them.
var idxSuffixes = []string{"-idx3-ubyte", "-idx1-ubyte", ".idx3-ubyte", ".idx1-ubyte"}

// isIDX tells whether the rest of a name is that of an IDX file.
func isIDX(rest string) bool {
	for _, suffix := range idxSuffixes {
		if rest == suffix || rest == suffix+".gz" {
			return true
		}
	}
	return false
}

// idx is a source of grey images in memory, from MNIST's IDX format.
type idx struct {
	path          string
	height, width int
	pixels        []byte
	labels        []byte // nil without labels
}

// openIDX reads a file of images and, unless labels is empty, one of labels.
func openIDX(images, labels string) (*Set, error) {
	dims, pixels, err := readIDX(images, 3)
	if err != nil {
		return nil, err
	}
	src := &idx{path: images, height: dims[1], width: dims[2], pixels: pixels}
	if dims[0] == 0 || len(pixels) == 0 {
		return nil, fmt.Errorf("%s holds no images", images)
	}
	if labels == "" {
		return &Set{source: src}, nil
	}
	count, values, err := readIDX(labels, 1)
	if err != nil {
		return nil, err
	}
	if count[0] != dims[0] {
		return nil, fmt.Errorf("%s holds %d labels for the %d images of %s", labels, count[0], dims[0], images)
	}
	src.labels = values
	return &Set{source: src, classes: numbered(int(slices.Max(values)) + 1)}, nil
}

// numbered names n classes by their numbers.
func numbered(n int) []string {
	names := make([]string, n)
	for i := range names {
		names[i] = strconv.Itoa(i)
	}
	return names
}

// readIDX reads an IDX file of unsigned bytes with that many axes, gzipped or
// not: two zero bytes, the element type 8, the number of axes, each axis as a
// big-endian uint32, then the data. Memory grows with what is there.
func readIDX(path string, axes int) (dims []int, data []byte, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	dims, data, err = parseIDX(bufio.NewReader(f), axes)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", path, err)
	}
	return dims, data, nil
}

func parseIDX(r *bufio.Reader, axes int) (dims []int, data []byte, err error) {
	var in io.Reader = r
	if magic, _ := r.Peek(2); bytes.Equal(magic, []byte{0x1f, 0x8b}) {
		if in, err = gzip.NewReader(r); err != nil {
			return nil, nil, err
		}
	}
	head := make([]byte, 4+4*axes)
	if _, err := io.ReadFull(in, head); err != nil {
		return nil, nil, fmt.Errorf("IDX header: %w", err)
	}
	if want := []byte{0, 0, 8, byte(axes)}; !bytes.Equal(head[:4], want) {
		return nil, nil, fmt.Errorf("expected an IDX file of unsigned bytes with %d axes (% x), found % x", axes, want, head[:4])
	}
	size := uint64(1)
	for i := range axes {
		d := binary.BigEndian.Uint32(head[4+4*i:])
		dims = append(dims, int(d))
		if size > 0 && uint64(d) > (1<<40)/max(size, 1) {
			return nil, nil, fmt.Errorf("IDX header claims %d x %d elements: too many", size, d)
		}
		size *= uint64(d)
	}
	var buf bytes.Buffer
	n, err := io.CopyN(&buf, in, int64(size))
	if errors.Is(err, io.EOF) {
		return nil, nil, fmt.Errorf("expected %d bytes of data for %v, found %d", size, dims, n)
	}
	return dims, buf.Bytes(), err
}

func (x *idx) len() int   { return len(x.pixels) / (x.height * x.width) }
func (x *idx) file() bool { return false }

func (x *idx) label(i int) int {
	if x.labels == nil {
		return NoLabel
	}
	return int(x.labels[i])
}

func (x *idx) name(i int) string { return fmt.Sprintf("%s[%d]", x.path, i) }

// item returns a view of the pixels: no copy.
func (x *idx) item(i int, r *Reader) (Item, error) {
	area := x.height * x.width
	r.gray = image.Gray{
		Pix:    x.pixels[i*area : (i+1)*area : (i+1)*area],
		Stride: x.width,
		Rect:   image.Rect(0, 0, x.width, x.height),
	}
	return Item{Image: &r.gray}, nil
}
