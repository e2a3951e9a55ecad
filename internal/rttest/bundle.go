package rttest

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
)

// Retold copies a bundle of runtime/testdata whose halves say of themselves what metadata
// holds, and returns the folder, which is called as.
func Retold(t testing.TB, name, as string, metadata map[string]string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), as)
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{"mobile.onnx", "cloud.onnx"} {
		content, err := os.ReadFile(Data(name, file))
		if err != nil {
			t.Fatal(err)
		}
		for _, key := range slices.Sorted(maps.Keys(metadata)) {
			content = addMetadata(content, key, metadata[key])
		}
		if err := os.WriteFile(filepath.Join(dir, file), content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// addMetadata adds to the metadata_props (ModelProto field 14) of an ONNX file: of two
// entries of a key the last counts.
func addMetadata(file []byte, key, value string) []byte {
	var entry []byte // StringStringEntryProto
	for field, text := range []string{key, value} {
		entry = protowire.AppendString(protowire.AppendTag(entry, protowire.Number(field+1), protowire.BytesType), text)
	}
	return protowire.AppendBytes(protowire.AppendTag(file, 14, protowire.BytesType), entry)
}
