package cut

import (
	"fmt"
	"slices"

	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/compiler/shape"
)

// Why says why v, a value of the model's graph, is no cut, "" where it is one. A
// cut is a tensor of a known element type, computed from the model's inputs and
// not an output itself, through which every path of activations to what comes
// after it passes, from which activations reach an output, and which leaves no
// shape behind that the other side cannot tell itself.
func (a *Analysis) Why(v *ir.Value) string {
	t := a.Info.Of(v)
	switch id := a.vertex[v]; {
	case v.Producer() == nil && a.flow.kinds[v] == activation:
		return "it is an input of the model"
	case a.flow.kinds[v] == constant:
		return "it is a constant"
	case a.flow.kinds[v] == shapeOnly:
		return "it carries a shape, no activations"
	case a.outputs[v]:
		return "it is an output of the model"
	case id == 0:
		return "no output of the model depends on it"
	case !a.gates.gate[id]:
		return "a division needs one tensor that everything after it depends on"
	case !a.reaching[v]:
		return "the outputs depend on its shape alone, nothing reads its activations"
	case t.Kind > shape.Tensor:
		return fmt.Sprintf("it is no tensor: %v", t)
	case t.DType == ir.Undefined:
		return a.untyped(v)
	}
	if lost := a.lostShape(&Cut{Tensors: []Tensor{{Value: v, Type: t}}}); lost != nil {
		return fmt.Sprintf("behind it the shape of %q is read, which its own shape does not tell (fix it with --input NAME=DIMS)", lost.Name())
	}
	return ""
}

// untyped says which operator leaves the element type of v open. No runtime loads
// a half with an input of such a type.
func (a *Analysis) untyped(v *ir.Value) string {
	n := v.Producer()
	for {
		i := slices.IndexFunc(a.flow.reads[n], func(r *ir.Value) bool {
			t := a.Info.Of(r)
			return r.Producer() != nil && t.Kind <= shape.Tensor && t.DType == ir.Undefined
		})
		if i < 0 {
			break
		}
		n = a.flow.reads[n][i].Producer()
	}
	why := fmt.Sprintf("its element type is not known, nor what %s makes", n.Label())
	if n.Domain == "com.microsoft.nchwc" {
		return why + ": ONNX Runtime saved this model with all optimisations, in a layout that differs from machine to machine; save it with at most ORT_ENABLE_EXTENDED"
	}
	return why + "; declare the tensor's type in the model (value_info)"
}
