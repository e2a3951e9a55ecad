package main

import (
	"image"
	"runtime"
	"sync"

	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/runtime/data"
	"github.com/bottlenet/bnc/runtime/feed"
	"github.com/bottlenet/bnc/runtime/imagein"
	"github.com/bottlenet/bnc/runtime/model"
	"github.com/bottlenet/bnc/runtime/tensor"
)

// trainingSets are the images of a training and how they become inputs.
type trainingSets struct {
	train, val *data.Set // val is nil for none
	// preprocess is nil for tensors that are prepared already.
	preprocess *imagein.Preprocess
	choose     feed.Chooser
	// whole tells that the training images have another size than the input.
	whole bool
}

// statisticsOf is the number of images that mean and deviation are taken from.
const statisticsOf = 10000

// openTrainingSets opens --data and --val and decides how their images are
// prepared.
func openTrainingSets(t *trainable, o *trainOptions, notice func(format string, args ...any)) (*trainingSets, error) {
	sets := &trainingSets{}
	var err error
	if sets.train, err = openData("--data", o.data, data.Train); err != nil {
		return nil, err
	}
	switch {
	case o.val != "":
		sets.val, err = openData("--val", o.val, data.Val)
	case sets.train.Part() == data.Train:
		sets.val, err = openData("--data", o.data, data.Val)
	case o.valSplit > 0:
		sets.train, sets.val, err = sets.train.Divide(o.valSplit, o.seed)
		if err != nil {
			err = unusablef("--data: %w", err)
		}
	}
	if err != nil {
		return nil, err
	}
	sets.train = limited(sets.train, o.limit)
	if !sets.train.Labelled() && !o.distill {
		return nil, unusablef("--data %s has no labels: expected one sub-folder a class, or labels beside the images; without labels the original model can teach: --distill", o.data)
	}
	if sets.val, err = readable(sets.val, notice); err != nil {
		return nil, err
	}
	port, err := inputPort(t.source)
	if err != nil {
		return nil, err
	}
	return sets, sets.prepare(port, t, o)
}

// readable leaves images to judge by out that cannot be read, with a notice, so
// that every epoch is judged by the same ones.
func readable(set *data.Set, notice func(format string, args ...any)) (*data.Set, error) {
	if set == nil || set.File(0) == "" { // a file of all items was read as a whole
		return set, nil
	}
	failed := make([]error, set.Len())
	workers := runtime.GOMAXPROCS(0)
	var group sync.WaitGroup
	for first := range workers {
		group.Go(func() {
			var r data.Reader
			for i := first; i < set.Len(); i += workers {
				_, failed[i] = set.Read(i, &r)
			}
		})
	}
	group.Wait()
	var good []int
	for i, err := range failed {
		if err == nil {
			good = append(good, i)
		} else {
			notice("left out: %v", err)
		}
	}
	if good == nil {
		return nil, unusablef("none of the images to judge by can be read: %w", failed[0])
	}
	return set.Select(good), nil
}

// inputPort is the model's input as the runtime sees it, with an open batch.
func inputPort(m *ir.Model) (model.Port, error) {
	feeds := m.Graph.Feeds()
	if len(feeds) != 1 {
		return model.Port{}, unusablef("the model has %d inputs: only models with one can be trained", len(feeds))
	}
	v := feeds[0]
	port := model.Port{Name: v.Name(), Kind: model.Tensor, DType: tensor.DType(v.DType())}
	var dims []ir.Dim
	dims, port.Ranked = v.Shape()
	for i, d := range dims {
		size := model.Dim{Size: d.N, Symbol: d.Symbol}
		if i == 0 || d.Symbol != "" {
			size = model.Dim{Size: -1, Symbol: "batch"}
		}
		port.Shape = append(port.Shape, size)
	}
	return port, nil
}

// prepare chooses the preprocessing: that of the flags, of the model, or the
// default for these images, with the training set's own mean and deviation for
// one channel.
func (sets *trainingSets) prepare(port model.Port, t *trainable, o *trainOptions) error {
	var first image.Image
	var unreadable error
	for i := range min(sets.train.Len(), 100) {
		item, err := sets.train.Item(i)
		if err != nil {
			unreadable = err
			continue
		}
		unreadable = nil
		if first = item.Image; first == nil {
			sets.choose = o.images.chooser(t.meta.Preprocess)
			return nil // tensors
		}
		break
	}
	if unreadable != nil {
		return unusablef("--data: none of the first images can be read: %w", unreadable)
	}
	layout, err := imagein.LayoutOf(port)
	if err != nil {
		return unusableError{err}
	}
	p, err := o.images.resolve(layout, t.meta.Preprocess, first.Bounds().Size())
	if err != nil {
		return err
	}
	if layout.Channels == 1 && layout.DType.IsFloat() && t.meta.Preprocess == nil && o.images.mean == nil && o.images.std == nil {
		mean, std, err := feed.Statistics(sets.train, statisticsOf)
		if err != nil {
			return unusablef("--data: %w", err)
		}
		p.Mean, p.Std = mean, std
	}
	sets.preprocess, sets.choose = &p, feed.Always(&p)
	sets.whole = first.Bounds().Size() != image.Pt(p.Crop[1], p.Crop[0])
	return nil
}
