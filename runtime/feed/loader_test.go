package feed_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/png"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"testing"

	"github.com/bottlenet/bnc/runtime/data"
	"github.com/bottlenet/bnc/runtime/feed"
	"github.com/bottlenet/bnc/runtime/tensor"
)

// noise is a picture of random bytes.
func noise(w, h int, seed uint64, colour bool) image.Image {
	rng := rand.New(rand.NewPCG(seed, 0))
	fill := func(pix []uint8) {
		for i := range pix {
			pix[i] = uint8(rng.Uint32())
		}
	}
	if !colour {
		img := image.NewGray(image.Rect(0, 0, w, h))
		fill(img.Pix)
		return img
	}
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	fill(img.Pix)
	for i := 3; i < len(img.Pix); i += 4 {
		img.Pix[i] = 255
	}
	return img
}

// pngs writes pictures to class folders, n.png to class n%classes, or to one
// flat folder where classes is 0, and opens that.
func pngs(t testing.TB, classes int, images ...image.Image) *data.Set {
	t.Helper()
	dir := t.TempDir()
	for i, img := range images {
		path := filepath.Join(dir, fmt.Sprintf("%04d.png", i))
		if classes > 0 {
			path = filepath.Join(dir, fmt.Sprintf("class%d", i%classes), fmt.Sprintf("%04d.png", i))
		}
		var buf bytes.Buffer
		if err := png.Encode(&buf, img); err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, buf.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return opened(t, dir)
}

func opened(t testing.TB, dir string) *data.Set {
	t.Helper()
	set, err := data.Open(dir, data.Train)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func newLoader(t testing.TB, f *feed.Feeder, set *data.Set, o feed.LoaderOptions) *feed.Loader {
	t.Helper()
	l, err := feed.NewLoader(f, set, o)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// read returns copies of the batches of an epoch; each is given back.
func read(t testing.TB, l *feed.Loader, e, from int) []*feed.Batch {
	t.Helper()
	epoch := l.Epoch(t.Context(), e, from)
	defer epoch.Close()
	var all []*feed.Batch
	for {
		b, err := epoch.Next()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		x := *b.X
		x.Data = bytes.Clone(x.Data)
		all = append(all, &feed.Batch{X: &x, Labels: slices.Clone(b.Labels), Items: slices.Clone(b.Items), Frames: slices.Clone(b.Frames), Masks: slices.Clone(b.Masks)})
		clear(b.Masks)
		clear(b.X.Data) // whoever is given it next must write all of it
		epoch.Recycle(b)
	}
}

// many is 23 pictures of sizes that differ, grey and in colour.
func many() []image.Image {
	var images []image.Image
	for i := range 23 {
		images = append(images, noise(12+i%5, 10+i%7, uint64(i), i%3 > 0))
	}
	return images
}

// TestUnvariedIsFeederBatch holds that a loader that varies nothing gives what
// Feeder.Batch gives, for each kind of input.
func TestUnvariedIsFeederBatch(t *testing.T) {
	set := pngs(t, 3, many()...)
	for _, shape := range [][]int64{{-1, 3, 8, 9}, {-1, 8, 9, 3}, {-1, 1, 8, 9}, {-1, 8, 9, 1}} {
		for _, dtype := range []tensor.DType{tensor.Float32, tensor.Uint8, tensor.Int8, tensor.Float16} {
			f := newFeeder(t, input(dtype, shape...), nil)
			batches := read(t, newLoader(t, f, set, feed.LoaderOptions{Batch: 5, Shuffle: true, Labels: true, Seed: 7}), 2, 0)
			if len(batches) != 4 {
				t.Fatalf("%d batches of 5 of 23 items", len(batches))
			}
			seen := map[int]bool{}
			for k, b := range batches {
				x, labels, err := f.Batch(set, b.Items)
				if err != nil {
					t.Fatal(err)
				}
				if !reflect.DeepEqual(b.X, x) {
					t.Errorf("%v %v: batch %d is not Feeder.Batch's", dtype, shape, k)
				}
				for i, label := range labels {
					seen[b.Items[i]] = true
					if int64(label) != b.Labels[i] {
						t.Errorf("item %d has label %d, want %d", b.Items[i], b.Labels[i], label)
					}
				}
			}
			if len(seen) != 20 {
				t.Errorf("%d different items in 4 batches of 5", len(seen))
			}
		}
	}
}

// TestSameWhateverTheWorkers holds that batches do not depend on the number of
// workers nor on where an epoch begins, and do on seed and epoch.
func TestSameWhateverTheWorkers(t *testing.T) {
	set := pngs(t, 2, many()...)
	f := newFeeder(t, input(tensor.Float32, -1, 3, 8, 8), nil)
	o := feed.LoaderOptions{Batch: 3, Shuffle: true, Labels: true, Seed: 5, Workers: 1,
		Augment: feed.Augment{ResizedCrop: [2]float64{0.35, 1}, Pad: 2, Flip: true}}
	want := read(t, newLoader(t, f, set, o), 4, 0)
	for _, workers := range []int{2, 3, 16} {
		o.Workers = workers
		l := newLoader(t, f, set, o)
		for _, from := range []int{0, 1, 5, 6} {
			if got := read(t, l, 4, from); !reflect.DeepEqual(got, want[from:]) {
				t.Errorf("%d workers from batch %d: other batches", workers, from)
			}
		}
	}
	l := newLoader(t, f, set, o)
	if reflect.DeepEqual(read(t, l, 5, 0), want) {
		t.Error("two epochs are the same")
	}
	o.Seed++
	if reflect.DeepEqual(read(t, newLoader(t, f, set, o), 4, 0), want) {
		t.Error("two seeds give the same")
	}
}

// TestEpochEnds ends epochs in each way: by closing, by the context, at the end.
func TestEpochEnds(t *testing.T) {
	f := newFeeder(t, input(tensor.Uint8, -1, 1, 8, 8), nil)
	l := newLoader(t, f, pngs(t, 0, many()...), feed.LoaderOptions{Batch: 2})
	for held := range 4 {
		epoch := l.Epoch(t.Context(), 0, 0)
		for range held {
			if _, err := epoch.Next(); err != nil {
				t.Fatal(err)
			}
		}
		epoch.Close()
		epoch.Close()
		if b, err := epoch.Next(); err == nil || errors.Is(err, io.EOF) {
			t.Errorf("a closed epoch gives %v, %v", b, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	epoch := l.Epoch(ctx, 0, 0)
	defer epoch.Close()
	cancel()
	if _, err := epoch.Next(); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled epoch gives %v", err)
	}
	last := l.Epoch(t.Context(), 0, l.Batches())
	defer last.Close()
	for range 2 {
		if _, err := last.Next(); !errors.Is(err, io.EOF) {
			t.Errorf("after the last batch: %v", err)
		}
	}
}

// TestMemoryIsReused wants an epoch of ten batches to allocate less than one
// batch's memory, after the first epoch.
func TestMemoryIsReused(t *testing.T) {
	dir := t.TempDir()
	file := append([]byte{0, 0, 8, 3, 0, 0, 1000 >> 8, 1000 & 255, 0, 0, 0, 28, 0, 0, 0, 28}, make([]byte, 1000*28*28)...)
	if err := os.WriteFile(filepath.Join(dir, "images-idx3-ubyte"), file, 0o644); err != nil {
		t.Fatal(err)
	}
	f := newFeeder(t, input(tensor.Float32, -1, 1, 28, 28), nil)
	l := newLoader(t, f, opened(t, dir), feed.LoaderOptions{Batch: 100, Shuffle: true, Workers: 2, Augment: feed.Augment{Pad: 2, Flip: true}})
	size := uint64(0)
	run := func(e int) {
		epoch := l.Epoch(t.Context(), e, 0)
		defer epoch.Close()
		for {
			b, err := epoch.Next()
			if errors.Is(err, io.EOF) {
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			size = uint64(len(b.X.Data))
			epoch.Recycle(b)
		}
	}
	run(0)
	// Batches that a first epoch did not need at once are made in a later one,
	// so the least of several counts.
	least := uint64(1) << 62
	for e := range 5 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		run(1 + e)
		runtime.ReadMemStats(&after)
		least = min(least, after.TotalAlloc-before.TotalAlloc)
	}
	if least > size {
		t.Errorf("an epoch allocates %d bytes, a batch has %d", least, size)
	}
}
