package files

import (
	"os"
	"path/filepath"
	"testing"
)

// TestMap: a mapping is what the file holds, also after the file is closed and removed,
// and none of nothing.
func TestMap(t *testing.T) {
	for _, text := range []string{"", "some bytes"} {
		name := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		m, err := Map(f)
		f.Close()
		if err != nil || os.Remove(name) != nil || string(m.Bytes) != text {
			t.Fatalf("%q is mapped as %v, %v", text, m, err)
		}
		if err := m.Close(); err != nil || m.Close() != nil || m.Bytes != nil {
			t.Errorf("closed: %v", err)
		}
	}
}
