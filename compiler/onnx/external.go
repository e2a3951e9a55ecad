package onnx

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/compiler/onnxpb"
)

// external opens the files that hold tensors outside of the model file. Only
// regular files inside the model's folder are opened: an absolute location, one
// that leaves the folder by "..", and a symbolic link out of it are refused
// (CVE-2022-25882, CVE-2024-27318, CVE-2024-5187).
type external struct {
	dir   string
	files map[string]*os.File // by location
}

func (e *external) paths() []string {
	out := make([]string, 0, len(e.files))
	for _, name := range slices.Sorted(maps.Keys(e.files)) {
		out = append(out, filepath.Join(e.dir, name))
	}
	return out
}

func (e *external) open(location string) (*os.File, error) {
	if f := e.files[location]; f != nil {
		return f, nil
	}
	root, err := os.OpenRoot(e.dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	st, err := root.Stat(location) // before opening: a FIFO would block
	if err != nil {
		return nil, fmt.Errorf("location %q: %w (it must be a file inside %s)", location, err, e.dir)
	}
	if !st.Mode().IsRegular() {
		return nil, fmt.Errorf("location %q is no regular file", location)
	}
	f, err := root.Open(location)
	if err != nil {
		return nil, fmt.Errorf("location %q: %w", location, err)
	}
	e.files[location] = f
	return f, nil
}

// data returns the bytes that the external_data entries of t point to. Size is
// what type and dims ask for, -1 if that is not known.
func (e *external) data(t *onnxpb.TensorProto, size int64) (ir.Data, error) {
	if e == nil {
		return nil, fmt.Errorf("external data in a model that is not a file")
	}
	location, offset, length := "", int64(0), size
	for _, kv := range t.ExternalData {
		var err error
		switch kv.GetKey() {
		case "location":
			location = kv.GetValue()
		case "offset":
			offset, err = strconv.ParseInt(kv.GetValue(), 10, 64)
		case "length":
			length, err = strconv.ParseInt(kv.GetValue(), 10, 64)
			if err == nil && length < 0 {
				err = fmt.Errorf("%d is negative", length)
			}
		}
		if err != nil {
			return nil, fmt.Errorf("external data %s: %w", kv.GetKey(), err)
		}
	}
	f, err := e.open(location)
	if err != nil {
		return nil, fmt.Errorf("external data: %w", err)
	}
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if length < 0 && offset >= 0 && offset <= st.Size() {
		length = st.Size() - offset
	}
	if offset < 0 || length < 0 || offset > st.Size() || length > st.Size()-offset {
		return nil, fmt.Errorf("external data: %d bytes at offset %d are outside of %q, which has %d",
			length, offset, location, st.Size())
	}
	s := span{f, offset, length}
	if length <= inlineLimit {
		b, err := s.Bytes()
		return ir.Memory(b), err
	}
	return s, nil
}
