package onnx

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/bottlenet/bnc/compiler/onnxpb"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// onnxPython returns a Python with onnx.
func onnxPython(t *testing.T) string {
	t.Helper()
	if python := os.Getenv("BNC_ORACLE_PYTHON"); python != "" {
		return python
	}
	if cache, err := os.UserCacheDir(); err == nil {
		if python := filepath.Join(cache, "bnc", "oracle", "bin", "python"); exec.Command(python, "-c", "").Run() == nil {
			return python
		}
	}
	t.Skip("no Python with onnx: run make deps-oracle or set BNC_ORACLE_PYTHON")
	return ""
}

// normalLocation is normal without data_location where it says DEFAULT: onnx
// writes that into every tensor that was external data.
func normalLocation(t *testing.T, b []byte) []byte {
	t.Helper()
	m := &onnxpb.ModelProto{}
	if err := proto.Unmarshal(b, m); err != nil {
		t.Fatal(err)
	}
	walk(m.ProtoReflect(), func(m protoreflect.Message) {
		if x, ok := m.Interface().(*onnxpb.TensorProto); ok && x.GetDataLocation() == onnxpb.TensorProto_DEFAULT {
			x.DataLocation = nil
		}
	})
	return encoded(t, m)
}

// TestReferenceLoadsAndSaves lets Python's onnx load what Save wrote, with the
// constants in the file and beside it, and save it again in both forms: Load
// reads the original model from all of them.
func TestReferenceLoadsAndSaves(t *testing.T) {
	python, dir := onnxPython(t), t.TempDir()
	want := map[string][]byte{}
	args := []string{filepath.Join("testdata", "resave.py"), dir}
	for seed := range uint64(40) {
		original, err := marshal.Marshal(generate(seed))
		if err != nil {
			t.Fatal(err)
		}
		m, err := Parse(original)
		if err != nil {
			t.Fatal(err)
		}
		for form, options := range map[string]SaveOptions{"in": {}, "out": {External: true}} {
			name := fmt.Sprintf("%d-%s.onnx", seed, form)
			if err := Save(t.Context(), filepath.Join(dir, name), m, options); err != nil {
				t.Fatal(err)
			}
			want[name], args = original, append(args, name)
		}
	}
	if out, err := exec.Command(python, args...).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for name, original := range want {
		for _, folder := range []string{"inside", "outside"} {
			path := filepath.Join(dir, folder, name)
			m, err := Load(path)
			if err != nil {
				t.Errorf("%s: %v", filepath.Join(folder, name), err)
				continue
			}
			got, err := Marshal(m)
			if err != nil || !bytes.Equal(normalLocation(t, got), original) {
				t.Errorf("%s: the bytes differ (%v)", filepath.Join(folder, name), err)
			}
		}
	}
}
