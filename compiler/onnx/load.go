// Package onnx reads and writes ONNX files.
//
// [Load] maps the file, cuts the raw_data of every tensor out of it with
// protowire and unmarshals only the rest; the weights stay in the file until
// somebody asks for their bytes, and [Save] streams them from there into what
// it writes. Load followed by Save loses nothing the format knows: the two
// files are equal after protocol buffer normalisation.
package onnx

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/compiler/onnxpb"
	"github.com/bottlenet/bnc/internal/files"
	"google.golang.org/protobuf/proto"
)

// ErrFormat is wrapped by every error about the contents of a file: it is not
// ONNX, damaged, or refers to data that it must not or that is not there.
var ErrFormat = errors.New("not a usable ONNX model")

// Load reads a model. The file, and those with its external data, stay open as
// long as constants of the model refer to them.
func Load(path string) (*ir.Model, error) {
	m, _, err := load(path)
	return m, err
}

func load(path string) (*ir.Model, *external, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, err
	}
	st, err := f.Stat()
	if err != nil {
		return nil, nil, err
	}
	if !st.Mode().IsRegular() {
		return nil, nil, fmt.Errorf("%s: %w: it is no regular file", path, ErrFormat)
	}
	if st.Size() == 0 {
		return nil, nil, fmt.Errorf("%s: %w: the file is empty", path, ErrFormat)
	}
	ext := &external{model: path, files: map[string]opened{}}
	mapped, err := files.Map(f)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: mapping: %w", path, err)
	}
	m, err := parse(mapped.Bytes, ext, func(e extent) ir.Data {
		if e.n <= inlineLimit {
			return ir.Memory(bytes.Clone(mapped.Bytes[e.off : e.off+e.n]))
		}
		return fileRange{f, e.off, e.n}
	})
	err = errors.Join(err, mapped.Close())
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", path, err)
	}
	return m, ext, nil
}

// inlineLimit is the size up to which constants are read at once: shapes,
// scalars, biases. Larger ones stay in the file.
const inlineLimit = 4096

// Parse reads a model from memory; its constants refer to b. External data is
// refused: there is no folder it could be in.
func Parse(b []byte) (*ir.Model, error) {
	return parse(b, nil, func(e extent) ir.Data { return ir.Memory(b[e.off : e.off+e.n]) })
}

func parse(b []byte, ext *external, data func(extent) ir.Data) (*ir.Model, error) {
	if bytes.HasPrefix(b, []byte("version https://git-lfs")) {
		return nil, fmt.Errorf("%w: this is a Git LFS pointer; fetch the file with 'git lfs pull'", ErrFormat)
	}
	small, extents, err := skeleton(b)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	pb := &onnxpb.ModelProto{}
	if err := proto.Unmarshal(small, pb); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	d := decoder{external: ext, data: func(index []byte) (ir.Data, error) {
		if len(index) != 8 {
			return nil, fmt.Errorf("BUG: raw_data of %d bytes in the skeleton", len(index))
		}
		return data(extents[binary.LittleEndian.Uint64(index)]), nil
	}}
	m, err := d.model(pb)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	return m, nil
}

// ExternalFiles returns the paths of the files with a model's external data, in
// order of their names.
func ExternalFiles(path string) ([]string, error) {
	_, ext, err := load(path)
	if err != nil {
		return nil, err
	}
	return ext.paths(), nil
}

// Hash returns the SHA-256, in hexadecimal, of the model file followed by the
// files with its external data in order of their names: the identity of a
// source model. For a model in one file it is what sha256sum prints.
func Hash(path string) (string, error) {
	data, err := ExternalFiles(path)
	if err != nil {
		return "", err
	}
	h := sha256.New()
	for _, name := range append([]string{path}, data...) {
		f, err := os.Open(name)
		if err != nil {
			return "", err
		}
		_, err = io.CopyBuffer(h, struct{ io.Reader }{f}, make([]byte, 1<<20))
		f.Close()
		if err != nil {
			return "", fmt.Errorf("%s: %w", name, err)
		}
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// fileRange is constant data that is still in a file.
type fileRange struct {
	f      *os.File
	off, n int64
}

func (s fileRange) Size() int64 { return s.n }

func (s fileRange) Bytes() ([]byte, error) {
	b := make([]byte, s.n)
	if _, err := s.f.ReadAt(b, s.off); err != nil {
		return nil, fmt.Errorf("%s: reading %d bytes at %d: %w", s.f.Name(), s.n, s.off, err)
	}
	return b, nil
}

func (s fileRange) WriteTo(w io.Writer) (int64, error) {
	if c, ok := w.(interface{ copyFileRange(fileRange) error }); ok {
		return s.n, c.copyFileRange(s)
	}
	n, err := io.Copy(w, io.NewSectionReader(s.f, s.off, s.n))
	if err == nil && n != s.n {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}
