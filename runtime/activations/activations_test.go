package activations

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/bottlenet/bnc/internal/fault"
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

// TestCompute: what is computed is, item by item, what the network gives for it alone, with
// the item's label, over several batches and a last one that is smaller.
func TestCompute(t *testing.T) {
	w := network(t, "plain/mobile.onnx")
	steps, images := 0, 0
	o := Options{
		Cut: "rb1", Train: set(t, 90, 3, 32, 32), Val: set(t, 9, 3, 32, 32), Judges: 4, Learners: 70, Bytes: 1 << 30, Dir: filepath.Join(t.TempDir(), "cache", "rb1"),
		Readable: func(s *data.Set) (*data.Set, error) { return s, nil },
		Begin:    func(n int) func(int) { images = n; return func(n int) { steps += n } },
	}
	got, err := Compute(t.Context(), w, o)
	if err != nil {
		t.Fatal(err)
	}
	if got.Train.Len() != 70 || got.Val.Len() != 4 || images != 74 || steps != 74 || !slices.Equal(got.Train.Classes(), o.Train.Classes()) {
		t.Fatalf("%d and %d items after %d of %d steps, classes %q", got.Train.Len(), got.Val.Len(), steps, images, got.Train.Classes())
	}
	from := o.Train.Spread(70)
	for i := range got.Train.Len() {
		item, err := got.Train.Item(i)
		if err != nil {
			t.Fatal(err)
		}
		want, err := w.Rows(t.Context(), from, i, 1)
		if err != nil {
			t.Fatal(err)
		}
		if got.Train.Label(i) != from.Label(i) || !slices.Equal(item.Tensor.Data, want.Data) || fmt.Sprint(item.Tensor.Shape) != fmt.Sprint(want.Shape) {
			t.Fatalf("item %d is %v with label %d, expected %v", i, item.Tensor, got.Train.Label(i), want)
		}
	}
	if err := got.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(o.Dir, "train")); err != nil {
		t.Errorf("the file is gone: %v", err)
	}
	one, err := w.Rows(t.Context(), from, 0, 1)
	if err != nil {
		t.Fatal(err)
	}
	for room, want := range map[int]int{10: 6, 5: 1, 4: 0} { // images that 4 to judge by leave room for
		o.Bytes = int64(room * len(one.Data))
		got, err := Compute(t.Context(), w, o)
		if unfit := (*fault.DataError)(nil); want == 0 && errors.As(err, &unfit) {
			continue
		}
		if err != nil || got.Train.Len() != want {
			t.Fatalf("room for %d images: %v, %v", room, got, err)
		}
		got.Close()
	}
}

// TestUnusable: a network that mixes its images has no activations of each.
func TestUnusable(t *testing.T) {
	w := network(t, "one_row.onnx")
	_, err := w.Rows(t.Context(), set(t, 4, 2), 0, 4)
	if unfit := (*fault.DataError)(nil); !errors.As(err, &unfit) {
		t.Errorf("%v", err)
	}
}
