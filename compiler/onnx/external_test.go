//go:build unix

package onnx

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/compiler/onnxpb"
	"google.golang.org/protobuf/proto"
)

// threats makes a model's folder with a file of 16 bytes that external data may
// lie in, and with what it must not read: a folder, a FIFO, links out of it.
func threats(t testing.TB) (dir string, file []byte) {
	t.Helper()
	outside := t.TempDir()
	dir = filepath.Join(outside, "model")
	file = []byte("0123456789abcdef")
	secret := filepath.Join(outside, "secret")
	for _, err := range []error{
		os.MkdirAll(filepath.Join(dir, "sub"), 0o755),
		os.WriteFile(secret, []byte("sixteen secrets!"), 0o644),
		os.WriteFile(filepath.Join(dir, "data"), file, 0o644),
		os.WriteFile(filepath.Join(dir, "sub", "data"), file, 0o644),
		os.WriteFile(filepath.Join(dir, "empty"), nil, 0o644),
		os.Symlink("sub/data", filepath.Join(dir, "inner")),
		os.Symlink("../secret", filepath.Join(dir, "link")),
		os.Symlink(secret, filepath.Join(dir, "absolute")),
		os.Symlink("..", filepath.Join(dir, "up")),
		os.Symlink("loop", filepath.Join(dir, "loop")),
		syscall.Mkfifo(filepath.Join(dir, "fifo"), 0o644),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir, file
}

// loadExternal loads, in dir, a model whose one constant, n bytes, is external
// data with the given entries, and returns the constant's bytes.
func loadExternal(t testing.TB, dir string, n int64, entries ...string) ([]byte, error) {
	t.Helper()
	tensor := &onnxpb.TensorProto{Name: proto.String("w"), DataType: proto.Int32(int32(ir.Uint8)), Dims: []int64{n},
		DataLocation: onnxpb.TensorProto_EXTERNAL.Enum()}
	for i := 0; i < len(entries); i += 2 {
		tensor.ExternalData = append(tensor.ExternalData, &onnxpb.StringStringEntryProto{Key: &entries[i], Value: &entries[i+1]})
	}
	m := &onnxpb.ModelProto{IrVersion: proto.Int64(8), Graph: &onnxpb.GraphProto{Initializer: []*onnxpb.TensorProto{tensor}}}
	b, err := marshal.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "model.onnx")
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
	loaded, err := Load(path)
	if err != nil {
		return nil, err
	}
	return loaded.Graph.Value("w").Init().Bytes()
}

// TestExternalBounds reads the part of the file that is asked for, or says what
// is wrong with it. That locations out of the folder are refused, the fuzz
// target below shows for those that it knows and any other.
func TestExternalBounds(t *testing.T) {
	dir, _ := threats(t)
	for _, c := range []struct {
		n              int64
		offset, length string // "" for no such entry
		want, message  string
	}{
		{16, "", "", "0123456789abcdef", ""},
		{16, "0", "16", "0123456789abcdef", ""},
		{4, "12", "", "cdef", ""},
		{4, "12", "4", "cdef", ""},
		{0, "16", "0", "", ""},
		{4, "13", "4", "", "outside"},
		{4, "17", "", "", "outside"},
		{17, "", "", "", "outside"},
		{4, "-1", "4", "", "outside"},
		{4, "0", "-4", "", "negative"},
		{4, "9223372036854775807", "4", "", "outside"}, // the sum overflows
		{4, "4", "9223372036854775807", "", "outside"},
		{4, "9223372036854775808", "4", "", "offset"}, // no int64
		{4, "0x4", "4", "", "offset"},
		{4, "0", "four", "", "length"},
		{4, "0", "5", "", "expected 4 bytes, found 5"},
	} {
		entries := []string{"location", "data"}
		if c.offset != "" {
			entries = append(entries, "offset", c.offset)
		}
		if c.length != "" {
			entries = append(entries, "length", c.length)
		}
		got, err := loadExternal(t, dir, c.n, entries...)
		switch {
		case c.message == "" && (err != nil || string(got) != c.want):
			t.Errorf("%q: %q, %v, expected %q", entries, got, err, c.want)
		case c.message != "" && (err == nil || !strings.Contains(err.Error(), c.message) || !strings.Contains(err.Error(), `"w"`)):
			t.Errorf("%q: expected an error about %q and the tensor, found %v", entries, c.message, err)
		}
	}
}

// FuzzExternal gives a tensor any location and bounds: it is refused, or holds
// what is there in a file in the model's folder, never what lies outside.
func FuzzExternal(f *testing.F) {
	for _, location := range []string{"data", "sub/data", "sub/../data", "./data", "inner", "empty", "model.onnx", "nowhere", "", ".", "..",
		"../secret", "sub/../../secret", "/etc/passwd", "link", "absolute", "up/secret", "loop", "fifo", "sub", "data\x00", "data/"} {
		f.Add(location, "0", "16", int64(16))
	}
	f.Add("data", "12", "", int64(4))
	f.Add("data", "-1", "9223372036854775807", int64(4))
	dir, file := threats(f)
	f.Fuzz(func(t *testing.T, location, offset, length string, n int64) {
		entries := []string{"location", location, "offset", offset, "length", length}
		if length == "" {
			entries = entries[:4]
		}
		got, err := loadExternal(t, dir, n, entries...)
		if err != nil {
			return
		}
		model, err := os.ReadFile(filepath.Join(dir, "model.onnx"))
		if err != nil {
			t.Fatal(err)
		}
		if int64(len(got)) != n || !bytes.Contains(file, got) && !bytes.Contains(model, got) {
			t.Errorf("%q: %d bytes %q from nowhere in the folder", entries, len(got), got)
		}
	})
}

// TestSaveTogether: model and external data change together or not at all, whatever
// fails, and a context ends the writing.
func TestSaveTogether(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "m.onnx")
	load := func(b []byte) *ir.Model {
		m, err := Parse(b)
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	contents := func() (files []string) {
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			b, err := os.ReadFile(filepath.Join(dir, e.Name()))
			if err != nil {
				t.Fatal(err)
			}
			files = append(files, e.Name()+string(b))
		}
		return files
	}
	b, err := marshal.Marshal(everything())
	if err != nil {
		t.Fatal(err)
	}
	if err := Save(t.Context(), path, load(b), SaveOptions{External: true}); err != nil {
		t.Fatal(err)
	}
	before := contents()
	other := load(b)
	for _, v := range other.Graph.Inits() {
		if v.Name() == "large" {
			zeros := ir.NewTensor(v.Init().DType(), v.Init().Dims(), ir.Memory(make([]byte, v.Init().Raw.Size())))
			other.Graph.SetInit(v, zeros)
		}
	}
	wanted := errors.New("no metadata")
	if err := Save(t.Context(), path, other, SaveOptions{External: true, Late: func() error { return wanted }}); !errors.Is(err, wanted) {
		t.Errorf("%v, expected %v", err, wanted)
	}
	ctx, cancel := context.WithCancel(t.Context())
	late := func() error { cancel(); return nil } // behind the data, before the metadata
	if err := Save(ctx, path, other, SaveOptions{External: true, Late: late}); !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: %v", err)
	}
	if after := contents(); !slices.Equal(before, after) {
		t.Error("a model that was not written has changed files")
	}
	if err := Save(t.Context(), path, other, SaveOptions{External: true}); err != nil || slices.Equal(before, contents()) {
		t.Errorf("%v, or nothing changed", err)
	}
}
