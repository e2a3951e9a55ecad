package cut

import (
	"fmt"
	"slices"

	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/compiler/shape"
)

// Operators that lead from floats to integers and back, in quantised models.
const (
	quantizeOp   = "QuantizeLinear"
	dequantizeOp = "DequantizeLinear"
)

// Fused says why halves that are divided plainly at c may give other numbers than the whole
// model, "" where they do not: ONNX Runtime computes an operator between a DequantizeLinear and a
// QuantizeLinear in integers, and in floats where one of the two is in the other half. The
// reason names the tensor of integers beside, where that does not happen.
func (a *Analysis) Fused(c *Cut) string {
	for _, t := range c.Tensors {
		if n, instead := fused(t.Value); n != nil {
			return fmt.Sprintf("ONNX Runtime computes %s in integers, but not in halves of a model that is divided at %q, which may round otherwise: %q is the tensor of integers beside",
				n.Label(), t.Value.Name(), instead.Name())
		}
	}
	return ""
}

// fused returns an operator that is computed in integers unless the model is divided at v,
// and the integers beside.
func fused(v *ir.Value) (*ir.Node, *ir.Value) {
	if n := v.Producer(); n != nil && n.Op == dequantizeOp {
		for _, u := range v.Uses() {
			if quantised(u.Node) != nil && n.Input(0).Producer() != nil {
				return u.Node, n.Input(0)
			}
		}
		return nil, nil
	}
	n := v.Producer()
	if n != nil && shape.Of(n).Class == shape.Activation && !shape.Of(n).InIntegers() && n.Input(0).Producer() != nil {
		n = n.Input(0).Producer()
	}
	if n == nil {
		return nil, nil
	}
	if q := quantised(n); q != nil && (q.Input(0) == v || n.Output(0) == v) {
		return n, q.Output(0)
	}
	return nil, nil
}

// quantised returns the QuantizeLinear behind n, or behind n's activation function, where n
// is between such and DequantizeLinears alone, nil where it is not.
func quantised(n *ir.Node) *ir.Node {
	row := shape.Of(n)
	if !row.InIntegers() || n.NumOutputs() != 1 {
		return nil
	}
	for i, v := range n.Inputs() {
		if v == nil || row.Role(i) == shape.Weight || row.Role(i) == shape.Setting {
			continue
		}
		if p := v.Producer(); p == nil || p.Op != dequantizeOp {
			return nil
		}
	}
	only := func(v *ir.Value) *ir.Node {
		uses := v.Uses()
		if v.IsOutput() || len(uses) == 0 || slices.ContainsFunc(uses, func(u ir.Use) bool { return u.Node != uses[0].Node }) {
			return nil
		}
		return uses[0].Node
	}
	reader := only(n.Output(0))
	if reader != nil && shape.Of(reader).Class == shape.Activation && reader.NumOutputs() == 1 {
		reader = only(reader.Output(0))
	}
	if reader == nil || reader.Op != quantizeOp {
		return nil
	}
	return reader
}
