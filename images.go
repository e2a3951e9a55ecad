package bnc

import (
	"github.com/bottlenet/bnc/runtime/eval"
	"github.com/bottlenet/bnc/runtime/task"
)

// TaskOptions say what a model's outputs are.
type TaskOptions = eval.TaskOptions

// Tasks are the values of TaskOptions.Task.
func Tasks() []string { return task.Kinds() }

// ImageOptions say how an image becomes a model's input, and what its classes are
// called. What they leave open comes from the model's metadata, and else from its input's
// shape and type.
type ImageOptions = eval.ImageOptions

// FeedOptions say what inputs are given that get no images.
type FeedOptions = eval.FeedOptions
