package split

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/bottlenet/bnc/compiler/cut"
	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/compiler/onnxtext"
	"github.com/bottlenet/bnc/compiler/shape"
	"github.com/bottlenet/bnc/passes/bottleneck"
)

// textTypes are the element types of cut tensors as onnxtext spells them.
var textTypes = map[ir.DType]string{ir.Float32: "float", ir.Float16: "float16", ir.Float64: "double"}

// Unit splits a model that holds nothing but a cut like c, which takes the settings'
// bottlenecks: its two sides on their own. The mobile one takes the cut's tensors [N, C, H, W].
func Unit(ctx context.Context, c *cut.Cut, s Settings) (*Bundle, error) {
	var ins, outs, nodes, at []string
	for i, t := range c.Tensors {
		n := ""
		if i > 0 {
			n = fmt.Sprintf("_%d", i+1)
		}
		g := s.Tensors[i].Geometry
		typed := fmt.Sprintf("%s[batch, %d, %d, %d]", textTypes[t.Type.DType], g.C, g.H, g.W)
		ins, outs, at = append(ins, typed+" x"+n), append(outs, typed+" y"+n), append(at, "at"+n)
		nodes = append(nodes, fmt.Sprintf("  at%s = Identity (x%s)\n  y%s = Identity (at%s)\n", n, n, n, n))
	}
	m, err := onnxtext.Parse(fmt.Sprintf("<ir_version: 8, opset_import: [\"\" : 17]>\nunit (%s) => (%s)\n{\n%s}\n",
		strings.Join(ins, ", "), strings.Join(outs, ", "), strings.Join(nodes, "")))
	if err != nil {
		return nil, err
	}
	info, err := shape.Infer(m, shape.Options{})
	if err != nil {
		return nil, err
	}
	a := cut.Find(m, info)
	unit, err := CutAt(a, at)
	if err != nil {
		return nil, err
	}
	b, _, err := Split(ctx, a, unit, s, nil)
	return b, err
}

// HostUnit is Unit in float32, with the codec left to the programs of both sides.
func HostUnit(ctx context.Context, c *cut.Cut, s Settings) (*Bundle, error) {
	at := *c
	at.Tensors = slices.Clone(at.Tensors)
	for i := range at.Tensors {
		at.Tensors[i].Type.DType = ir.Float32
	}
	s.CodecAt, s.FP16, s.Target = bottleneck.CodecOnHost, false, ""
	return Unit(ctx, &at, s)
}

// Chain returns a model of so many nodes that do nearly nothing, on float32 [1]: what is
// measured of it is what a run, and each node of it, takes in any case.
func Chain(nodes int) (*ir.Model, error) {
	text := new(strings.Builder)
	fmt.Fprintf(text, "<ir_version: 8, opset_import: [\"\" : 17]> chain (float[1] x0) => (float[1] x%d) {", nodes)
	for i := range nodes {
		fmt.Fprintf(text, " x%d = %s (x%d)", i+1, []string{"Neg", "Abs"}[i%2], i)
	}
	return onnxtext.Parse(text.String() + " }")
}
