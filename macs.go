package bnc

import (
	"context"
	"path/filepath"
	"slices"

	"github.com/bottlenet/bnc/compiler/cut"
	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/compiler/onnx"
	"github.com/bottlenet/bnc/compiler/shape"
	"github.com/bottlenet/bnc/passes/bottleneck"
	"github.com/bottlenet/bnc/runtime/bundle"
	"github.com/bottlenet/bnc/runtime/eval"
)

// multiplies are the multiply-adds of an image on the device and of the whole model, nil for
// what is not known: of a bundle those of its mobile half, and of both without the
// bottleneck; nothing on the device where images themselves are sent.
func multiplies(ctx context.Context, s *eval.Subject, sent bool) (device, model *int64) {
	macs := func(file string) *int64 {
		a, err := analyse(ctx, file, nil)
		if err != nil {
			return nil
		}
		return a.MACs(slices.Values(a.Model.Graph.Nodes()))
	}
	if s.Pair != nil {
		device = macs(filepath.Join(s.Path, bundle.MobileFile))
	}
	switch {
	case s.Joined != "":
		if m, err := onnx.Load(s.Joined); err == nil && bottleneck.Bypass(m) == nil {
			model = macsOf(m)
		}
	case s.Pair != nil && s.Meta.Plain():
		if cloud := macs(filepath.Join(s.Path, bundle.CloudFile)); device != nil && cloud != nil {
			model = new(*device + *cloud)
		}
	case s.Pair == nil:
		model = macs(s.Path)
	}
	if sent {
		device = new(int64(0))
	}
	return device, model
}

// macsOf are the multiply-adds of a model, nil where they are not known.
func macsOf(m *ir.Model) *int64 {
	info, err := shape.Infer(m, shape.Options{})
	if err != nil {
		return nil
	}
	return cut.Find(m, info).MACs(slices.Values(m.Graph.Nodes()))
}
