package train

import (
	"cmp"
	"image"
	"slices"

	"github.com/bottlenet/bnc/internal/fault"
	"github.com/bottlenet/bnc/runtime/data"
	"github.com/bottlenet/bnc/runtime/feed"
	"github.com/bottlenet/bnc/runtime/imagein"
	"github.com/bottlenet/bnc/runtime/model"
)

// Sets are the images of a training and how they become inputs.
type Sets struct {
	Train, Val *data.Set           // Val is nil for none
	Preprocess *imagein.Preprocess // nil for tensors that are prepared already
	Choose     feed.Chooser
	Given      feed.Given // of inputs that get no images
	Whole      bool       // the training images have another size than the input
}

// SetsOptions say which images train and judge.
type SetsOptions struct {
	Data, Val       string  // Val "" for those of Data
	ValSplit        float64 // part of Data that judges where it is not divided
	Seed            uint64  // of that
	Limit, ValLimit int     // images, 0 for all
	Labels          []string
	Taught          bool // a teacher gives labels
	Notice          data.Notice
}

// Check finds numbers that cannot be.
func (o SetsOptions) Check() error {
	switch {
	case o.Data == "":
		return fault.Usage("data", "is missing: which images?")
	case o.Limit < 0 || o.ValLimit < 0:
		return fault.Usage("limit", "%d, option val_limit %d: expected 0 (all) or more", o.Limit, o.ValLimit)
	}
	return fault.Shares{{"val_split", o.ValSplit, 1}}.Check()
}

// OpenSets opens the images.
func OpenSets(o SetsOptions) (*Sets, error) {
	s := &Sets{}
	var err error
	if s.Train, err = data.OpenOption("data", o.Data, data.Train, o.Notice); err != nil {
		return nil, err
	}
	switch {
	case o.Val != "":
		s.Val, err = data.OpenOption("val", o.Val, data.Val, o.Notice)
	case s.Train.Part() == data.Train:
		s.Val, err = data.OpenOption("data", o.Data, data.Val, o.Notice)
	case o.ValSplit > 0:
		if s.Train, s.Val, err = s.Train.Divide(o.ValSplit, o.Seed); err != nil {
			err = fault.Unusable("option data: %w", err)
		}
	}
	if err != nil {
		return nil, err
	}
	if s.Train, err = s.Train.Named(o.Labels, "data"); err != nil {
		return nil, err
	}
	if s.Val != nil {
		if s.Val, err = s.Val.Like(s.Train); err != nil {
			return nil, err
		}
		s.Val = s.Val.Spread(o.ValLimit)
	}
	s.Train = s.Train.Spread(o.Limit)
	s.tell(o.Notice)
	if !s.Train.Labelled() && !s.Train.Masked() && !o.Taught {
		return nil, fault.Unusable("option data %s has no labels: expected one sub-folder a class, or labels or masks beside the images; without labels the original model can teach: option distill", o.Data)
	}
	if s.Val != nil {
		s.Val, err = s.Val.Readable(o.Notice)
	}
	return s, err
}

// tell says how many images train and judge.
func (s *Sets) tell(notice data.Notice) {
	train := s.Train.Len()
	switch {
	case s.Val == nil:
		notice("%d images to train on, none to judge by", train)
	case s.Val.Len() > train:
		notice("%d images to train on, %d to judge by, which will take long: option val_limit takes fewer", train, s.Val.Len())
	default:
		notice("%d images to train on, %d to judge by", train, s.Val.Len())
	}
}

// Fit compares the classes of the data with those of an output. Photographs in folders
// that are no classes have no labels, where a teacher teaches.
func (s *Sets) Fit(output string, classes int, taught bool, notice data.Notice) error {
	for _, set := range []**data.Set{&s.Train, &s.Val} {
		if *set == nil {
			continue
		}
		err := (*set).CheckClasses(classes)
		switch {
		case err != nil && taught:
			*set = (*set).Unlabelled()
			if set == &s.Val {
				notice("the folders of images are taken for no labels: %v", err)
			}
		case err != nil:
			return fault.Unusable("output %q: %w", output, err)
		}
	}
	return nil
}

// Preparing is what decides how images become inputs.
type Preparing struct {
	Overrides    imagein.Overrides
	Own, Teacher *imagein.Preprocess // what the model and its teacher say, nil for nothing
	// Resolve applies the overrides to what is inherited, for images of a size.
	Resolve func(l imagein.Layout, inherited *imagein.Preprocess, size image.Point) (imagein.Preprocess, error)
}

// statisticsOf is the number of images that mean and deviation are taken from.
const statisticsOf = 10000

// Prepare chooses the preprocessing for an input: that of the overrides, of the model, or
// the default for these images, with the training set's own mean and deviation for one
// channel.
func (s *Sets) Prepare(input model.Port, o Preparing) error {
	first, err := s.first()
	switch {
	case err != nil:
		return err
	case first == nil: // tensors
		s.Choose = func(l imagein.Layout, size image.Point) (imagein.Preprocess, error) { return o.Resolve(l, o.Own, size) }
		return nil
	}
	layout, err := imagein.LayoutOf(input)
	if err != nil {
		return fault.Unusable("%w", err)
	}
	inherited := cmp.Or(o.Own, o.Teacher)
	size := s.sizeOf(first.Bounds().Size(), image.Pt(layout.Width, layout.Height))
	p, err := o.Resolve(layout, inherited, size)
	if err != nil {
		return err
	}
	if t := o.Teacher; t != nil && !sameValues(p, *t) {
		return fault.Usage("teacher", ": its images have color %s, scale %v, mean %v, std %v, those of the training color %s, scale %v, mean %v, std %v, and both see the same: give the teacher's by option color, option scale, option mean and option std",
			t.Color, t.Scale, t.Mean, t.Std, p.Color, p.Scale, p.Mean, p.Std)
	}
	if layout.Channels == 1 && layout.DType.IsFloat() && inherited == nil && o.Overrides.Mean == nil && o.Overrides.Std == nil {
		if p.Mean, p.Std, err = feed.Statistics(s.Train, statisticsOf); err != nil {
			return fault.Unusable("option data: %w", err)
		}
	}
	s.Preprocess, s.Choose = &p, feed.Always(&p)
	s.Whole = size != image.Pt(p.Crop[1], p.Crop[0])
	return nil
}

// first returns the first image that can be read, nil for tensors.
func (s *Sets) first() (image.Image, error) {
	var unreadable error
	for i := range min(s.Train.Len(), 100) {
		item, err := s.Train.Item(i)
		if err == nil {
			return item.Image, nil
		}
		unreadable = err
	}
	return nil, fault.Unusable("option data: none of the first images can be read: %w", unreadable)
}

// sizeOf returns the first image's size or, where that is the input's, the size of one of
// some spread over the training set that is not: then images are to be resized.
func (s *Sets) sizeOf(first, input image.Point) image.Point {
	if first != input || s.Train.File(0) == "" { // all of one file have one size
		return first
	}
	const looks = 16
	for i := range looks {
		item, err := s.Train.Item(i * (s.Train.Len() - 1) / (looks - 1))
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
