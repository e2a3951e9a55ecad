package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/bottlenet/bnc/compiler/cut"
	"github.com/bottlenet/bnc/runtime/data"
	"github.com/bottlenet/bnc/runtime/eval"
	"github.com/bottlenet/bnc/runtime/feed"
	"github.com/bottlenet/bnc/runtime/ort"
	"github.com/bottlenet/bnc/runtime/plan"
	"github.com/bottlenet/bnc/runtime/tensor"
	"golang.org/x/sys/unix"
)

// activations are what a cut tensor holds for the images of a screening: files
// that are mapped, not read.
type activations struct {
	cut    string
	sets   *trainingSets
	mapped [][]byte
}

// screenedBy is the number of images that a screening is judged by, at most: 0.7
// points of standard error at an accuracy of 90%, far less than the margin.
const screenedBy = 2000

// cacheFolder is where a place's activations are.
func (t *searchTrainer) cacheFolder(cut string) string {
	return filepath.Join(t.dir, "cache", cut)
}

// cache computes the activations at a candidate's place unless they are there.
func (t *searchTrainer) cache(ctx context.Context, c plan.Candidate) error {
	if t.cached != nil && t.cached.cut == c.Cut {
		return nil
	}
	t.free()
	dir := t.cacheFolder(c.Cut)
	if err := os.RemoveAll(dir); err != nil { // of a process that was killed
		return err
	}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	o, err := parseTrain(t.flags(t.settings.Train, c))
	if err != nil {
		return err
	}
	src := calibrationSource{
		analyse: func() (*cut.Analysis, error) { return analyse(ctx, t.settings.Model, o.inputs) },
		path:    t.settings.Model, after: c.Tensor, set: t.sets.train, choose: t.sets.choose, flag: "--data", session: ort.Options{Threads: o.threads},
	}
	session, err := src.openPrefix(ctx)
	if err != nil {
		return err
	}
	defer session.Close()
	p := prefix{session: session}
	if p.feeder, err = feed.New(session.Inputs(), t.sets.choose); err != nil {
		return unusableError{err}
	}
	val := limited(t.sets.val, screenedBy)
	one, err := p.run(ctx, val, 0, 1)
	if err != nil {
		return err
	}
	room := int(t.settings.CacheBytes/int64(len(one.Data))) - val.Len()
	if room < 1 {
		return unusablef("--cache-bytes: the activations at %s take %d bytes an image: expected room for the %d images to judge by and at least one more, %d bytes", c.Cut, len(one.Data), val.Len(), int64(len(one.Data))*int64(val.Len()+1))
	}
	train, err := readable(limited(t.sets.train, min(room, t.settings.ScreenImages, t.sets.train.Len())), t.notice)
	if err != nil {
		return err
	}
	bar := newProgress(t.err, "activations at "+c.Cut, train.Len()+val.Len())
	defer bar.done()
	cached := &activations{cut: c.Cut, sets: &trainingSets{choose: feed.Always(nil)}}
	t.cached = cached
	for _, part := range []struct {
		name string
		from *data.Set
		to   **data.Set
	}{{"train", train, &cached.sets.train}, {"val", val, &cached.sets.val}} {
		file := filepath.Join(dir, part.name)
		if err := p.write(ctx, file, part.from, bar); err != nil {
			return err
		}
		if *part.to, err = cached.open(file, part.from, one); err != nil {
			return err
		}
	}
	return nil
}

// prefix is the network up to a cut.
type prefix struct {
	session *ort.Session
	feeder  *feed.Feeder
}

// run returns the cut tensor of n items from first on.
func (p prefix) run(ctx context.Context, set *data.Set, first, n int) (*tensor.Tensor, error) {
	o := eval.BatchOf(p.session.Inputs()[0], eval.DefaultBatch)
	var items []int
	for i := range n {
		items = append(items, first+i)
	}
	for o.Fixed && len(items) < o.Batch {
		items = append(items, first)
	}
	x, _, err := p.feeder.Batch(set, items)
	if err != nil {
		return nil, unusablef("--data: %w", err)
	}
	r, err := p.session.Run(ctx, ort.Feed{p.feeder.Input(): x})
	if err != nil {
		return nil, err
	}
	y := r[0].Tensor
	if len(y.Shape) == 0 || y.Shape[0] != int64(len(items)) {
		return nil, unusablef("the cut tensor of %d images is %v: expected as many rows", len(items), y)
	}
	shape := append([]int64{int64(n)}, y.Shape[1:]...)
	return tensor.FromBytes(y.DType, shape, y.Data[:len(y.Data)/len(items)*n])
}

// write writes a set's activations one after another.
func (p prefix) write(ctx context.Context, file string, set *data.Set, bar progress) error {
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	batch := eval.BatchOf(p.session.Inputs()[0], eval.DefaultBatch).Batch
	for first := 0; first < set.Len() && err == nil; first += batch {
		n := min(batch, set.Len()-first)
		var y *tensor.Tensor
		if y, err = p.run(ctx, set, first, n); err == nil {
			_, err = f.Write(y.Data)
		}
		for range n {
			bar.step()
		}
	}
	return errors.Join(err, f.Close())
}

// open maps a file of activations, rows like one, with the labels of their images.
func (a *activations) open(file string, from *data.Set, one *tensor.Tensor) (*data.Set, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	size := len(one.Data) * from.Len()
	mapped, err := unix.Mmap(int(f.Fd()), 0, size, unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("mapping %s: %w", file, err)
	}
	a.mapped = append(a.mapped, mapped)
	all, err := tensor.FromBytes(one.DType, append([]int64{int64(from.Len())}, one.Shape[1:]...), mapped)
	if err != nil {
		return nil, err
	}
	var labels []int
	if from.Labelled() {
		for i := range from.Len() {
			labels = append(labels, from.Label(i))
		}
	}
	return data.OfTensor(file, all, labels, from.Classes())
}

// Screened removes the activations of a place.
func (t *searchTrainer) Screened(cut string) error {
	t.free()
	return os.RemoveAll(t.cacheFolder(cut))
}

// free unmaps the activations.
func (t *searchTrainer) free() {
	if t.cached == nil {
		return
	}
	for _, m := range t.cached.mapped {
		unix.Munmap(m)
	}
	t.cached = nil
}
