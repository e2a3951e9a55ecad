package client_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bottlenet/bnc/internal/rttest"
	"github.com/bottlenet/bnc/runtime/bundle"
)

// otherModel returns a bundle that says it was made of another model. The
// metadata value is replaced by one of the same length, so that the file stays
// what it is.
func otherModel(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "other")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{bundle.MobileFile, bundle.CloudFile} {
		b, err := os.ReadFile(rttest.Data("plain", name))
		if err != nil {
			t.Fatal(err)
		}
		b = bytes.Replace(b, []byte(strings.Repeat("ab", 32)), []byte(strings.Repeat("cd", 32)), 1)
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}
