package files

import (
	"os"
	"path/filepath"
	"testing"
)

// TestWithin: links are followed on the way, and what is not there yet has a place.
func TestWithin(t *testing.T) {
	dir := t.TempDir()
	in, link := filepath.Join(dir, "in"), filepath.Join(dir, "link")
	if err := os.Mkdir(in, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(in, link); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]bool{
		in: true, in + "/new/file": true, link + "/file": true, in + "/../in/x": true,
		dir: false, in + "side": false, in + "/../x": false, dir + "/none/x": false,
	} {
		if got, err := Within(in, path); err != nil || got != want {
			t.Errorf("%s: %v %v, expected %v", path, got, err, want)
		}
	}
}
