package split

import (
	"context"
	"fmt"
	"strings"

	"github.com/bottlenet/bnc/compiler/cut"
	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/compiler/onnxtext"
	"github.com/bottlenet/bnc/compiler/shape"
)

// textTypes are the element types of cut tensors as onnxtext spells them.
var textTypes = map[ir.DType]string{ir.Float32: "float", ir.Float16: "float16", ir.Float64: "double"}

// Unit splits a model that holds nothing but a cut like c, which takes the settings'
// bottleneck: its two sides on their own. The mobile one takes the cut tensor [N, C, H, W].
func Unit(ctx context.Context, c *cut.Cut, s Settings) (*Bundle, error) {
	var of ir.DType
	for _, t := range c.Tensors {
		of = t.Type.DType
	}
	t := fmt.Sprintf("%s[batch, %d, %d, %d]", textTypes[of], s.Geometry.C, s.Geometry.H, s.Geometry.W)
	m, err := onnxtext.Parse(fmt.Sprintf("<ir_version: 8, opset_import: [\"\" : 17]>\nunit (%s x) => (%s y)\n{\n  at = Identity (x)\n  y = Identity (at)\n}\n", t, t))
	if err != nil {
		return nil, err
	}
	info, err := shape.Infer(m, shape.Options{})
	if err != nil {
		return nil, err
	}
	a := cut.Find(m, info)
	unit, err := a.Resolve("at")
	if err != nil {
		return nil, err
	}
	b, _, err := Split(ctx, a, unit, s, nil)
	return b, err
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
