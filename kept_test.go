package bnc

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/bottlenet/bnc/internal/rttest"
)

// inKept copies testdata/kept, what an older bnc made (its make.sh), into a folder of the
// test's own and works there: what it holds names files relative to itself.
func inKept(t *testing.T) {
	t.Helper()
	rttest.Plugin(t)
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(rttest.Source("testdata", "kept"))); err != nil {
		t.Fatal(err)
	}
	t.Chdir(dir)
}

// files returns the contents of the files below dir by their names.
func filesBelow(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(path)
		name, _ := filepath.Rel(dir, path)
		all[name] = string(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// spoken keeps the notices of a Reporter.
type spoken struct{ lines []string }

func (*spoken) Phase(string, int)           {}
func (*spoken) Step(int, any)               {}
func (s *spoken) Notice(text string, _ any) { s.lines = append(s.lines, text) }
