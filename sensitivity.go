package bnc

import (
	"context"
	"fmt"
	"slices"

	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/compiler/onnx"
	"github.com/bottlenet/bnc/passes/grad"
	"github.com/bottlenet/bnc/runtime/ort"
	"github.com/bottlenet/bnc/runtime/probe"
	"github.com/bottlenet/bnc/runtime/tensor"
	"github.com/bottlenet/bnc/runtime/train"
)

// By which channels are chosen in a calibration.
const (
	BySensitivity = train.BySensitivity // what the outputs feel most
	ByVariance    = train.ByVariance    // what varies most
)

// gradients makes the network of gradients of random directions of the outputs of what is behind
// the cut, which is used up.
func (src *calibrationSource) gradients(ctx context.Context, behind *ir.Model) (*probe.Gradients, error) {
	for _, v := range behind.Graph.Feeds() {
		if name := v.Name(); !slices.Contains(src.Tensors, name) && src.Given[name] == nil {
			return nil, fmt.Errorf("input %q is read behind the cut: give it by option feed", name)
		}
	}
	felt, err := grad.FeelInputs(ctx, behind, src.Tensors, src.raw, func(ctx context.Context, m *ir.Model) (map[string]*ir.Tensor, error) {
		return computed(ctx, m, src.Session)
	})
	if err != nil {
		return nil, err
	}
	g := new(probe.Gradients)
	for _, d := range felt.Directions {
		g.Directions = append(g.Directions, probe.Direction(d))
	}
	g.Network, err = onnx.Marshal(felt.Model)
	return g, err
}

// computed are the outputs of a network that computes weights.
func computed(ctx context.Context, m *ir.Model, o ort.Options) (map[string]*ir.Tensor, error) {
	session, err := openModel(m, "computed weights", o)
	if err != nil {
		return nil, err
	}
	defer session.Close()
	results, err := session.Run(ctx, ort.Feed{session.Inputs()[0].Name: tensor.Of([]int64{1}, []float32{0})})
	values := map[string]*ir.Tensor{}
	for _, r := range results {
		values[r.Name] = ir.NewTensor(ir.Float32, r.Tensor.Shape, ir.Memory(r.Tensor.Data))
	}
	return values, err
}
