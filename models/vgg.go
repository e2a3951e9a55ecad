package models

import (
	"fmt"

	"github.com/bottlenet/bnc/compiler/ir"
)

// vggMinSize is the smallest height and width that the five poolings of a VGG
// leave something of.
const vggMinSize = 32

// vggPool is the height and width that its dense layers take.
const vggPool = 7

// vgg is a VGG without batch normalisation (Simonyan and Zisserman 2014):
// stages of 3x3 convolutions of the given widths, each stage with a pooling
// after it, and three dense layers, the inner ones hidden wide. Dropout, which
// does nothing outside of training, is left out.
func vgg(stages [][]int, hidden int) builder {
	return func(n *net, x feature, classes int) {
		layer := 0
		next := func() string {
			layer++
			return fmt.Sprintf("features.%d", layer-1)
		}
		for _, widths := range stages {
			for _, c := range widths {
				x = n.convBias(next(), x, c, conv3x3(1))
				x = n.relu(next(), x)
			}
			x = n.maxPool(next(), x, kernel{2, 2, 0})
		}
		v, in := n.flatten(n.adaptivePool("avgpool", x, vggPool))

		relu := func(path string, v *ir.Value) *ir.Value { return n.node(path, "Relu", []*ir.Value{v}) }
		v = relu("classifier.1", n.linear("classifier.0", v, in, hidden, normal(0.01), constant(0)))
		v = relu("classifier.4", n.linear("classifier.3", v, hidden, hidden, normal(0.01), constant(0)))
		n.classifier("classifier.6", v, hidden, classes, normal(0.01), constant(0))
	}
}

// adaptivePool averages x down, or repeats it up, to size x size: PyTorch's
// AdaptiveAvgPool2d. Where its windows are evenly spaced that is AveragePool-11,
// else two products with constant matrices: rows * x * columns (MatMul-13).
func (n *net) adaptivePool(path string, x feature, size int) feature {
	if x.h == size && x.w == size {
		return x
	}
	rows, cols := adaptiveSpans(x.h, size), adaptiveSpans(x.w, size)
	kh, sh, evenRows := stride(rows)
	kw, sw, evenCols := stride(cols)
	if evenRows && evenCols {
		v := n.node(path, "AveragePool", []*ir.Value{x.value},
			ir.IntsAttr("kernel_shape", kh, kw), ir.IntsAttr("strides", sh, sw))
		return feature{v, x.c, size, size}
	}
	left := n.constant(path+".rows", matrix(size, x.h, func(i, j int) float32 { return rows[i].weight(j) }))
	right := n.constant(path+".columns", matrix(x.w, size, func(i, j int) float32 { return cols[j].weight(i) }))
	v := n.node(path+".vertical", "MatMul", []*ir.Value{left, x.value})
	return feature{n.node(path, "MatMul", []*ir.Value{v, right}), x.c, size, size}
}

// span is the range [from, to) of rows or columns that one output averages.
type span struct{ from, to int }

// weight returns how much of row or column i goes into the average.
func (s span) weight(i int) float32 {
	if i < s.from || i >= s.to {
		return 0
	}
	return 1 / float32(s.to-s.from)
}

// adaptiveSpans divides size rows among out outputs as PyTorch's
// AdaptiveAvgPool2d does: floor(i*size/out) to ceil((i+1)*size/out). They
// overlap where out does not divide size.
func adaptiveSpans(size, out int) []span {
	spans := make([]span, out)
	for i := range spans {
		spans[i] = span{i * size / out, ((i+1)*size + out - 1) / out}
	}
	return spans
}

// stride returns the common length of the spans and the step from each to
// the next, if these are the same for all.
func stride(spans []span) (length, step int64, ok bool) {
	length, step = int64(spans[0].to), int64(spans[1].from)
	for i, s := range spans {
		if int64(s.from) != int64(i)*step || int64(s.to-s.from) != length {
			return 0, 0, false
		}
	}
	return length, step, step > 0
}

func matrix(rows, cols int, at func(i, j int) float32) *ir.Tensor {
	m := make([]float32, 0, rows*cols)
	for i := range rows {
		for j := range cols {
			m = append(m, at(i, j))
		}
	}
	return ir.Float32s(m, int64(rows), int64(cols))
}
