//go:build cgo

package oracle

import (
	"math/rand/v2"
)

// positive numbers, away from 0 where logarithms and roots have no end.
var positive = between(0.3, 3)

// xs is the option that draws x with f.
func xs(f func(*rand.Rand) float32) caseOptions { return drawn("x", f) }

func drawn(name string, f func(*rand.Rand) float32) caseOptions {
	return caseOptions{draw: map[string]func(*rand.Rand) float32{name: f}}
}

// wide numbers reach into the flat ends of functions that saturate.
var wide = between(-8, 8)

const plane = "float[2,3,4,5] x"

// elementwiseCases are functions of one operand. Numbers drawn at random are not
// on a kink, but for the cases that say so.
var elementwiseCases = []ruleCase{
	{name: "Identity", inputs: plane, body: "y = Identity (x)"},
	{name: "Neg", inputs: plane, body: "y = Neg (x)"},
	{name: "Relu", inputs: plane, body: "y = Relu (x)"},
	{name: "Relu at 0", inputs: plane, body: "y = Relu (x)", more: caseOptions{draw: map[string]func(*rand.Rand) float32{"x": whole(3)}, kinks: true}},
	{name: "Relu of tiny numbers", inputs: plane, body: "y = Relu (x)", more: caseOptions{draw: xs(between(-1e-20, 1e-20)).draw, kinks: true}},
	{name: "LeakyRelu", inputs: plane, body: "y = LeakyRelu (x)"},
	{name: "LeakyRelu, alpha", inputs: plane, body: "y = LeakyRelu <alpha = 0.3> (x)"},
	{name: "Elu", inputs: plane, body: "y = Elu (x)", more: xs(wide)},
	{name: "Elu, alpha", inputs: plane, body: "y = Elu <alpha = 0.6> (x)"},
	{name: "Selu", inputs: plane, body: "y = Selu (x)", more: xs(wide)},
	{name: "Selu, both", inputs: plane, body: "y = Selu <alpha = 1.2, gamma = 0.7> (x)"},
	{name: "Celu", inputs: plane, body: "y = Celu (x)"},
	{name: "Celu, alpha", inputs: plane, body: "y = Celu <alpha = 0.4> (x)", more: xs(between(-3, 3))},
	{name: "ThresholdedRelu", inputs: plane, body: "y = ThresholdedRelu <alpha = 0.5> (x)"},
	{name: "Clip", inputs: plane, body: "y = Clip (x, lo, hi)", more: caseOptions{inits: "float lo = {-0.5}, float hi = {0.8}"}},
	{name: "Clip to ReLU6", inputs: plane, body: "y = Clip (x, lo, hi)", more: caseOptions{inits: "float lo = {0}, float hi = {6}", draw: map[string]func(*rand.Rand) float32{"x": between(-4, 12)}}},
	{name: "Clip at the bounds", inputs: plane, body: "y = Clip (x, lo, hi)", more: caseOptions{inits: "float lo = {0}, float hi = {3}", draw: map[string]func(*rand.Rand) float32{"x": whole(5)}, kinks: true}},
	{name: "Clip below", inputs: plane, body: "y = Clip (x, lo)", more: caseOptions{inits: "float lo = {-0.5}"}},
	{name: "Clip above", inputs: plane, body: `y = Clip (x, "", hi)`, more: caseOptions{inits: "float hi = {0.5}"}},
	{name: "Clip, bounds that learn", inputs: plane + ", float lo, float hi", body: "y = Clip (x, lo, hi)", more: caseOptions{draw: map[string]func(*rand.Rand) float32{"lo": between(-1, -0.4), "hi": between(0.4, 1)}}},
	{name: "Clip, an upper bound that learns", inputs: plane + ", float hi", body: `y = Clip (x, "", hi)`},
	{name: "Clip without bounds", inputs: plane, body: "y = Clip (x)"},
	{name: "Sigmoid", inputs: plane, body: "y = Sigmoid (x)", more: xs(wide)},
	{name: "HardSigmoid", inputs: plane, body: "y = HardSigmoid (x)", more: xs(wide)},
	{name: "HardSigmoid, both", inputs: plane, body: "y = HardSigmoid <alpha = 0.3, beta = 0.4> (x)", more: xs(wide)},
	{name: "HardSwish", inputs: plane, body: "y = HardSwish (x)", more: xs(wide)},
	{name: "Tanh", inputs: plane, body: "y = Tanh (x)"},
	{name: "Erf", inputs: plane, body: "y = Erf (x)"},
	{name: "Gelu", inputs: plane, body: "y = Gelu (x)", more: caseOptions{opset: 20}},
	{name: "Gelu, tanh", inputs: plane, body: `y = Gelu <approximate = "tanh"> (x)`, more: caseOptions{opset: 20}},
	{name: "Mish", inputs: plane, body: "y = Mish (x)", more: caseOptions{opset: 18}},
	{name: "Softplus", inputs: plane, body: "y = Softplus (x)", more: xs(wide)},
	{name: "Softsign", inputs: plane, body: "y = Softsign (x)", more: xs(wide)},
	{name: "Exp", inputs: plane, body: "y = Exp (x)"},
	{name: "Log", inputs: plane, body: "y = Log (x)", more: xs(positive)},
	{name: "Sqrt", inputs: plane, body: "y = Sqrt (x)", more: xs(positive)},
	{name: "Abs", inputs: plane, body: "y = Abs (x)"},
	{name: "Reciprocal", inputs: plane, body: "y = Reciprocal (x)", more: xs(positive)},
	{name: "Sin", inputs: plane, body: "y = Sin (x)", more: xs(wide)},
	{name: "Cos", inputs: plane, body: "y = Cos (x)", more: xs(wide)},
	{name: "Tan", inputs: plane, body: "y = Tan (x)", more: xs(between(-1.4, 1.4))},
	{name: "Asin", inputs: plane, body: "y = Asin (x)", more: xs(between(-0.95, 0.95))},
	{name: "Acos", inputs: plane, body: "y = Acos (x)", more: xs(between(-0.95, 0.95))},
	{name: "Atan", inputs: plane, body: "y = Atan (x)", more: xs(wide)},
	{name: "Sinh", inputs: plane, body: "y = Sinh (x)"},
	{name: "Cosh", inputs: plane, body: "y = Cosh (x)"},
	{name: "Asinh", inputs: plane, body: "y = Asinh (x)", more: xs(wide)},
	{name: "Acosh", inputs: plane, body: "y = Acosh (x)", more: xs(between(1.1, 4))},
	{name: "Atanh", inputs: plane, body: "y = Atanh (x)", more: xs(between(-0.95, 0.95))},
	{name: "Shrink", inputs: plane, body: "y = Shrink <lambd = 0.4, bias = 0.3> (x)"},
	{name: "a mask by comparison", inputs: "float[2,3,4,5] x, float[4,1] b", body: "m = Greater (x, b) f = Cast <to = 1> (m) y = Mul (x, f)"},
	{name: "a factor from the shape", inputs: plane, body: "s = Shape (x) n = Gather (s, i) f = Cast <to = 1> (n) d = Sqrt (f) y = Div (x, d)", more: caseOptions{inits: "int64 i = {3}"}},
	{name: "a mask by a cast", inputs: plane, body: "m = Cast <to = 9> (x) f = Cast <to = 1> (m) y = Mul (x, f)"},
	{name: "CastLike", inputs: "float[2,3] x, float[1] b", body: "h = CastLike (x, b) y = Mul (h, b)"},
	{name: "SiLU spelt out", inputs: plane, body: "s = Sigmoid (x) y = Mul (x, s)", more: xs(wide)},
	{name: "Dropout in inference", inputs: plane, body: "y = Dropout (x)"},
	{name: "Dropout with a ratio", inputs: plane, body: "y = Dropout (x, ratio, training)", more: caseOptions{inits: "float ratio = {0.5}, bool training = {0}"}},
	{name: "Softmax", inputs: plane, body: "y = Softmax (x)"},
	{name: "Softmax, axis 1", inputs: plane, body: "y = Softmax <axis = 1> (x)"},
	{name: "Softmax, axis 0", inputs: "float[5,7] x", body: "y = Softmax <axis = 0> (x)", more: xs(wide)},
	{name: "Softmax, axis -2", inputs: plane, body: "y = Softmax <axis = -2> (x)"},
	{name: "LogSoftmax", inputs: "float[5,7] x", body: "y = LogSoftmax (x)", more: xs(wide)},
	{name: "LogSoftmax, axis 1", inputs: plane, body: "y = LogSoftmax <axis = 1> (x)"},
	{name: "PRelu, one slope a channel", inputs: "float[2,3,4,5] x, float[3,1,1] s", body: "y = PRelu (x, s)"},
	{name: "PRelu, one slope", inputs: "float[2,3,4,5] x, float[1] s", body: "y = PRelu (x, s)"},
	{name: "PRelu, a slope each", inputs: "float[2,3,4,5] x, float[2,3,4,5] s", body: "y = PRelu (x, s)"},
	{name: "Cast to float", inputs: plane, body: "y = Cast <to = 1> (x)"},
	{name: "Floor, whose derivative is 0", inputs: "float[2,3] x", body: "h = Floor (x) y = Add (h, x)"},
	{name: "a value used three times", inputs: plane, body: "h = Tanh (x) i = Mul (h, h) y = Add (i, h)"},
	{name: "two outputs", inputs: plane, body: "y = Tanh (x) z = Exp (y)", more: caseOptions{outputs: "y, z"}},
	{name: "an input that does not matter", inputs: "float[2,3] x, float[4] unused", body: "y = Exp (x)"},
	{name: "the same operand on both sides", inputs: plane, body: "h = Mul (x, x) y = Sub (h, x)"},
}

// binaryCases are operators with several operands that broadcast.
var binaryCases = broadcasts([]ruleCase{
	{name: "Add", body: "y = Add (a, b)"},
	{name: "Sub", body: "y = Sub (a, b)"},
	{name: "Mul", body: "y = Mul (a, b)"},
	{name: "Div", body: "y = Div (a, b)", more: drawn("b", positive)},
	{name: "Pow", body: "y = Pow (a, b)", more: drawn("a", positive)},
	{name: "Max", body: "y = Max (a, b)"},
	{name: "Min", body: "y = Min (a, b)"},
}, []ruleCase{
	{name: "Sum of 3", inputs: "float[2,3,4] a, float[3,1] b, float[4] c", body: "y = Sum (a, b, c)"},
	{name: "Sum of 1", inputs: "float[2,3,4] a", body: "y = Sum (a)"},
	{name: "Mean of 3", inputs: "float[2,3,4] a, float[3,1] b, float[1] c", body: "y = Mean (a, b, c)"},
	{name: "Max of 3", inputs: "float[2,3,4] a, float[3,1] b, float[4] c", body: "y = Max (a, b, c)"},
	{name: "Min of 3", inputs: "float[2,3,4] a, float[2,3,4] b, float c", body: "y = Min (a, b, c)"},
	{name: "Max of 1", inputs: "float[2,3,4] a", body: "y = Max (a)"},
	{name: "Max of 2 with ties", inputs: "float[4,5] a, float[4,5] b", body: "y = Max (a, b)", more: caseOptions{kinks: true,
		draw: map[string]func(*rand.Rand) float32{"a": whole(3), "b": whole(3)}}},
	{name: "Where", inputs: "bool[2,3,4] c, float[2,3,4] a, float[2,3,4] b", body: "y = Where (c, a, b)"},
	{name: "Where, all broadcast", inputs: "bool[3,1] c, float[2,1,4] a, float[3,4] b", body: "y = Where (c, a, b)"},
	{name: "Where, condition larger", inputs: "bool[2,3,4] c, float[4] a, float b", body: "y = Where (c, a, b)"},
	{name: "Pow, 2", inputs: plane, body: "y = Pow (x, e)", more: caseOptions{inits: "float e = {2}"}},
	{name: "Pow, 3 of negative numbers", inputs: plane, body: "y = Pow (x, e)", more: caseOptions{inits: "float e = {3}"}},
	{name: "Pow, 0.5", inputs: plane, body: "y = Pow (x, e)", more: caseOptions{inits: "float e = {0.5}", draw: map[string]func(*rand.Rand) float32{"x": positive}}},
	{name: "Pow, -1.5", inputs: plane, body: "y = Pow (x, e)", more: caseOptions{inits: "float e = {-1.5}", draw: map[string]func(*rand.Rand) float32{"x": positive}}},
	{name: "Pow, integer 2", inputs: plane, body: "y = Pow (x, e)", more: caseOptions{inits: "int64 e = {2}"}},
	{name: "Pow, integer 2 of 0", inputs: plane, body: "y = Pow (x, e)", more: caseOptions{inits: "int64 e = {2}", draw: map[string]func(*rand.Rand) float32{"x": whole(3)}}},
	{name: "Pow, 1 of 0", inputs: plane, body: "y = Pow (x, e)", more: caseOptions{inits: "float e = {1}", draw: map[string]func(*rand.Rand) float32{"x": whole(3)}}},
	{name: "Pow, 0", inputs: plane, body: "y = Pow (x, e)", more: caseOptions{inits: "float e = {0}", draw: map[string]func(*rand.Rand) float32{"x": whole(3)}}},
	{name: "Pow, exponents of 0", inputs: "float[4,5] a, float[4,5] b", body: "y = Pow (a, b)", more: caseOptions{kinks: true,
		draw: map[string]func(*rand.Rand) float32{"a": whole(3), "b": between(1.5, 3)}}},
	{name: "Add of a constant", inputs: plane, body: "y = Add (x, c)", more: caseOptions{inits: "float[3,1,1] c = {1, 2, 3}"}},
})

// broadcasts gives each operator operands of equal and of different shapes, in
// both orders.
func broadcasts(ops, others []ruleCase) []ruleCase {
	var all []ruleCase
	for _, op := range ops {
		for _, shapes := range [][2]string{
			{"[2,3,4]", "[2,3,4]"}, {"[2,3,4]", "[4]"}, {"[2,3,4]", "[3,1]"}, {"[2,3,4]", "[1]"}, {"[2,3,4]", ""},
			{"[2,3,4]", "[2,1,4]"}, {"[2,3,4]", "[1,1,1,4]"}, {"[4,1]", "[5]"}, {"[2,1,4,1]", "[3,1,5]"}, {"[1,1]", "[1]"},
		} {
			for order, s := range [][2]string{shapes, {shapes[1], shapes[0]}} {
				if order == 1 && shapes[0] == shapes[1] {
					continue
				}
				c := op
				c.name += " " + s[0] + " " + s[1]
				c.inputs = "float" + s[0] + " a, float" + s[1] + " b"
				all = append(all, c)
			}
		}
	}
	return append(all, others...)
}
