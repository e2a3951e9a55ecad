package onnx

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/bottlenet/bnc/compiler/onnxpb"
	"google.golang.org/protobuf/proto"
)

// normal is the file after protocol buffer normalisation: unmarshalled and
// marshalled again.
func normal(t *testing.T, b []byte) []byte {
	t.Helper()
	m := &onnxpb.ModelProto{}
	if err := proto.Unmarshal(b, m); err != nil {
		t.Fatal(err)
	}
	out, err := marshal.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestSharedModels checks that load and save lose nothing of the published and
// converted models that lie beside a checkout.
func TestSharedModels(t *testing.T) {
	files, _ := filepath.Glob("../../../shared/models/*/*.onnx")
	if len(files) == 0 {
		t.Skip("no ../shared/models beside the checkout")
	}
	for _, f := range files {
		want, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		m, err := Load(f)
		if err != nil {
			t.Fatal(err)
		}
		out := filepath.Join(t.TempDir(), "out.onnx")
		if err := Save(t.Context(), out, m, SaveOptions{}); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(out)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(normal(t, got), normal(t, want)) {
			t.Errorf("%s: saved file differs", f)
		}
		if b, err := Marshal(m.Clone()); err != nil || !bytes.Equal(b, got) {
			t.Errorf("%s: the clone's bytes differ from the saved file (%v)", f, err)
		}
	}
}
