package activations

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/bottlenet/bnc/internal/rttest"
	"github.com/bottlenet/bnc/runtime/data"
	"github.com/bottlenet/bnc/runtime/feed"
	"github.com/bottlenet/bnc/runtime/ort"
	"github.com/bottlenet/bnc/runtime/tensor"
)

// network opens a model of runtime/testdata.
func network(t *testing.T, name string) Network {
	t.Helper()
	rttest.Library(t)
	s, err := ort.Open(rttest.Source("runtime", "testdata", name), ort.Options{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	f, err := feed.New(s.Inputs(), feed.Always(nil))
	if err != nil {
		t.Fatal(err)
	}
	return Network{s, f}
}

// set returns n tensors of a shape, with labels 0, 1, 2, 0, ...
func set(t *testing.T, n int, shape ...int64) *data.Set {
	t.Helper()
	size := n
	for _, d := range shape {
		size *= int(d)
	}
	values, labels := make([]float32, size), make([]int, n)
	for i := range values {
		values[i] = float32(i%97)/97 - 0.5
	}
	for i := range labels {
		labels[i] = i % 3
	}
	s, err := data.OfTensor("set", tensor.Of(append([]int64{int64(n)}, shape...), values), labels, []string{"a", "b", "c"})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestCache: what is in a cache is, item by item, what the network gives for it alone, with
// the item's label, over several batches and a last one that is smaller.
func TestCache(t *testing.T) {
	w, from := network(t, "plain/mobile.onnx"), set(t, 70, 3, 32, 32)
	c := Cache{Dir: filepath.Join(t.TempDir(), "cache", "rb1")}
	steps := 0
	got, err := c.Add(t.Context(), w, "train", from, func(n int) { steps += n })
	if err != nil {
		t.Fatal(err)
	}
	if got.Len() != 70 || steps != 70 || !slices.Equal(got.Classes(), from.Classes()) {
		t.Fatalf("%d items after %d steps, classes %q", got.Len(), steps, got.Classes())
	}
	for i := range got.Len() {
		item, err := got.Item(i)
		if err != nil {
			t.Fatal(err)
		}
		want, err := w.Rows(t.Context(), from, i, 1)
		if err != nil {
			t.Fatal(err)
		}
		if got.Label(i) != i%3 || !slices.Equal(item.Tensor.Data, want.Data) || fmt.Sprint(item.Tensor.Shape) != fmt.Sprint(want.Shape) {
			t.Fatalf("item %d is %v with label %d, expected %v", i, item.Tensor, got.Label(i), want)
		}
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(c.Dir, "train")); err != nil {
		t.Errorf("the file is gone: %v", err)
	}
}

// TestUnusable: a network that mixes its images has no activations of each.
func TestUnusable(t *testing.T) {
	w := network(t, "one_row.onnx")
	_, err := w.Rows(t.Context(), set(t, 4, 2), 0, 4)
	if unfit := (*UnusableError)(nil); !errors.As(err, &unfit) {
		t.Errorf("%v", err)
	}
}
