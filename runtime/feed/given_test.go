package feed_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/bottlenet/bnc/runtime/feed"
	"github.com/bottlenet/bnc/runtime/model"
	"github.com/bottlenet/bnc/runtime/tensor"
)

// port is an input of a name.
func port(name string, shape ...int64) model.Port {
	p := input(tensor.Float32, shape...)[0]
	p.Name = name
	return p
}

// What is given has a row for each image where the batch is open, and is as it is where
// the input has its own number of rows.
func TestGivenRows(t *testing.T) {
	inputs := []model.Port{port("x", -1, 3), port("open", -1, 2), port("one", 1, 2), port("table", 4, 2)}
	given := feed.Given{
		"open": tensor.Of([]int64{2}, []float32{1, 2}), "one": tensor.Of([]int64{1, 2}, []float32{3, 4}),
		"table": tensor.Of([]int64{4, 2}, []float32{1, 2, 3, 4, 5, 6, 7, 8}),
		"other": tensor.Of([]int64{1}, []float32{1}), // of another part of the model
	}
	f, err := given.New(inputs, feed.Always(nil))
	if err != nil {
		t.Fatal(err)
	}
	in := f.Feed(tensor.Of([]int64{3, 3}, make([]float32, 9)))
	for name, want := range map[string][]float32{"x": make([]float32, 9), "open": {1, 2, 1, 2, 1, 2}, "one": {3, 4}, "table": {1, 2, 3, 4, 5, 6, 7, 8}} {
		if x := in[name]; x == nil || !slices.Equal(tensor.Slice[float32](x), want) {
			t.Errorf("%s is given %v, expected %v", name, x, want)
		}
	}
	if len(in) != len(inputs) || in["open"].Shape[0] != 3 {
		t.Errorf("given %v", in)
	}
	if given.ID() == "" || given.ID() == (feed.Given{"open": given["one"]}).ID() || (feed.Given{}).ID() != "" {
		t.Error("sets of what is given are not told apart")
	}
	if _, err := (feed.Given{"open": given["open"]}).New(inputs, feed.Always(nil)); err == nil || !strings.Contains(err.Error(), "x, one, table") {
		t.Errorf("three are left: %v", err)
	}
}

// Files are found by inputs' names in any order, with commas and equals signs in theirs.
func TestSeveralFiles(t *testing.T) {
	dir := t.TempDir()
	paths := map[string]string{"a": filepath.Join(dir, "x,b.npy"), "b": filepath.Join(dir, "y=1,z.npy")}
	for name, path := range paths {
		f, err := os.Create(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := tensor.WriteNPY(f, tensor.Of([]int64{2}, []float32{float32(name[0]), 1})); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
	inputs := []model.Port{port("a", -1, 2), port("b", -1, 2)}
	s, err := feed.Given(nil).Several(inputs, feed.Always(nil))
	if err != nil {
		t.Fatal(err)
	}
	for _, files := range []string{"a=" + paths["a"] + ",b=" + paths["b"], "b=" + paths["b"] + ",a=" + paths["a"]} {
		fed, err := s.Read(files)
		if err != nil {
			t.Fatal(err)
		}
		for name := range paths {
			if got := tensor.Slice[float32](fed.Feed[name])[0]; got != float32(name[0]) {
				t.Errorf("%s: input %s is given %v", files, name, got)
			}
		}
	}
	for files, says := range map[string]string{paths["a"]: "expected a=FILE,b=FILE", "a=" + paths["a"]: "nothing for input b", "c=x,a=y": "expected a=FILE,b=FILE", "a=none.npy,b=" + paths["b"]: "none.npy"} {
		if _, err := s.Read(files); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v, expected %q", files, err, says)
		}
	}
	only, err := feed.Given(nil).Several(inputs[:1], feed.Always(nil))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{paths["b"], "a=" + paths["b"]} { // a name may be given
		if _, err := only.Read(file); err != nil {
			t.Error(err)
		}
	}
}
