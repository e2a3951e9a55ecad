//go:build cgo

package oracle

import (
	"math/rand/v2"
)

// statistics draws means and variances as running averages are.
var statistics = map[string]func(*rand.Rand) float32{"v": positive}

// batchNormalised is a BatchNormalization in training form.
func batchNormalised(name, x, rest string, draw map[string]func(*rand.Rand) float32) ruleCase {
	return ruleCase{
		name: "BatchNormalization in training, " + name, inputs: x + " x, float[4] g, float[4] b", body: rest,
		more: caseOptions{inits: "float[4] m = {1, 2, 3, 4}, float[4] v = {5, 6, 7, 8}, float[4] n = {1, 2, 3, 4}, float[4] w = {5, 6, 7, 8}", batchNorm: true, draw: draw},
	}
}

// normCases are normalisations.
var normCases = []ruleCase{
	{name: "BatchNormalization", inputs: "float[3,4,5,6] x, float[4] g, float[4] b, float[4] m, float[4] v", body: "y = BatchNormalization (x, g, b, m, v)", more: caseOptions{draw: statistics}},
	{name: "BatchNormalization, epsilon", inputs: "float[3,4,5,6] x, float[4] g, float[4] b, float[4] m, float[4] v", body: "y = BatchNormalization <epsilon = 0.1> (x, g, b, m, v)", more: caseOptions{draw: statistics}},
	{name: "BatchNormalization of rank 2", inputs: "float[3,4] x, float[4] g, float[4] b, float[4] m, float[4] v", body: "y = BatchNormalization (x, g, b, m, v)", more: caseOptions{draw: statistics}},
	{name: "BatchNormalization, all spelt out", inputs: "float[3,4,5,6] x, float[4,1,1] g, float[4,1,1] b, float[4,1,1] m, float[4,1,1] v", body: "c = Sub (x, m) d = Sqrt (v) n = Div (c, d) s = Mul (n, g) y = Add (s, b)", more: caseOptions{draw: statistics}},
	batchNormalised("4 channels", "float[3,4,5,6]", "h = BatchNormalization (x, g, b, m, v) y = Exp (h)", nil),
	batchNormalised("epsilon", "float[3,4,5,6]", "h = BatchNormalization <epsilon = 0.3> (x, g, b, m, v) y = Exp (h)", nil),
	batchNormalised("rank 2", "float[9,4]", "h = BatchNormalization (x, g, b, m, v) y = Exp (h)", nil),
	batchNormalised("far from 0", "float[3,4,5,6]", "h = BatchNormalization (x, g, b, m, v) y = Exp (h)", map[string]func(*rand.Rand) float32{"x": between(9, 11)}),
	batchNormalised("small numbers", "float[3,4,5,6]", "h = BatchNormalization (x, g, b, m, v) y = Exp (h)", map[string]func(*rand.Rand) float32{"x": between(-0.01, 0.01)}),
	batchNormalised("twice", "float[3,4,5,6]", "i = BatchNormalization (x, g, b, m, v) j = Tanh (i) h = BatchNormalization (j, b, g, n, w) y = Exp (h)", nil),
	{name: "InstanceNormalization", inputs: "float[3,4,5,6] x, float[4] g, float[4] b", body: "y = InstanceNormalization (x, g, b)"},
	{name: "InstanceNormalization, epsilon", inputs: "float[3,4,5,6] x, float[4] g, float[4] b", body: "y = InstanceNormalization <epsilon = 0.2> (x, g, b)"},
	{name: "InstanceNormalization of rank 3", inputs: "float[3,4,9] x, float[4] g, float[4] b", body: "y = InstanceNormalization (x, g, b)"},
	{name: "InstanceNormalization spelt out", inputs: "float[3,4,5,6] x, float[4,1,1] g, float[4,1,1] b",
		body: "m = ReduceMean <axes = [2, 3]> (x) c = Sub (x, m) q = Mul (c, c) v = ReduceMean <axes = [2, 3]> (q) w = Add (v, e) d = Sqrt (w) n = Div (c, d) s = Mul (n, g) y = Add (s, b)",
		more: caseOptions{inits: "float e = {0.00001}"}},
	{name: "LayerNormalization", inputs: "float[3,4,6] x, float[6] g, float[6] b", body: "y = LayerNormalization (x, g, b)"},
	{name: "LayerNormalization without bias", inputs: "float[3,4,6] x, float[6] g", body: "y = LayerNormalization (x, g)"},
	{name: "LayerNormalization, axis 1", inputs: "float[3,4,6] x, float[4,6] g, float[4,6] b", body: "y = LayerNormalization <axis = 1, epsilon = 0.01> (x, g, b)"},
	{name: "LayerNormalization, axis -2, scale broadcast", inputs: "float[3,4,6] x, float[6] g, float[4,1] b", body: "y = LayerNormalization <axis = -2> (x, g, b)"},
	{name: "LayerNormalization spelt out", inputs: "float[3,4,6] x, float[6] g, float[6] b",
		body: "m = ReduceMean <axes = [-1]> (x) c = Sub (x, m) q = Pow (c, two) v = ReduceMean <axes = [-1]> (q) w = Add (v, e) d = Sqrt (w) n = Div (c, d) s = Mul (n, g) y = Add (s, b)",
		more: caseOptions{inits: "float e = {0.00001}, float two = {2}"}},
	{name: "GroupNormalization", inputs: "float[2,6,3,4] x, float[6] g, float[6] b", body: "y = GroupNormalization <num_groups = 3> (x, g, b)", more: caseOptions{opset: 21}},
	{name: "GroupNormalization before operator set 21", inputs: "float[2,6,3,4] x, float[3] g, float[3] b", body: "y = GroupNormalization <num_groups = 3, epsilon = 0.1> (x, g, b)", more: caseOptions{opset: 18}},
	{name: "RMSNormalization", inputs: "float[3,4,6] x, float[6] g", body: "y = RMSNormalization (x, g)", more: caseOptions{opset: 23}},
	{name: "RMSNormalization, axis 1", inputs: "float[3,4,6] x, float[4,6] g", body: "y = RMSNormalization <axis = 1, epsilon = 0.1> (x, g)", more: caseOptions{opset: 23}},
	{name: "SimplifiedLayerNormalization", inputs: "float[3,4,6] x, float[6] g", body: "y = SimplifiedLayerNormalization (x, g)"},
	{name: "MeanVarianceNormalization", inputs: "float[3,4,5,6] x, float[3,4,5,6] b", body: "h = MeanVarianceNormalization (x) y = Mul (h, b)"},
	{name: "MeanVarianceNormalization, axes", inputs: "float[3,4,5,6] x, float[3,4,5,6] b", body: "h = MeanVarianceNormalization <axes = [2, -1]> (x) y = Mul (h, b)"},
	{name: "LpNormalization", inputs: "float[3,4,5] x", body: "y = LpNormalization (x)"},
	{name: "LpNormalization, p 1, axis 1", inputs: "float[3,4,5] x", body: "y = LpNormalization <p = 1, axis = 1> (x)"},
	{name: "LRN", inputs: "float[8,8,3,4] x", body: "y = LRN <size = 5, alpha = 0.1, beta = 0.75, bias = 1.0> (x)"},
	{name: "LRN of more channels than there are", inputs: "float[2,4,3,4] x", body: "y = LRN <size = 11, alpha = 0.5, beta = 0.6, bias = 2.0> (x)"},
	{name: "LRN by default", inputs: "float[2,4,3,4] x", body: "y = LRN <size = 3> (x)"},
}

// quantisedCases are integers that stand for numbers, straight through.
var quantisedCases = []ruleCase{
	{name: "uint8", inputs: plane, body: "q = QuantizeLinear (x, s, z) y = DequantizeLinear (q, s, z)", more: caseOptions{inits: "float s = {0.02}, uint8 z = {120}"}},
	{name: "int8, one scale a channel", inputs: plane, body: "q = QuantizeLinear <axis = 1> (x, s, z) y = DequantizeLinear <axis = 1> (q, s, z)", more: caseOptions{inits: "float[3] s = {0.02, 0.1, 0.3}, int8[3] z = {0, 4, -3}"}},
	{name: "int8, axis -1", inputs: "float[4,3] x", body: "q = QuantizeLinear <axis = -1> (x, s, z) y = DequantizeLinear <axis = -1> (q, s, z)", more: caseOptions{inits: "float[3] s = {0.02, 0.1, 0.3}, int8[3] z = {0, 0, 0}"}},
	{name: "no zero point, saturating", inputs: plane, body: "q = QuantizeLinear (x, s) y = DequantizeLinear (q, s)", more: caseOptions{inits: "float s = {0.008}"}},
	{name: "int8, saturating", inputs: plane, body: "q = QuantizeLinear (x, s, z) y = DequantizeLinear (q, s, z)", more: caseOptions{inits: "float s = {0.004}, int8 z = {10}"}},
	{name: "uint16", inputs: plane, body: "q = QuantizeLinear (x, s, z) y = DequantizeLinear (q, s, z)", more: caseOptions{opset: 21, inits: "float s = {0.0001}, uint16 z = {30000}"}},
	{name: "weights and activations", inputs: "float[2,3,6,5] x, float[4,3,3,3] w", more: caseOptions{inits: "float s = {0.02}, uint8 z = {120}, float[4] t = {0.01, 0.02, 0.03, 0.04}, int8[4] o = {0, 0, 0, 0}"},
		body: "a = QuantizeLinear (x, s, z) b = DequantizeLinear (a, s, z) c = QuantizeLinear <axis = 0> (w, t, o) d = DequantizeLinear <axis = 0> (c, t, o) y = Conv (b, d)"},
	{name: "a scale that learns", inputs: plane + ", float s", body: "q = QuantizeLinear (x, s, z) y = DequantizeLinear (q, s, z)", more: caseOptions{inits: "uint8 z = {120}", draw: drawn("s", between(0.005, 0.02)).draw}},
	{name: "scales that learn, one a channel", inputs: plane + ", float[3] s, float[3] r", body: "q = QuantizeLinear <axis = 1> (x, s, z) y = DequantizeLinear <axis = 1> (q, r, z)",
		more: caseOptions{inits: "int8[3] z = {0, 4, -3}", draw: map[string]func(*rand.Rand) float32{"s": between(0.005, 0.02), "r": positive}}},
	{name: "Floor in a quantiser", inputs: plane, body: "[quantiser_floor] h = Floor (x) y = Mul (h, h)", more: xs(wide)},
	{name: "Round in a quantiser", inputs: plane, body: "[quantiser_round] h = Round (x) y = Exp (h)"},
	{name: "Clip in a quantiser", inputs: plane, body: "[quantiser_clip] h = Clip (x, lo, hi) y = Exp (h)", more: caseOptions{inits: "float lo = {0}, float hi = {2}", draw: xs(whole(4)).draw, kinks: true}},
	{name: "Cast in a quantiser", inputs: plane, body: "[quantiser_floor] f = Floor (x) [quantiser_tile] h = Cast <to = 2> (f) [quantiser_float] y = Cast <to = 1> (h)", more: xs(between(0, 200))},
}
