package bnc

import (
	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/runtime/model"
	"github.com/bottlenet/bnc/runtime/tensor"
	"github.com/bottlenet/bnc/runtime/train"
)

// openSets opens the images and decides how they are prepared.
func (t *training) openSets() (*train.Sets, error) {
	o := t.images()
	o.Labels, o.Notice = t.labels, t.Notice
	sets, err := train.OpenSets(o)
	if err != nil {
		return nil, err
	}
	return sets, t.prepare(sets)
}

// prepare decides how images are prepared.
func (t *training) prepare(sets *train.Sets) error {
	feeds := t.source.Graph.Feeds()
	if len(feeds) != 1 {
		return unusable("the model has %d inputs: only models with one can be trained", len(feeds))
	}
	return sets.Prepare(inputPort(feeds[0]), train.Preparing{Overrides: t.Overrides, Own: t.meta.Preprocess, Teacher: t.taught, Resolve: t.Resolve})
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
