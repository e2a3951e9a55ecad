package files

import (
	"os"
	"path/filepath"
	"testing"
)

// TestWriteRule: names that make would take apart are quoted, and only targets that are
// there are named.
func TestWriteRule(t *testing.T) {
	dir := t.TempDir()
	there, gone, out := filepath.Join(dir, "a b"), filepath.Join(dir, "gone"), filepath.Join(dir, "d")
	if err := os.WriteFile(there, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := WriteRule(out, []string{there, gone}, []string{"net#1.onnx", "$x:y"}); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(out)
	want := dir + "/a\\ b: \\\n  net\\#1.onnx \\\n  $$x\\:y\n\nnet\\#1.onnx:\n\n$$x\\:y:\n"
	if err != nil || string(got) != want {
		t.Errorf("%q, expected %q (%v)", got, want, err)
	}
}
