package feed_test

import (
	"fmt"
	"image"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/bottlenet/bnc/runtime/data"
	"github.com/bottlenet/bnc/runtime/feed"
	"github.com/bottlenet/bnc/runtime/tensor"
)

// npy writes a .npy file of float32.
func npy(t *testing.T, path string, shape []int64, values ...float32) {
	t.Helper()
	dims := ""
	for _, d := range shape {
		dims += fmt.Sprintf("%d,", d)
	}
	header := fmt.Sprintf("{'descr': '<f4', 'fortran_order': False, 'shape': (%s), }", dims)
	overwrite(t, path, "\x93NUMPY\x01\x00"+string([]byte{byte(len(header)), 0})+header+string(tensor.Of(shape, values).Data))
}

// overwrite replaces a file's contents.
func overwrite(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestBadItemsAreReplaced spoils items in each way and wants batches that stay
// full and the same for any number of workers, the next good item of the order
// in each bad one's place, and one report for each.
func TestBadItemsAreReplaced(t *testing.T) {
	const n = 20
	var images []image.Image
	for i := range n {
		images = append(images, flat(4, 4, uint8(i+1)))
	}
	set := pngs(t, 0, images...)
	overwrite(t, set.File(3), "no picture")
	overwrite(t, set.File(4), "")
	whole, err := os.ReadFile(set.File(19))
	if err != nil {
		t.Fatal(err)
	}
	overwrite(t, set.File(19), string(whole[:len(whole)-20]))
	if err := os.Remove(set.File(11)); err != nil {
		t.Fatal(err)
	}
	npy(t, filepath.Join(filepath.Dir(set.File(0)), "0099.npy"), []int64{1, 1, 2, 2}, 1, 2, 3, 4)
	set = opened(t, filepath.Dir(set.File(0))) // 11.png is gone, 0099.npy is the last
	bad := []int{3, 4, 18, 19}
	f := newFeeder(t, input(tensor.Float32, -1, 1, 4, 4), nil)

	for _, shuffle := range []bool{false, true} {
		o := feed.LoaderOptions{Batch: 5, Shuffle: shuffle, Seed: 3}
		var want []*feed.Batch
		for _, workers := range []int{1, 2, 7} {
			var skipped []string
			o.Workers = workers
			o.OnSkip = func(name string, err error) {
				skipped = append(skipped, name)
				if !strings.Contains(err.Error(), name) {
					t.Errorf("%v does not name %s", err, name)
				}
			}
			l := newLoader(t, f, set, o)
			got := read(t, l, 1, 0)
			if want == nil {
				want = got
			}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("shuffle %v: %d workers give other batches", shuffle, workers)
			}
			if from := read(t, newLoader(t, f, set, o), 1, 2); !reflect.DeepEqual(from, want[2:]) {
				t.Errorf("shuffle %v: an epoch from its middle gives other batches", shuffle)
			}
			skipped = nil
			l = newLoader(t, f, set, o)
			read(t, l, 0, 0)
			read(t, l, 1, 0)
			slices.Sort(skipped)
			var names []string
			for _, i := range bad {
				names = append(names, set.Name(i))
			}
			if !slices.Equal(skipped, names) {
				t.Errorf("shuffle %v: skipped %v, want %v", shuffle, skipped, names)
			}
		}
		var items []int
		for _, b := range want {
			items = append(items, b.Items...)
		}
		for at, item := range items {
			if slices.Contains(bad, item) {
				t.Errorf("item %d was used", item)
			}
			if !shuffle {
				// 3 and 4 give way to 5, 18 and 19 to the first.
				expected := map[int]int{3: 5, 4: 5, 18: 0, 19: 0}
				if next, ok := expected[at]; ok && item != next || !ok && item != at {
					t.Errorf("place %d holds item %d", at, item)
				}
			}
		}
	}
}

// TestUnusableData wants an error that names items where too much is bad.
func TestUnusableData(t *testing.T) {
	for _, test := range []struct {
		n, bad int
		want   string
	}{{5, 5, "none of the 5 items"}, {120, 120, "51 of the first"}, {120, 49, ""}, {5, 4, ""}} {
		t.Run(fmt.Sprintf("%d of %d", test.bad, test.n), func(t *testing.T) {
			dir := t.TempDir()
			good, err := os.ReadFile(pngs(t, 0, flat(4, 4, 9)).File(0))
			if err != nil {
				t.Fatal(err)
			}
			for i := range test.n {
				content := string(good)
				if i < test.bad {
					content = "no picture"
				}
				overwrite(t, filepath.Join(dir, fmt.Sprintf("%03d.png", i)), content)
			}
			f := newFeeder(t, input(tensor.Uint8, -1, 1, 4, 4), nil)
			set := opened(t, dir)
			epoch := newLoader(t, f, set, feed.LoaderOptions{Batch: 5}).Epoch(t.Context(), 0, 0)
			defer epoch.Close()
			_, err = epoch.Next()
			if test.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), dir) {
				t.Errorf("error %v, want %q and the names of files", err, test.want)
			}
			if _, again := epoch.Next(); again == nil {
				t.Error("Next goes on after an error")
			}
		})
	}
}

func TestNewLoaderRefuses(t *testing.T) {
	set := pngs(t, 0, flat(4, 4, 1), flat(4, 4, 2))
	images := newFeeder(t, input(tensor.Uint8, -1, 1, 4, 4), nil)
	vectors := newFeeder(t, input(tensor.Float32, -1, 16), nil)
	for name, test := range map[string]struct {
		f    *feed.Feeder
		o    feed.LoaderOptions
		want string
	}{
		"no batch":      {images, feed.LoaderOptions{}, "batch of 0"},
		"small set":     {images, feed.LoaderOptions{Batch: 3}, "2 items"},
		"no labels":     {images, feed.LoaderOptions{Batch: 1, Labels: true}, "no labels"},
		"crop range":    {images, feed.LoaderOptions{Batch: 1, Augment: feed.Augment{ResizedCrop: [2]float64{0.5, 0.2}}}, "0.5 to 0.2"},
		"crop over one": {images, feed.LoaderOptions{Batch: 1, Augment: feed.Augment{ResizedCrop: [2]float64{0.5, 2}}}, "0.5 to 2"},
		"border":        {images, feed.LoaderOptions{Batch: 1, Augment: feed.Augment{Pad: -1}}, "-1"},
		"flip vectors":  {vectors, feed.LoaderOptions{Batch: 1, Augment: feed.Augment{Flip: true}}, "flip"},
		"no tensors":    {vectors, feed.LoaderOptions{Batch: 1}, "none of the first 2"},
	} {
		if _, err := feed.NewLoader(test.f, set, test.o); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: error %v, want %q", name, err, test.want)
		}
	}
}

// TestTensors feeds .npy tensors: as they are, and flipped along the width
// that the input's layout tells.
func TestTensors(t *testing.T) {
	for _, test := range []struct {
		name          string
		input, shape  []int64
		flipped, same []float32
	}{
		{"NCHW", []int64{-1, 3, 1, 2}, []int64{3, 1, 2}, []float32{2, 1, 4, 3, 6, 5}, []float32{1, 2, 3, 4, 5, 6}},
		{"NHWC", []int64{-1, 2, 2, 3}, []int64{2, 2, 3}, []float32{4, 5, 6, 1, 2, 3, 10, 11, 12, 7, 8, 9}, []float32{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}},
	} {
		dir := t.TempDir()
		npy(t, filepath.Join(dir, "a.npy"), test.shape, test.same...)
		set := opened(t, dir)
		f := newFeeder(t, input(tensor.Float32, test.input...), nil)
		l := newLoader(t, f, set, feed.LoaderOptions{Batch: 1, Augment: feed.Augment{Flip: true, Pad: 1, ResizedCrop: [2]float64{0.1, 0.2}}})
		flips := 0
		for e := range 100 {
			switch got := tensor.Slice[float32](read(t, l, e, 0)[0].X); {
			case slices.Equal(got, test.flipped):
				flips++
			case !slices.Equal(got, test.same):
				t.Fatalf("%s: %v", test.name, got)
			}
		}
		if flips < 30 || flips > 70 { // four standard deviations of 5
			t.Errorf("%s: %d of 100 flipped", test.name, flips)
		}
	}
}

// TestVectorsOfArrays feeds rows of an array, with labels, and an item without.
func TestVectorsOfArrays(t *testing.T) {
	dir := t.TempDir()
	npy(t, filepath.Join(dir, "images.npy"), []int64{4, 2}, 1, 2, 3, 4, 5, 6, 7, 8)
	npy(t, filepath.Join(dir, "labels.npy"), []int64{4}, 0, 1, 2, 1)
	f := newFeeder(t, input(tensor.Float32, -1, 2), nil)
	b := read(t, newLoader(t, f, opened(t, dir), feed.LoaderOptions{Batch: 3, Labels: true}), 0, 0)
	if len(b) != 1 || !slices.Equal(b[0].Labels, []int64{0, 1, 2}) || !slices.Equal(tensor.Slice[float32](b[0].X), []float32{1, 2, 3, 4, 5, 6}) {
		t.Errorf("%v", b)
	}
	unlabelled := pngs(t, 0, flat(4, 4, 1))
	got := read(t, newLoader(t, newFeeder(t, input(tensor.Uint8, -1, 1, 4, 4), nil), unlabelled, feed.LoaderOptions{Batch: 1}), 0, 0)
	if got[0].Labels[0] != data.NoLabel {
		t.Errorf("an item without a label has %d", got[0].Labels[0])
	}
}
