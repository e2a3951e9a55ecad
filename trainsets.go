package bnc

import (
	"cmp"
	"image"
	"runtime"
	"slices"
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

// openSets opens the images and decides how their images are
// prepared.
func (t *training) openSets() (*trainingSets, error) {
	sets, o, p := &trainingSets{}, &t.TrainOptions, t.progress
	var err error
	if sets.train, err = openData("data", o.Data, data.Train, p); err != nil {
		return nil, err
	}
	switch {
	case o.Val != "":
		sets.val, err = openData("val", o.Val, data.Val, p)
	case sets.train.Part() == data.Train:
		sets.val, err = openData("data", o.Data, data.Val, p)
	case orElse(o.ValSplit, 0.15) > 0:
		sets.train, sets.val, err = sets.train.Divide(orElse(o.ValSplit, 0.15), o.Seed)
		if err != nil {
			err = unusable("option data: %w", err)
		}
	}
	if err != nil {
		return nil, err
	}
	if sets.train, err = named(sets.train, t.labels, "data"); err != nil {
		return nil, err
	}
	if sets.val, err = sameClasses(sets.val, sets.train); err != nil {
		return nil, err
	}
	sets.train = sets.train.Spread(o.Limit)
	if sets.val != nil {
		sets.val = sets.val.Spread(o.ValLimit)
	}
	sets.tell(p)
	if !sets.train.Labelled() && !o.Distill {
		return nil, unusable("option data %s has no labels: expected one sub-folder a class, or labels beside the images; without labels the original model can teach: option distill", o.Data)
	}
	if sets.val, err = readable(sets.val, p); err != nil {
		return nil, err
	}
	feeds := t.source.Graph.Feeds()
	if len(feeds) != 1 {
		return nil, unusable("the model has %d inputs: only models with one can be trained", len(feeds))
	}
	return sets, sets.prepare(inputPort(feeds[0]), t)
}

// tell says how many images train and judge.
func (sets *trainingSets) tell(p progress) {
	train := sets.train.Len()
	switch {
	case sets.val == nil:
		p.notice("%d images to train on, none to judge by", train)
	case sets.val.Len() > train:
		p.notice("%d images to train on, %d to judge by, which will take long: option val_limit takes fewer", train, sets.val.Len())
	default:
		p.notice("%d images to train on, %d to judge by", train, sets.val.Len())
	}
}

// named numbers the classes of folders as the model's labels do, where folders and
// labels have the same names. Folders of which no name is a label stay in their order.
func named(set *data.Set, labels []string, option string) (*data.Set, error) {
	known := slices.ContainsFunc(set.Classes(), func(name string) bool { return slices.Contains(labels, name) })
	if !known || data.Numbered(set.Classes()) {
		return set, nil
	}
	same, err := set.As(labels)
	if err != nil {
		return nil, unusable("option %s: %w: the model's labels have the names of other folders; rename it, or give option labels", option, err)
	}
	return same, nil
}

// sameClasses numbers the classes of the images to judge by as the training images'.
func sameClasses(val, train *data.Set) (*data.Set, error) {
	if val == nil || !val.Labelled() || !train.Labelled() || data.Numbered(val.Classes()) || data.Numbered(train.Classes()) {
		return val, nil
	}
	same, err := val.As(train.Classes())
	if err != nil {
		return nil, unusable("images to judge by: %w: those that are trained on have no such folder", err)
	}
	return same, nil
}

// fit compares the classes of the data with the model's. Photographs in folders that
// are no classes have no labels, where the original model teaches.
func (sets *trainingSets) fit(output string, classes int, distilled bool, p progress) error {
	for _, set := range []**data.Set{&sets.train, &sets.val} {
		if *set == nil {
			continue
		}
		err := (*set).CheckClasses(classes)
		switch {
		case err != nil && distilled:
			*set = (*set).Unlabelled()
			if set == &sets.val {
				p.notice("the folders of images are taken for no labels: %v", err)
			}
		case err != nil:
			return unusable("output %q: %w", output, err)
		}
	}
	return nil
}

// readable leaves images to judge by out that cannot be read, with a notice, so
// that every epoch is judged by the same ones.
func readable(set *data.Set, p progress) (*data.Set, error) {
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
			p.notice("left out: %v", err)
		}
	}
	if good == nil {
		return nil, unusable("none of the images to judge by can be read: %w", failed[0])
	}
	return set.Select(good), nil
}

// inputPort is a model's input as the runtime sees it, with an open batch.
func inputPort(v *ir.Value) model.Port {
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
	return port
}

// prepare chooses the preprocessing: that of the flags, of the model, or the
// default for these images, with the training set's own mean and deviation for
// one channel.
func (sets *trainingSets) prepare(port model.Port, t *training) error {
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
			sets.choose = t.chooser(t.meta.Preprocess)
			return nil // tensors
		}
		break
	}
	if unreadable != nil {
		return unusable("option data: none of the first images can be read: %w", unreadable)
	}
	layout, err := imagein.LayoutOf(port)
	if err != nil {
		return unusable("%w", err)
	}
	inherited := cmp.Or(t.meta.Preprocess, t.taught)
	size := sets.sizeOf(first.Bounds().Size(), image.Pt(layout.Width, layout.Height))
	p, err := t.resolve(layout, inherited, size)
	if err != nil {
		return err
	}
	if t.taught != nil && !sameValues(p, *t.taught) {
		return usage("teacher", ": its images have color %s, scale %v, mean %v, std %v, those of the training color %s, scale %v, mean %v, std %v, and both see the same: give the teacher's by option color, option scale, option mean and option std",
			t.taught.Color, t.taught.Scale, t.taught.Mean, t.taught.Std, p.Color, p.Scale, p.Mean, p.Std)
	}
	if layout.Channels == 1 && layout.DType.IsFloat() && inherited == nil && t.Mean == nil && t.Std == nil {
		mean, std, err := feed.Statistics(sets.train, statisticsOf)
		if err != nil {
			return unusable("option data: %w", err)
		}
		p.Mean, p.Std = mean, std
	}
	sets.preprocess, sets.choose = &p, feed.Always(&p)
	sets.whole = size != image.Pt(p.Crop[1], p.Crop[0])
	return nil
}

// sizeOf returns the first image's size or, where that is the input's, the size of one of
// some spread over the training set that is not: then images are to be resized.
func (sets *trainingSets) sizeOf(first, input image.Point) image.Point {
	if first != input || sets.train.File(0) == "" { // all of one file have one size
		return first
	}
	const looks = 16
	for i := range looks {
		item, err := sets.train.Item(i * (sets.train.Len() - 1) / (looks - 1))
		if err != nil || item.Image == nil {
			continue // told when it is trained on
		}
		if size := item.Image.Bounds().Size(); size != input {
			return size
		}
	}
	return first
}

// sameValues reports whether two preprocessings make the same numbers of a pixel.
func sameValues(a, b imagein.Preprocess) bool {
	return a.Color == b.Color && a.Scale == b.Scale && slices.Equal(a.Mean, b.Mean) && slices.Equal(a.Std, b.Std)
}
