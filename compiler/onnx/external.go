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

// external opens the files that hold tensors outside of the model file, by ONNX
// Runtime's rule: with every link followed, such a file lies below the folder that
// the model was opened in, or below that of the real file where the model is a link
// itself, as in a cache whose snapshots are links to blobs. An absolute location, one
// that leaves both folders by "..", a link out of them, and what is no regular file
// are refused (CVE-2022-25882, CVE-2024-27318, CVE-2024-5187).
type external struct {
	model string // path of the model file
	files map[string]opened
}

// opened is a file that external data is in; path leads to it without links.
type opened struct {
	*os.File
	path string
}

// paths returns the files' paths in order of the locations that name them.
func (e *external) paths() []string {
	out := make([]string, 0, len(e.files))
	for _, location := range slices.Sorted(maps.Keys(e.files)) {
		out = append(out, e.files[location].path)
	}
	return out
}

func (e *external) open(location string) (*os.File, error) {
	if f, ok := e.files[location]; ok {
		return f.File, nil
	}
	if filepath.IsAbs(location) {
		return nil, fmt.Errorf("location %q: expected a path relative to the model's folder", location)
	}
	dir, err := filepath.EvalSymlinks(filepath.Dir(e.model))
	if err != nil {
		return nil, err
	}
	// Not cleaned: ".." behind a link to a folder is that folder's parent.
	path, err := filepath.EvalSymlinks(dir + string(filepath.Separator) + location)
	if err != nil {
		return nil, fmt.Errorf("location %q: %w", location, err)
	}
	model, err := filepath.EvalSymlinks(e.model)
	if err != nil {
		return nil, err
	}
	for _, folder := range []string{dir, filepath.Dir(model)} {
		rel, err := filepath.Rel(folder, path)
		if err != nil || !filepath.IsLocal(rel) {
			continue
		}
		f, err := openRegular(folder, rel)
		if err != nil {
			return nil, fmt.Errorf("location %q: %w", location, err)
		}
		e.files[location] = opened{f, path}
		return f, nil
	}
	return nil, fmt.Errorf("location %q leads to %s: it must be a file inside %s", location, path, dir)
}

// openRegular opens a regular file below folder, of which no part may become a link
// that leads out of it meanwhile.
func openRegular(folder, rel string) (*os.File, error) {
	root, err := os.OpenRoot(folder)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	st, err := root.Stat(rel) // before opening: a FIFO would block
	if err != nil {
		return nil, err
	}
	if !st.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is no regular file", rel)
	}
	return root.Open(rel)
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
	s := fileRange{f, offset, length}
	if length <= inlineLimit {
		b, err := s.Bytes()
		return ir.Memory(b), err
	}
	return s, nil
}
