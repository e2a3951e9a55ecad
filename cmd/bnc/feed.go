package main

import (
	"image"

	"github.com/bottlenet/bnc/runtime/data"
	"github.com/bottlenet/bnc/runtime/imagein"
	"github.com/bottlenet/bnc/runtime/model"
	"github.com/bottlenet/bnc/runtime/ort"
)

// feeder turns images and prepared tensors into what a model is fed.
type feeder struct {
	port      model.Port
	layout    imagein.Layout
	layoutErr error // the input takes no images
	flags     *imageFlags
	inherited *imagein.Preprocess
	preparers map[bool]*imagein.Preparer // by: the image has the input's size already
}

// newFeeder makes the feeder of a model with the given inputs, of which there
// must be one.
func newFeeder(inputs []model.Port, flags *imageFlags, inherited *imagein.Preprocess) (*feeder, error) {
	if len(inputs) != 1 {
		return nil, unusablef("the model has %d inputs; images can be fed to models with one", len(inputs))
	}
	f := &feeder{port: inputs[0], flags: flags, inherited: inherited, preparers: map[bool]*imagein.Preparer{}}
	f.layout, f.layoutErr = imagein.LayoutOf(inputs[0])
	return f, nil
}

// item prepares one image; a tensor is taken as it is.
func (f *feeder) item(x data.Item) (ort.Feed, error) {
	if x.Tensor != nil {
		return ort.Feed{f.port.Name: x.Tensor}, nil
	}
	prep, err := f.preparer(x.Image.Bounds().Size())
	if err != nil {
		return nil, err
	}
	t, err := prep.One(x.Image)
	if err != nil {
		return nil, unusableError{err}
	}
	return ort.Feed{f.port.Name: t}, nil
}

func (f *feeder) preparer(size image.Point) (*imagein.Preparer, error) {
	if f.layoutErr != nil {
		return nil, unusableError{f.layoutErr}
	}
	same := size == image.Pt(f.layout.Width, f.layout.Height)
	if prep := f.preparers[same]; prep != nil {
		return prep, nil
	}
	p, err := f.flags.resolve(f.layout, f.inherited, size)
	if err != nil {
		return nil, err
	}
	layout := f.layout
	layout.Height, layout.Width = p.Crop[0], p.Crop[1]
	prep, err := imagein.New(p, layout)
	if err != nil {
		return nil, unusableError{err}
	}
	f.preparers[same] = prep
	return prep, nil
}

// preprocess returns how images were prepared, nil if none were.
func (f *feeder) preprocess() *imagein.Preprocess {
	for _, prep := range f.preparers {
		p := prep.Preprocess()
		return &p
	}
	return nil
}
