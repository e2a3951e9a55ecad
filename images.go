package bnc

import (
	"image"

	"github.com/bottlenet/bnc/runtime/data"
	"github.com/bottlenet/bnc/runtime/feed"
	"github.com/bottlenet/bnc/runtime/imagein"
	"github.com/bottlenet/bnc/runtime/model"
	"github.com/bottlenet/bnc/runtime/task"
)

// ImageOptions say how an image becomes a model's input, and what its classes are
// called. What they leave open comes from the model's metadata, and else from its input's
// shape and type.
type ImageOptions struct {
	imagein.Overrides
	Labels string `json:"labels,omitempty"` // file with the name of a class a line
}

// FeedOptions say what inputs are given that get no images.
type FeedOptions struct {
	Feed map[string]string `json:"feed,omitempty"` // a .npy file by the input's name, the same for every image
}

// given reads what is given, for a model with such inputs.
func (o FeedOptions) given(inputs []model.Port) (feed.Given, error) {
	given, err := feed.OpenGiven(o.Feed, "feed")
	if err == nil {
		err = given.Check(inputs, "feed")
	}
	return given, err
}

// adapt takes the fit that is usual for a task, and tells so, where neither options nor
// the model say one.
func (o *ImageOptions) adapt(kind *task.Chosen, says *imagein.Preprocess, notice data.Notice) {
	if says != nil || o.Fit != "" || o.Resize != nil && *o.Resize != 0 || kind.Fit() == "" {
		return // a short side has a size for crops only
	}
	o.Usual = kind.Fit()
	notice("task %s: images become the input as a whole, by %s; option fit says otherwise, and option color, option scale, option mean and option std what pixels become", kind.Kind, o.Usual)
}

// forModel returns what a bundle of the model at path is to say about images: nil where
// neither the options nor the model say anything, so that whatever runs it decides by the
// images.
func (o ImageOptions) forModel(path string, inputs []model.Port, says *imagein.Preprocess) (*imagein.Preprocess, error) {
	if !o.Given() && says == nil {
		return nil, nil
	}
	p, err := o.resolve(path, inputs, says)
	if err != nil && !o.Given() { // whatever runs it tells what is missing
		return says, nil
	}
	return p, err
}

func (o ImageOptions) resolve(path string, inputs []model.Port, says *imagein.Preprocess) (*imagein.Preprocess, error) {
	if len(inputs) == 0 {
		return nil, unusable("%s has no input", path)
	}
	layout, err := imagein.LayoutOf(inputs[0])
	if err != nil {
		return nil, unusable("%w", err)
	}
	p, err := o.Resolve(layout, says, image.Point{})
	return &p, err
}
