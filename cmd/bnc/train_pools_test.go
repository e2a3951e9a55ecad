package main

import (
	"path/filepath"
	"slices"
	"testing"
)

// TestTrainWindows: networks whose forward pass ONNX Runtime computes, and whose
// sizes ONNX's own inference takes for others, or whose output is what changes in
// training, learn.
func TestTrainWindows(t *testing.T) {
	plugin(t)
	set := stripes(t, 48, 16)
	// 13 columns between pads of 1: windows of 2 begin at -1, 2, 5, 8 and 11; one more
	// would begin at 14, behind them all.
	for _, c := range []struct{ name, z, end string }{
		{"MaxPool", "z = MaxPool <kernel_shape = [2,2], strides = [3,3], pads = [1,1,1,1], ceil_mode = 1> (c)", ""},
		{"AveragePool", "z = AveragePool <kernel_shape = [2,2], strides = [3,3], pads = [1,1,1,1], ceil_mode = 1> (c)", ""},
		{"AveragePool that counts its pads", "z = AveragePool <kernel_shape = [2,2], strides = [3,3], pads = [1,1,1,1], ceil_mode = 1, count_include_pad = 1> (c)", ""},
		{"MaxPool, positions by columns", "z = MaxPool <kernel_shape = [3,3], strides = [2,2], storage_order = 1> (c)", ""},
		{"ConvTranspose", `z = ConvTranspose <strides = [2,2], auto_pad = "SAME_UPPER", output_padding = [1,1]> (c, t)`, ""},
		{"a normalisation at the end", "z = Relu (c)", "y = BatchNormalization (scores, g, b, m, v)"},
	} {
		t.Run(c.name, func(t *testing.T) {
			end := c.end
			if end == "" {
				end = "y = Identity (scores)"
			}
			net := fromText(t, `<ir_version: 8, opset_import: ["" : 17]>
			net (float[batch,1,12,12] x) => (float[batch,4] y) <`+initsFor(`6,1,3,3 w1 0 0.5; 6,6,3,3 t 0 0.2; 6,6,3,3 w2 0 0.25; 4,6 w3 0 0.4;
				4 g 1 0.05; 4 b 0 0.05; 4 m 0 0.05; 4 v 1 0.05`)+`> {
				c = Conv <pads = [1,1,2,2]> (x, w1)
				`+c.z+`
				d = Conv <pads = [1,1,1,1]> (z, w2)
				s = Add (d, z)
				r = Relu (s)
				p = GlobalAveragePool (r)
				f = Flatten (p)
				scores = Gemm <transB = 1> (f, w3)
				`+end+`
			}`, nil)
			out := filepath.Join(t.TempDir(), "trained.onnx")
			trained(t, slices.Concat([]string{net, "--data", set, "--keep-last", "-o", out}, few)...)
			if d := changed(initsOf(t, net), initsOf(t, out)); !slices.Contains(d, "w1") {
				t.Errorf("the weights before the window have not changed: %v", d)
			}
		})
	}
}
