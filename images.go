package bnc

import (
	"image"

	"github.com/bottlenet/bnc/runtime/bundle"
	"github.com/bottlenet/bnc/runtime/data"
	"github.com/bottlenet/bnc/runtime/imagein"
	"github.com/bottlenet/bnc/runtime/model"
)

// ImageOptions say how an image becomes a model's input, and what its classes are
// called. What they leave open comes from the model's metadata, and else from its input's
// shape and type.
type ImageOptions struct {
	imagein.Overrides
	Labels string `json:"labels,omitempty"` // file with the name of a class a line
}

// forModel returns what a model's bundle is to say about images and labels: nil where
// neither the options nor the model say anything, so that whatever runs it decides by the
// images. Fix holds the shapes of inputs that are given.
func (o ImageOptions) forModel(path string, fix map[string][]int64) (*imagein.Preprocess, []string, error) {
	labels, err := data.ReadLabels(o.Labels)
	if err != nil {
		return nil, nil, err
	}
	head, err := model.ReadFile(path)
	if err != nil {
		return nil, nil, unusable("%w", err)
	}
	meta, err := bundle.ParseMeta(head.Metadata)
	if err != nil {
		return nil, nil, unusable("%w", err)
	}
	if labels == nil {
		labels = meta.Labels
	}
	if !o.Given() && meta.Preprocess == nil {
		return nil, labels, nil
	}
	p, err := o.resolveFor(path, model.FixPorts(head.Inputs, fix), meta.Preprocess)
	if err != nil && !o.Given() { // whatever runs it tells what is missing
		return meta.Preprocess, labels, nil
	}
	return p, labels, err
}

// resolveFor is Resolve for the inputs of the model at path.
func (o ImageOptions) resolveFor(path string, inputs []model.Port, says *imagein.Preprocess) (*imagein.Preprocess, error) {
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
