//go:build cgo

package oracle

import (
	"fmt"
	"testing"

	"github.com/bottlenet/bnc/compiler/onnxtext"
	"github.com/bottlenet/bnc/internal/oracletest"
	"github.com/bottlenet/bnc/internal/rttest"
	"github.com/bottlenet/bnc/passes/convert"
	"github.com/bottlenet/bnc/runtime/ort"
	"github.com/bottlenet/bnc/runtime/tensor"
)

// upgraded are graphs of old operator sets with what changed since.
var upgraded = []struct {
	name   string
	opsets []int64
	graph  string // input x, float [2,3,4,5]
}{
	{"Slice", []int64{7, 9}, `y = Slice <starts = [0, -3], ends = [1, 100], axes = [1, 3]> (x)`},
	{"Slice of the first axes", []int64{7, 9}, `y = Slice <starts = [0, 1], ends = [1, 3]> (x)`},
	{"Clip", []int64{7, 10}, `y = Clip <min = -0.5, max = 0.75> (x)`},
	{"Clip below", []int64{7, 10}, `y = Clip <min = -0.5> (x)`},
	{"Clip of nothing", []int64{7, 10}, `y = Clip (x)`},
	{"Pad", []int64{7, 10}, `y = Pad <pads = [0, 1, 2, 0, 0, 0, 1, 2], value = 1.5> (x)`},
	{"Pad by reflection", []int64{7, 10}, `y = Pad <pads = [0, 0, 1, 2, 0, 0, 1, 2], mode = "reflect"> (x)`},
	{"Squeeze, Unsqueeze", []int64{7, 11, 12}, `a = Unsqueeze <axes = [0, 3]> (x) y = Squeeze <axes = [3]> (a)`},
	{"Squeeze of all", []int64{7, 11, 12}, `a = Unsqueeze <axes = [0, 3]> (x) y = Squeeze (a)`},
	{"Split", []int64{7, 11, 12}, `a, y = Split <axis = 3, split = [2, 3]> (x)`},
	{"Split evenly", []int64{7, 11, 12}, `a, y = Split (x)`},
	{"ReduceSum", []int64{7, 11, 12}, `y = ReduceSum <axes = [1, 3], keepdims = 0> (x)`},
	{"ReduceSum of all", []int64{7, 11, 12}, `y = ReduceSum (x)`},
	{"Dropout", []int64{7, 10, 11}, `y = Dropout <ratio = 0.3> (x)`},
	{"Dropout with a mask that nothing reads", []int64{7, 10, 11}, `y, mask = Dropout (x)`},
	{"TopK", []int64{7, 9}, `y, i = TopK <axis = 3, k = 2> (x)`},
	{"Softmax", []int64{7, 11, 12}, `y = Softmax (x)`},
	{"Softmax of the last axis", []int64{7, 11, 12}, `y = Softmax <axis = 3> (x)`},
	{"Softmax of two axes", []int64{7, 11, 12}, `y = Softmax <axis = 2> (x)`},
	{"Softmax where one axis is wide", []int64{7, 11, 12}, `a = GlobalAveragePool (x) y = Softmax (a)`},
	{"Softmax of size 1", []int64{7, 11, 12}, `a = GlobalAveragePool (x) y = Softmax <axis = 2> (a)`},
	{"Softmax, negative", []int64{11, 12}, `y = Softmax <axis = -2> (x)`},
	{"LogSoftmax", []int64{7, 11, 12}, `y = LogSoftmax (x)`},
	{"Hardmax", []int64{7, 11, 12}, `y = Hardmax <axis = 2> (x)`},
	{"BatchNormalization", []int64{7, 9, 13}, `s = Constant <value = float[3] {1, 2, 3}> () y = BatchNormalization (x, s, s, s, s)`},
	{"BatchNormalization, spatial", []int64{7, 8}, `s = Constant <value = float[3] {1, 2, 3}> () y = BatchNormalization <spatial = 1> (x, s, s, s, s)`},
	{"Upsample", []int64{7, 8}, `y = Upsample <scales = [1.0, 1.0, 2.0, 3.0]> (x)`},
	{"Upsample, linear", []int64{7, 8}, `y = Upsample <mode = "linear", scales = [1.0, 1.0, 2.0, 1.5]> (x)`},
	{"Upsample by an input", []int64{9}, `s = Constant <value = float[4] {1, 1, 2.5, 1}> () y = Upsample (x, s)`},
	{"Resize", []int64{10}, `s = Constant <value = float[4] {1, 1, 2.5, 1.7}> () y = Resize (x, s)`},
	{"Resize down", []int64{10}, `s = Constant <value = float[4] {1, 1, 0.6, 0.7}> () y = Resize (x, s)`},
	{"Resize, linear", []int64{10}, `s = Constant <value = float[4] {1, 1, 0.6, 1.7}> () y = Resize <mode = "linear"> (x, s)`},
	{"Resize, tf_half_pixel_for_nn", []int64{11, 12}, `r = Constant <value = float[0] {}> () s = Constant <value = float[4] {1, 1, 2.5, 0.7}> ()
		y = Resize <coordinate_transformation_mode = "tf_half_pixel_for_nn", nearest_mode = "floor"> (x, r, s)`},
	{"Resize, tf_half_pixel_for_nn, by default", []int64{11, 12}, `r = Constant <value = float[0] {}> () s = Constant <value = float[4] {1, 1, 0.6, 3}> ()
		y = Resize <coordinate_transformation_mode = "tf_half_pixel_for_nn"> (x, r, s)`},
	{"RoiAlign", []int64{10, 15}, `r = Constant <value = float[1,4] {0, 0, 4, 3}> () b = Constant <value = int64[1] {1}> ()
		y = RoiAlign <output_height = 2, output_width = 2> (x, r, b)`},
	{"Scatter", []int64{9, 10}, `i = Constant <value = int64[1,1,1,1] {2}> () u = Constant <value = float[1,1,1,1] {9}> () y = Scatter <axis = 3> (x, i, u)`},
	{"in a body", []int64{9, 10}, `k = Constant <value = bool {1}> ()
		y = If (k) <then_branch = p () => (float[2,3,4,5] q) { q = Softmax (x) }, else_branch = r () => (float[2,3,4,5] q2) { q2 = Clip <min = 0.0> (x) }>`},
	{"pools and convolution", []int64{7, 9, 11}, `w = Constant <value = float[1,3,2,2] {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}> () c = Conv (x, w)
		m = MaxPool <kernel_shape = [2, 2]> (c) y = AveragePool <kernel_shape = [2, 2], pads = [1, 1, 1, 1]> (m)`},
}

// TestUpgradeKeepsMeaning runs each graph before and after in ONNX Runtime. The
// kernels do the same arithmetic in the same order, but for a Softmax whose axis
// is not the last any more (its sum goes another way), so two units in the last
// place of the largest number are allowed.
func TestUpgradeKeepsMeaning(t *testing.T) {
	rttest.Plugin(t)
	x := oracletest.Noise(tensor.Float32, 1, 2, 3, 4, 5)
	for _, c := range upgraded {
		for _, opset := range c.opsets {
			t.Run(fmt.Sprintf("%s %d", c.name, opset), func(t *testing.T) {
				m, err := onnxtext.Parse(fmt.Sprintf("<ir_version: 4, opset_import: [\"\" : %d]>\ng (float[2,3,4,5] x) => (y) { %s }", opset, c.graph))
				if err != nil {
					t.Fatal(err)
				}
				want, err := oracletest.Compute(t, m, ort.Feed{"x": x}).Tensor("y")
				if err != nil {
					t.Fatal(err)
				}
				oracletest.Apply(t, m, convert.Upgrade(17))
				got, err := oracletest.Compute(t, m, ort.Feed{"x": x}).Tensor("y")
				if err != nil {
					t.Fatal(err)
				}
				if d := oracletest.Far(got, want); d > 0x1p-22 || m.Opset("") != 17 {
					t.Errorf("operator set %d gives %v, off by %g from %v", m.Opset(""), oracletest.Floats(t, got), d, oracletest.Floats(t, want))
				}
			})
		}
	}
}
