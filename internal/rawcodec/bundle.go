package rawcodec

import (
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/bottlenet/bnc/internal/rttest"
)

// Key is the key of [Bundle]. C's strings could not hold it.
var Key = []byte{0, 7, 0xff}

// Bundle copies a bundle of runtime/testdata and writes into the metadata of its halves
// that their codec is "raw". It returns the folder.
func Bundle(t testing.TB, name string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "raw")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	codec := fmt.Sprintf(`{"name":"raw","parameters":{"key":%q}}`, base64.StdEncoding.EncodeToString(Key))
	for _, file := range []string{"mobile.onnx", "cloud.onnx"} {
		content, err := os.ReadFile(rttest.Data(name, file))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, file), addMetadata(content, "bnc.codec", codec), 0o644); err != nil {
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
