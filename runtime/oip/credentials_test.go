package oip

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/bottlenet/bnc/internal/fault"
)

// TestCredentials: what the files hold is read; one that holds something else is told by
// its option, one that is not there as such.
func TestCredentials(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	if o, err := (Credentials{Token: file("token", " secret\n")}).Read(); err != nil || o.Token != "secret" || o.TLS != nil {
		t.Errorf("%+v, %v", o, err)
	}
	if o, err := (Credentials{}).Read(); err != nil || o.Token != "" || o.TLS != nil {
		t.Errorf("of nothing: %+v, %v", o, err)
	}
	for name, c := range map[string]Credentials{
		"two lines": {Token: file("two", "a\nb\n")}, "an empty token": {Token: file("empty", "\n")},
		"no PEM": {CA: file("ca", "no certificate")}, "no certificate": {Cert: file("cert", ""), Key: file("key", "")},
	} {
		wrong := (*fault.DataError)(nil)
		if _, err := c.Read(); !errors.As(err, &wrong) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := (Credentials{CA: filepath.Join(dir, "none")}).Read(); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a missing file: %v", err)
	}
}
