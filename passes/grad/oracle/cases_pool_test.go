//go:build cgo

package oracle

import (
	"fmt"
	"strings"
)

const bigPlane = "float[2,3,9,8] x"

// poolCases are pooling.
var poolCases = []ruleCase{
	{name: "MaxPool 2x2", inputs: "float[2,3,8,6] x", body: "y = MaxPool <kernel_shape = [2, 2], strides = [2, 2]> (x)"},
	{name: "MaxPool 2x2, last row in no window", inputs: bigPlane, body: "y = MaxPool <kernel_shape = [2, 2], strides = [2, 2]> (x)"},
	{name: "MaxPool 2x2 with ties", inputs: "float[2,3,8,6] x", body: "y = MaxPool <kernel_shape = [2, 2], strides = [2, 2]> (x)", more: caseOptions{draw: xs(whole(3)).draw, kinks: true}},
	{name: "MaxPool 3x3, stride 2", inputs: bigPlane, body: "y = MaxPool <kernel_shape = [3, 3], strides = [2, 2], pads = [1, 1, 1, 1]> (x)"},
	{name: "MaxPool 3x3, stride 2, ties", inputs: bigPlane, body: "y = MaxPool <kernel_shape = [3, 3], strides = [2, 2], pads = [1, 1, 1, 1]> (x)", more: caseOptions{draw: xs(whole(3)).draw, kinks: true}},
	{name: "MaxPool 3x3, stride 1", inputs: bigPlane, body: "y = MaxPool <kernel_shape = [3, 3], pads = [1, 1, 1, 1]> (x)"},
	{name: "MaxPool 5x5, stride 1, ties", inputs: bigPlane, body: "y = MaxPool <kernel_shape = [5, 5], pads = [2, 2, 2, 2]> (x)", more: caseOptions{draw: xs(whole(2)).draw, kinks: true}},
	{name: "MaxPool, asymmetric pads", inputs: bigPlane, body: "y = MaxPool <kernel_shape = [3, 2], strides = [2, 3], pads = [0, 1, 2, 0]> (x)"},
	{name: "MaxPool, ceil_mode", inputs: "float[2,3,10,8] x", body: "y = MaxPool <kernel_shape = [3, 3], strides = [2, 2], ceil_mode = 1> (x)"},
	{name: "MaxPool, ceil_mode and pads", inputs: "float[2,3,8,10] x", body: "y = MaxPool <kernel_shape = [3, 3], strides = [3, 2], pads = [1, 0, 1, 0], ceil_mode = 1> (x)"},
	{name: "MaxPool, dilations", inputs: bigPlane, body: "y = MaxPool <kernel_shape = [2, 3], dilations = [2, 2], strides = [2, 1]> (x)"},
	{name: "MaxPool, dilations and ceil_mode", inputs: bigPlane, body: "y = MaxPool <kernel_shape = [2, 2], dilations = [2, 3], strides = [2, 2], ceil_mode = 1> (x)"},
	{name: "MaxPool, SAME_UPPER", inputs: bigPlane, body: `y = MaxPool <kernel_shape = [3, 2], strides = [2, 2], auto_pad = "SAME_UPPER"> (x)`},
	{name: "MaxPool, SAME_LOWER", inputs: bigPlane, body: `y = MaxPool <kernel_shape = [2, 3], strides = [2, 2], auto_pad = "SAME_LOWER"> (x)`},
	{name: "MaxPool, VALID", inputs: bigPlane, body: `y = MaxPool <kernel_shape = [3, 3], strides = [2, 2], auto_pad = "VALID"> (x)`},
	{name: "MaxPool, positions by columns", inputs: bigPlane, body: "y = MaxPool <kernel_shape = [3, 3], strides = [2, 2], storage_order = 1> (x)"},
	{name: "MaxPool, positions by columns that are read", inputs: bigPlane, body: "y, i = MaxPool <kernel_shape = [3, 2], storage_order = 1> (x)"},
	{name: "MaxPool, ceil_mode, a window that would begin in the padding", inputs: "float[2,3,13,16] x", body: "h = MaxPool <kernel_shape = [2, 2], strides = [3, 3], pads = [1, 1, 1, 1], ceil_mode = 1> (x) y = Exp (h)"},
	{name: "MaxPool of the whole plane", inputs: "float[2,3,4,5] x", body: "y = MaxPool <kernel_shape = [4, 5]> (x)"},
	{name: "MaxPool after Relu", inputs: bigPlane, body: "h = Relu (x) y = MaxPool <kernel_shape = [3, 3], strides = [2, 2]> (h)"},
	{name: "AveragePool 2x2", inputs: "float[2,3,8,6] x", body: "y = AveragePool <kernel_shape = [2, 2], strides = [2, 2]> (x)"},
	{name: "AveragePool 2x2, last row in no window", inputs: bigPlane, body: "y = AveragePool <kernel_shape = [2, 2], strides = [2, 2]> (x)"},
	{name: "AveragePool 2x2, ceil_mode", inputs: "float[2,3,9,7] x", body: "y = AveragePool <kernel_shape = [2, 2], strides = [2, 2], ceil_mode = 1> (x)"},
	{name: "AveragePool 3x3, stride 1", inputs: bigPlane, body: "y = AveragePool <kernel_shape = [3, 3], pads = [1, 1, 1, 1]> (x)"},
	{name: "AveragePool 3x3, stride 1, padding counts", inputs: bigPlane, body: "y = AveragePool <kernel_shape = [3, 3], pads = [1, 1, 1, 1], count_include_pad = 1> (x)"},
	{name: "AveragePool 3x3, stride 2", inputs: bigPlane, body: "y = AveragePool <kernel_shape = [3, 3], strides = [2, 2], pads = [1, 1, 1, 1]> (x)"},
	{name: "AveragePool 2x2, padded", inputs: "float[2,3,6,6] x", body: "y = AveragePool <kernel_shape = [2, 2], strides = [2, 2], pads = [1, 1, 1, 1], count_include_pad = 1> (x)"},
	{name: "AveragePool, asymmetric pads", inputs: bigPlane, body: "y = AveragePool <kernel_shape = [3, 4], strides = [2, 2], pads = [0, 1, 2, 3]> (x)"},
	{name: "AveragePool, asymmetric pads that count", inputs: bigPlane, body: "y = AveragePool <kernel_shape = [3, 4], strides = [2, 3], pads = [0, 1, 2, 3], count_include_pad = 1> (x)"},
	{name: "AveragePool, ceil_mode", inputs: "float[2,3,10,8] x", body: "y = AveragePool <kernel_shape = [3, 3], strides = [2, 2], ceil_mode = 1> (x)"},
	{name: "AveragePool, ceil_mode, pads", inputs: "float[2,3,8,10] x", body: "y = AveragePool <kernel_shape = [3, 3], strides = [3, 2], pads = [1, 0, 1, 0], ceil_mode = 1> (x)"},
	{name: "AveragePool, ceil_mode, pads that count", inputs: "float[2,3,8,10] x", body: "y = AveragePool <kernel_shape = [3, 3], strides = [2, 2], pads = [1, 1, 1, 1], ceil_mode = 1, count_include_pad = 1> (x)", more: caseOptions{opset: 19}},
	{name: "AveragePool, ceil_mode, a window that would begin in the padding", inputs: "float[2,3,13,16] x", body: "h = AveragePool <kernel_shape = [2, 2], strides = [3, 3], pads = [1, 1, 1, 1], ceil_mode = 1> (x) y = Exp (h)"},
	{name: "AveragePool, ceil_mode, a window that would begin in padding that counts", inputs: "float[2,3,13,16] x", body: "h = AveragePool <kernel_shape = [2, 2], strides = [3, 3], pads = [1, 1, 1, 1], ceil_mode = 1, count_include_pad = 1> (x) y = Exp (h)"},
	{name: "AveragePool, dilations", inputs: bigPlane, body: "y = AveragePool <kernel_shape = [2, 3], dilations = [2, 2], strides = [2, 1], pads = [1, 1, 1, 1]> (x)", more: caseOptions{opset: 19}},
	{name: "AveragePool, SAME_UPPER", inputs: bigPlane, body: `y = AveragePool <kernel_shape = [3, 2], strides = [2, 2], auto_pad = "SAME_UPPER"> (x)`},
	{name: "AveragePool, SAME_LOWER", inputs: bigPlane, body: `y = AveragePool <kernel_shape = [2, 3], strides = [2, 2], auto_pad = "SAME_LOWER"> (x)`},
	{name: "AveragePool, stride larger than the kernel", inputs: bigPlane, body: "y = AveragePool <kernel_shape = [2, 2], strides = [3, 4]> (x)"},
	{name: "GlobalAveragePool", inputs: plane, body: "y = GlobalAveragePool (x)"},
	{name: "GlobalMaxPool", inputs: plane, body: "y = GlobalMaxPool (x)"},
	{name: "squeeze and excitation", inputs: "float[2,6,4,5] x, float[3,6,1,1] v, float[6,3,1,1] w", body: "a = GlobalAveragePool (x) b = Conv (a, v) c = Relu (b) d = Conv (c, w) e = Sigmoid (d) y = Mul (x, e)"},
}

// resizeCases are Resize up and down, by scales and by sizes, in all coordinate
// modes.
var resizeCases = resizes()

func resizes() []ruleCase {
	targets := []struct{ name, input, inits string }{
		{"up by 2", `(x, "", s)`, "float[4] s = {1, 1, 2, 2}"},
		{"down by 2", `(x, "", s)`, "float[4] s = {1, 1, 0.5, 0.5}"},
		{"by 1.6 and 0.7", `(x, "", s)`, "float[4] s = {1, 1, 1.6, 0.7}"},
		{"to 7x4", `(x, "", "", s)`, "int64[4] s = {1, 2, 7, 4}"},
		{"to one pixel", `(x, "", "", s)`, "int64[4] s = {1, 2, 1, 1}"},
	}
	var all []ruleCase
	add := func(attrs, how string, opset int64) {
		for _, target := range targets {
			// Positions at 1.6 lie on borders between two nearest elements, which
			// only ONNX Runtime's own last bit decides with half_pixel_symmetric.
			if strings.Contains(how, "nearest, half_pixel_symmetric") {
				target.inits = strings.Replace(target.inits, "1.6", "1.7", 1)
			}
			all = append(all, ruleCase{
				name: how + ", " + target.name, inputs: "float[1,2,6,5] x",
				body: "y = Resize <" + attrs + "> " + target.input, more: caseOptions{inits: target.inits, opset: opset},
			})
		}
	}
	coordinates := map[string]int64{"half_pixel": 17, "asymmetric": 17, "align_corners": 17, "pytorch_half_pixel": 17, "half_pixel_symmetric": 19}
	for mode, opset := range coordinates {
		add(fmt.Sprintf("mode = \"linear\", coordinate_transformation_mode = %q", mode), "linear, "+mode, opset)
		for _, near := range []string{"floor", "ceil", "round_prefer_floor", "round_prefer_ceil"} {
			add(fmt.Sprintf("mode = \"nearest\", coordinate_transformation_mode = %q, nearest_mode = %q", mode, near), "nearest, "+mode+", "+near, opset)
		}
	}
	return all
}
