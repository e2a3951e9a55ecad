package shape_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bottlenet/bnc/compiler/onnx"
	"github.com/bottlenet/bnc/compiler/onnxtext"
)

// TestPoolSizesAreReal compares pools of every padding, with and without
// ceil_mode, at sizes where the last window is whole, partial or missing. ONNX
// Runtime has rules of its own for SAME with dilations, and refuses SAME with
// strides larger than the kernel.
func TestPoolSizesAreReal(t *testing.T) {
	var inputs, nodes []string
	pool := func(op, auto, pads string, ceil, size, kernel, stride, dilation int) {
		if (kernel-1)*dilation >= size {
			return
		}
		attrs := fmt.Sprintf(`kernel_shape = [%d], strides = [%d], auto_pad = "%s", ceil_mode = %d%s`, kernel, stride, auto, ceil, pads)
		if dilation > 1 {
			attrs += fmt.Sprintf(", dilations = [%d]", dilation)
		}
		nodes = append(nodes, fmt.Sprintf("y%d = %s <%s> (x%d)", len(nodes), op, attrs, size))
	}
	for size := 4; size <= 9; size++ {
		inputs = append(inputs, fmt.Sprintf("float[1,1,%d] x%d", size, size))
		for _, op := range []string{"MaxPool", "AveragePool", "LpPool"} {
			for kernel := 1; kernel <= 4; kernel++ {
				for stride := 1; stride <= 5; stride++ {
					for ceil := range 2 {
						for dilation := 1; dilation <= 2; dilation++ {
							pool(op, "VALID", "", ceil, size, kernel, stride, dilation)
							pool(op, "NOTSET", "", ceil, size, kernel, stride, dilation)
							if kernel > 2 {
								pool(op, "NOTSET", ", pads = [1, 1]", ceil, size, kernel, stride, dilation)
								pool(op, "NOTSET", ", pads = [0, 2]", ceil, size, kernel, stride, dilation)
							}
						}
						if stride <= kernel {
							pool(op, "SAME_UPPER", "", ceil, size, kernel, stride, 1)
							pool(op, "SAME_LOWER", "", ceil, size, kernel, stride, 1)
						}
					}
				}
			}
		}
	}
	path := filepath.Join(t.TempDir(), "pools.onnx")
	m, err := onnxtext.Parse(fmt.Sprintf(`<ir_version: 10, opset_import: ["" : 22]> g (%s) => (float[N,C,W] y0) { %s }`,
		strings.Join(inputs, ", "), strings.Join(nodes, "\n")))
	if err != nil {
		t.Fatal(err)
	}
	if err := onnx.Save(t.Context(), path, m, onnx.SaveOptions{}); err != nil {
		t.Fatal(err)
	}
	compareAll(t, []request{{Model: path}})
}
