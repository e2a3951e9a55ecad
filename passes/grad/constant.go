package grad

import (
	"math"
	"regexp"
	"slices"

	"github.com/bottlenet/bnc/compiler/ir"
)

// Left is a constant that is added to activations, or multiplied with them, and is no
// weight.
type Left struct {
	Value  *ir.Value
	Reason string
}

// noWeight says why the constant operand i of n, an operand of arithmetic, is not
// taken for a weight; "" where it is one. A file does not tell parameters from masks,
// positions and anchors, so this goes, in this order, by
//
//   - contents: whole and half numbers, infinite ones and equal steps are counted or
//     written, never learnt, but for those that are all the same, with which scales and
//     shifts begin,
//   - name: what ends in weight, bias, gamma, beta, scale or shift is a parameter, and
//     so are embeddings, of positions too,
//   - role: what is added to a product of two activations is a mask or a bias of
//     positions in attention,
//   - shape: a scale or shift has one element a channel, which is axis 1 or the last one.
//
// Where that is wrong, a weight stays as it is: less harm than a mask that is learnt
// away.
func noWeight(n *ir.Node, i int) string {
	v := n.Input(i)
	f, err := v.Init().Floats()
	switch dims := v.Init().Dims(); {
	case err != nil: // not float32, which Parameters asks for
		return ""
	case counted(f):
		return "its elements are counted or written, as those of masks, positions and anchors"
	case parameterName.MatchString(v.Name()):
		return ""
	case n.Op == "Add" && ofActivations(n.Input(1-i)):
		return "it is added to a product of activations, as masks of attention are"
	case !perChannel(dims):
		return "it differs from position to position, as masks, grids and anchors do, and is not named as a weight or embedding"
	}
	return ""
}

// parameterName matches names that exporters give to parameters.
var parameterName = regexp.MustCompile(`(?i)((^|[._/:])(weight|bias|gamma|beta|scale|shift)|embed(ding)?s?|relative_position_bias\w*)$|(^|[._/:])pos(itional|ition)?_?embed`)

// counted reports whether numbers look like counted or written ones.
func counted(f []float32) bool {
	same, halves, steps := true, true, len(f) >= 4
	for i, x := range f {
		if math.IsInf(float64(x), 0) || math.IsNaN(float64(x)) {
			return true
		}
		same = same && x == f[0]
		halves = halves && 2*float64(x) == math.Round(2*float64(x))
		if i > 1 { // a rounding error of float32 aside
			step := float64(f[1]) - float64(f[0])
			steps = steps && math.Abs(float64(x)-float64(f[i-1])-step) <= 1e-6*(math.Abs(float64(x))+math.Abs(step))
		}
	}
	return !same && (halves || steps)
}

// perChannel reports whether a tensor of these dims has elements along one axis only,
// which can be that of the channels.
func perChannel(dims []int64) bool {
	axis := slices.IndexFunc(dims, func(d int64) bool { return d != 1 })
	if axis < 0 || slices.ContainsFunc(dims[axis+1:], func(d int64) bool { return d != 1 }) {
		return axis < 0
	}
	return axis <= 1 || axis == len(dims)-1
}

// ofActivations reports whether v is a product of two activations, perhaps scaled by a
// number.
func ofActivations(v *ir.Value) bool {
	for v != nil && v.Producer() != nil {
		n := v.Producer()
		switch {
		case n.Op == "MatMul" || n.Op == "Einsum":
			return !slices.ContainsFunc(n.Inputs(), func(v *ir.Value) bool { return v.Const() != nil })
		case n.Op != "Mul" && n.Op != "Div" && n.Op != "Add":
			return false
		case n.Input(1).Const() != nil:
			v = n.Input(0)
		case n.Input(0).Const() != nil:
			v = n.Input(1)
		default:
			return false
		}
	}
	return false
}
