//go:build cgo

package oracle

import ()

import ()

import ()

// shapeCases are operators that move elements about.
var shapeCases = []ruleCase{
	{name: "Reshape", inputs: plane, body: "h = Reshape (x, s) y = Exp (h)", more: caseOptions{inits: "int64[3] s = {0, -1, 4}"}},
	{name: "Flatten", inputs: plane, body: "h = Flatten (x) y = Exp (h)"},
	{name: "Flatten, axis 2", inputs: plane, body: "h = Flatten <axis = 2> (x) y = Exp (h)"},
	{name: "Flatten, axis -1", inputs: plane, body: "h = Flatten <axis = -1> (x) y = Exp (h)"},
	{name: "Squeeze", inputs: "float[1,3,1,5] x", body: "h = Squeeze (x) y = Exp (h)"},
	{name: "Squeeze, axes", inputs: "float[1,3,1,5] x", body: "h = Squeeze (x, a) y = Exp (h)", more: caseOptions{inits: "int64[1] a = {-2}"}},
	{name: "Unsqueeze", inputs: "float[3,5] x", body: "h = Unsqueeze (x, a) y = Exp (h)", more: caseOptions{inits: "int64[2] a = {0, -1}"}},
	{name: "Transpose", inputs: "float[2,3,4,5] x, float[4,3] b", body: "h = Transpose <perm = [0, 3, 2, 1]> (x) y = Mul (h, b)"},
	{name: "Transpose, three axes in a circle", inputs: "float[2,3,4] x, float[4,2] b", body: "h = Transpose <perm = [1, 2, 0]> (x) y = Mul (h, b)"},
	{name: "Transpose by default", inputs: "float[2,3,4] x, float[4,3,2] b", body: "h = Transpose (x) y = Mul (h, b)"},
	{name: "Expand", inputs: "float[3,1] x", body: "h = Expand (x, s) y = Exp (h)", more: caseOptions{inits: "int64[3] s = {2, 3, 4}"}},
	{name: "Expand by a smaller shape", inputs: "float[2,3,1] x", body: "h = Expand (x, s) y = Exp (h)", more: caseOptions{inits: "int64[2] s = {1, 4}"}},
	{name: "Concat", inputs: "float[2,3,4] a, float[2,1,4] b, float[2,2,4] c", body: "h = Concat <axis = 1> (a, b, c) y = Exp (h)"},
	{name: "Concat, last axis", inputs: "float[2,3] a, float[2,1] b", body: "h = Concat <axis = -1> (a, b) y = Exp (h)"},
	{name: "Concat of the same", inputs: "float[2,3] a", body: "h = Concat <axis = 0> (a, a) y = Exp (h)"},
	{name: "Concat of one", inputs: "float[2,3] a", body: "h = Concat <axis = 0> (a) y = Exp (h)"},
	{name: "Split", inputs: "float[2,6,4] x", body: "y, z, u = Split <axis = 1> (x, s)", more: caseOptions{inits: "int64[3] s = {1, 3, 2}", outputs: "y, z, u"}},
	{name: "Split, one part unused", inputs: "float[2,6,4] x", body: "h, i, j = Split <axis = 1> (x, s) y = Exp (h) z = Exp (j)", more: caseOptions{inits: "int64[3] s = {1, 3, 2}", outputs: "y, z"}},
	{name: "Split, first part only", inputs: "float[2,6,4] x", body: "h, i = Split <axis = -2> (x) y = Exp (h)"},
	{name: "Split into equal parts", inputs: "float[2,6,4] x", body: "y, z = Split <axis = 1, num_outputs = 2> (x)", more: caseOptions{opset: 18, outputs: "y, z"}},
	{name: "Split into unequal parts", inputs: "float[2,7] x", body: "y, z, u = Split <axis = 1, num_outputs = 3> (x)", more: caseOptions{opset: 18, outputs: "y, z, u"}},
	{name: "Slice", inputs: "float[4,7] x", body: "h = Slice (x, s, e) y = Exp (h)", more: caseOptions{inits: "int64[2] s = {1, 2}, int64[2] e = {3, 6}"}},
	{name: "Slice, to the end", inputs: "float[4,7] x", body: "h = Slice (x, s, e, a) y = Exp (h)", more: caseOptions{inits: "int64[1] s = {2}, int64[1] e = {9223372036854775807}, int64[1] a = {1}"}},
	{name: "Slice, negative bounds and axis", inputs: "float[4,7] x", body: "h = Slice (x, s, e, a) y = Exp (h)", more: caseOptions{inits: "int64[1] s = {-5}, int64[1] e = {-2}, int64[1] a = {-1}"}},
	{name: "Slice, bounds beyond", inputs: "float[4,7] x", body: "h = Slice (x, s, e, a) y = Exp (h)", more: caseOptions{inits: "int64[1] s = {-100}, int64[1] e = {100}, int64[1] a = {0}"}},
	{name: "Slice, step 2", inputs: "float[4,7] x", body: "h = Slice (x, s, e, a, t) y = Exp (h)", more: caseOptions{inits: "int64[2] s = {1, 0}, int64[2] e = {4, 7}, int64[2] a = {0, 1}, int64[2] t = {2, 3}"}},
	{name: "Slice, step 2, last in none", inputs: "float[8] x", body: "h = Slice (x, s, e, a, t) y = Exp (h)", more: caseOptions{inits: "int64[1] s = {1}, int64[1] e = {6}, int64[1] a = {0}, int64[1] t = {3}"}},
	{name: "Slice backwards", inputs: "float[4,7] x", body: "h = Slice (x, s, e, a, t) y = Exp (h)", more: caseOptions{inits: "int64[1] s = {-1}, int64[1] e = {-9223372036854775808}, int64[1] a = {1}, int64[1] t = {-1}"}},
	{name: "Slice backwards, step 2", inputs: "float[4,7] x", body: "h = Slice (x, s, e, a, t) y = Exp (h)", more: caseOptions{inits: "int64[1] s = {5}, int64[1] e = {0}, int64[1] a = {1}, int64[1] t = {-2}"}},
	{name: "Slice backwards from beyond", inputs: "float[4,7] x", body: "h = Slice (x, s, e, a, t) y = Exp (h)", more: caseOptions{inits: "int64[1] s = {50}, int64[1] e = {1}, int64[1] a = {1}, int64[1] t = {-3}"}},
	{name: "Pad", inputs: "float[2,3,4] x", body: "h = Pad (x, p) y = Exp (h)", more: caseOptions{inits: "int64[6] p = {0, 1, 2, 1, 0, 3}"}},
	{name: "Pad with a value", inputs: "float[2,3] x", body: "h = Pad (x, p, v) y = Exp (h)", more: caseOptions{inits: "int64[4] p = {0, 1, 2, 0}, float v = {1.5}"}},
	{name: "Range", inputs: "float[6] x", body: "r = Range (s, e, d) y = Mul (x, r)", more: caseOptions{inits: "float s = {1.5}, float e = {4.5}, float d = {0.5}", wrt: []string{"x", "s", "d"}}},
	{name: "Pad, negative", inputs: "float[4,5] x", body: "h = Pad (x, p) y = Exp (h)", more: caseOptions{inits: "int64[4] p = {-1, 1, 2, -2}"}},
	{name: "Pad, axes", inputs: "float[2,3,4] x", body: `h = Pad (x, p, "", a) y = Exp (h)`, more: caseOptions{opset: 18, inits: "int64[4] p = {1, 2, 0, 1}, int64[2] a = {-1, 0}"}},
	{name: "Pad, reflect", inputs: "float[2,5,4] x", body: `h = Pad <mode = "reflect"> (x, p) y = Exp (h)`, more: caseOptions{inits: "int64[6] p = {0, 2, 1, 0, 3, 3}"}},
	{name: "Pad, edge", inputs: "float[2,5,4] x", body: `h = Pad <mode = "edge"> (x, p) y = Exp (h)`, more: caseOptions{inits: "int64[6] p = {0, 2, 1, 1, 0, 3}"}},
	{name: "Pad, wrap", inputs: "float[2,5,4] x", body: `h = Pad <mode = "wrap"> (x, p) y = Exp (h)`, more: caseOptions{opset: 19, inits: "int64[6] p = {0, 2, 1, 0, 0, 3}"}},
	{name: "Gather", inputs: "float[4,5] x", body: "h = Gather (x, i) y = Exp (h)", more: caseOptions{inits: "int64[3] i = {2, 0, 2}"}},
	{name: "Gather, axis 1, negative", inputs: "float[2,4,3] x", body: "h = Gather <axis = 1> (x, i) y = Exp (h)", more: caseOptions{inits: "int64[2,2] i = {-1, 0, 2, -1}"}},
	{name: "Gather, one index", inputs: "float[2,4,3] x", body: "h = Gather <axis = -1> (x, i) y = Exp (h)", more: caseOptions{inits: "int64 i = {1}"}},
	{name: "Tile", inputs: "float[2,1,3] x, float[4,3,3] b", body: "h = Tile (x, n) y = Mul (h, b)", more: caseOptions{inits: "int64[3] n = {2, 3, 1}"}},
	{name: "DepthToSpace, DCR", inputs: "float[2,8,3,4] x, float[6,8] b", body: "h = DepthToSpace <blocksize = 2> (x) y = Mul (h, b)"},
	{name: "DepthToSpace, CRD", inputs: "float[2,18,3,4] x, float[9,12] b", body: `h = DepthToSpace <blocksize = 3, mode = "CRD"> (x) y = Mul (h, b)`},
	{name: "SpaceToDepth", inputs: "float[2,3,4,6] x, float[12,1,1] b", body: "h = SpaceToDepth <blocksize = 2> (x) y = Mul (h, b)"},
	{name: "CumSum", inputs: "float[3,5] x, float[3,5] b", body: "h = CumSum (x, a) y = Mul (h, b)", more: caseOptions{inits: "int64 a = {1}"}},
	{name: "CumSum, exclusive, reverse", inputs: "float[3,5] x, float[3,5] b", body: "h = CumSum <exclusive = 1, reverse = 1> (x, a) y = Mul (h, b)", more: caseOptions{inits: "int64 a = {-2}"}},
	{name: "Trilu", inputs: "float[2,4,5] x", body: "h = Trilu (x) y = Exp (h)"},
	{name: "Trilu, lower, k", inputs: "float[2,4,5] x", body: "h = Trilu <upper = 0> (x, k) y = Exp (h)", more: caseOptions{inits: "int64 k = {1}"}},
	{name: "shuffled channels", inputs: "float[2,6,3,4] x, float[6,1,1] b", body: "i = Reshape (x, s) j = Transpose <perm = [0, 2, 1, 3, 4]> (i) h = Reshape (j, r) y = Mul (h, b)", more: caseOptions{inits: "int64[5] s = {2, 2, 3, 3, 4}, int64[4] r = {2, 6, 3, 4}"}},
}

// reductionCases have axes as an attribute and, from operator set 18 on (13 for
// ReduceSum), as an input.
var reductionCases = reductions([]ruleCase{
	{name: "ReduceMean"}, {name: "ReduceMax"}, {name: "ReduceMin"}, {name: "ReduceSumSquare"}, {name: "ReduceL2"}, {name: "ReduceL1"}, {name: "ReduceLogSumExp"},
	{name: "ReduceLogSum", more: xs(positive)},
}, []ruleCase{
	{name: "ReduceSum", inputs: plane, body: "h = ReduceSum (x, a) y = Atan (h)", more: caseOptions{inits: "int64[2] a = {1, -1}"}},
	{name: "ReduceSum, all", inputs: plane, body: "h = ReduceSum <keepdims = 0> (x) y = Atan (h)", more: caseOptions{outputs: "float y"}},
	{name: "ReduceSum, none", inputs: plane, body: "h = ReduceSum <noop_with_empty_axes = 1> (x) y = Atan (h)"},
	{name: "ReduceMax with ties", inputs: plane, body: "h = ReduceMax <axes = [2, 3]> (x) y = Atan (h)", more: caseOptions{draw: xs(whole(4)).draw, kinks: true}},
	{name: "ReduceMin with ties", inputs: plane, body: "h = ReduceMin <axes = [1], keepdims = 0> (x) y = Atan (h)", more: caseOptions{draw: xs(whole(2)).draw, kinks: true}},
})

// reductions makes several cases of each operator, with Atan behind it, as the
// gradient of a reduction should not be the same everywhere.
func reductions(ops, others []ruleCase) []ruleCase {
	var all []ruleCase
	for _, op := range ops {
		for _, v := range []struct {
			how, attrs, axes string
			opset            int64
			outputs          string
		}{
			{"axes 2, 3", "<axes = [2, 3]>", "", 17, "y"},
			{"axis -3, not kept", "<axes = [-3], keepdims = 0>", "", 17, "y"},
			{"axes 0, 2, not kept", "<axes = [0, 2], keepdims = 0>", "", 17, "y"},
			{"all", "", "", 17, "y"},
			{"all, not kept", "<keepdims = 0>", "", 17, "float y"},
			{"axes 2, 3 as input", "", "int64[2] a = {2, 3}", 18, "y"},
			{"axes -1, 1 as input, not kept", "<keepdims = 0>", "int64[2] a = {-1, 1}", 18, "y"},
			{"all, no input", "", "", 18, "y"},
			{"none", "<noop_with_empty_axes = 1>", "", 18, "y"},
		} {
			c := op
			in := "x"
			if v.axes != "" {
				in = "x, a"
			}
			c.name += ", " + v.how
			c.inputs, c.body = plane, "h = "+op.name+" "+v.attrs+" ("+in+") y = Atan (h)"
			c.more.opset, c.more.outputs, c.more.inits = v.opset, v.outputs, v.axes
			all = append(all, c)
		}
	}
	return append(all, others...)
}
