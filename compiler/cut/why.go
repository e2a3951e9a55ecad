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
// shape behind that the other side cannot tell itself. Small inputs that join behind it
// are late; see [Cut].
func (a *Analysis) Why(v *ir.Value) string {
	if v.Producer() == nil && a.flow.kinds[v] == activation {
		return "it is an input of the model"
	}
	if why := a.unfit(v); why != "" {
		return why
	}
	if !a.gates.gate(a.vertex[v]) {
		return "a division needs one tensor that everything after it depends on"
	}
	late, both := a.gates.lateOf(a.vertex[v], a.ends)
	if both != nil {
		return fmt.Sprintf("both sides would read input %q of the model", both.Name())
	}
	if len(late) > 0 && !a.lighter(late, a.gates.inputsOf(a.vertex[v])) {
		return fmt.Sprintf("input %q of the model, no smaller than what is read before it, would cross as it is", late[0].Name())
	}
	if lost := a.lostShape(&Cut{Tensors: []Tensor{{Value: v, Type: a.Info.Of(v)}}, Late: late}); lost != nil {
		return fmt.Sprintf("behind it the shape of %q is read, which its own shape does not tell (fix it with --input NAME=DIMS)", lost.Name())
	}
	return ""
}

// lighter reports whether late inputs are together smaller than the inputs that are read
// before a cut, as a vector beside an image is: it is not worth while to send an image as it
// is and divide what is made of a vector.
func (a *Analysis) lighter(late, early []*ir.Value) bool {
	size := func(vs []*ir.Value) (sum int64, known bool) {
		for _, v := range vs {
			n := a.BytesOf(a.Info.Of(v))
			if n == nil {
				return 0, false
			}
			sum += *n
		}
		return sum, true
	}
	small, known := size(late)
	large, open := size(early)
	return known && (!open || small < large)
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
