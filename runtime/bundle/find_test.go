package bundle

import (
	"errors"
	"path/filepath"
	"slices"
	"testing"

	"github.com/bottlenet/bnc/internal/fault"
	"github.com/bottlenet/bnc/internal/rttest"
)

// TestFind: a bundle is found as itself and in the folder above, among files and folders
// that are none.
func TestFind(t *testing.T) {
	one := rttest.Data("graph-static")
	if dirs, err := Find(one); err != nil || !slices.Equal(dirs, []string{one}) {
		t.Errorf("%s: %v, %v", one, dirs, err)
	}
	all, err := Find(rttest.Data())
	if err != nil || !slices.Contains(all, one) || slices.Contains(all, rttest.Data("add.onnx")) || !slices.IsSorted(all) {
		t.Errorf("%v, %v", all, err)
	}
	if dirs, err := Find(rttest.Data("add.onnx")); dirs != nil || err != nil {
		t.Errorf("a file: %v, %v", dirs, err)
	}
	none := (*fault.DataError)(nil)
	if dirs, err := Find(t.TempDir()); !errors.As(err, &none) {
		t.Errorf("an empty folder: %v, %v", dirs, err)
	}
	b, err := Open(one)
	if err != nil {
		t.Fatal(err)
	}
	other := rttest.Data("plain")
	for name, want := range map[string][]string{
		"graph-static": {one}, b.Meta.Cut: {one, other}, "static": {one}, "nix": nil,
	} {
		found, known, err := Of([]string{one, other}, name)
		if err != nil || !slices.Equal(found, want) || len(known) == 0 || known[0] != filepath.Base(one)+" ("+b.Meta.Cut+")" {
			t.Errorf("%s: %v, %v, %v", name, found, known, err)
		}
	}
}
