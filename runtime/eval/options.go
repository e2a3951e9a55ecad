package eval

import (
	"github.com/bottlenet/bnc/runtime/feed"
	"github.com/bottlenet/bnc/runtime/imagein"
	"github.com/bottlenet/bnc/runtime/model"
	"github.com/bottlenet/bnc/runtime/task"
)

// TaskOptions say what a model's outputs are.
type TaskOptions = task.Options

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

// OpenGiven reads what is given, for a model with such inputs.
func (o FeedOptions) OpenGiven(inputs []model.Port) (feed.Given, error) {
	given, err := feed.OpenGiven(o.Feed, "feed")
	if err == nil {
		err = given.Check(inputs, "feed")
	}
	return given, err
}
