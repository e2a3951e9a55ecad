package grad

import (
	"fmt"

	"github.com/bottlenet/bnc/compiler/ir"
)

// Weight gradients that are matrix products rather than convolutions.

// taken calls f for each position of a window and each of its taps that lies on
// the input, along one axis of n inputs and m positions: at position o, tap t
// reads input i.
func (w window) taken(axis int, n, m int64, f func(o, t, i int64)) {
	for o := range m {
		for t := range w.kernel[axis] {
			if i := o*w.strides[axis] + t*w.dilations[axis] - w.pads[axis]; i >= 0 && i < n {
				f(o, t, i)
			}
		}
	}
}

// id names a constant that depends on the window, n inputs and m positions.
func (w window) id(kind string, n, m []int64) string { return fmt.Sprint(kind, w, n, m) }

// pointwise reports whether a convolution is a product for each position.
func (w window) pointwise() bool {
	return w.kernel == [2]int64{1, 1} && w.pads == [4]int64{} && w.group == 1
}

// pointwiseGradWeight sums dy x' over positions and images: an image at a time
// where that makes a small tensor to sum, else with the images side by side.
func pointwiseGradWeight(l *builder, x, dy *ir.Value, win window, w []int64) *ir.Value {
	e := l.dims(dy)
	for i := range 2 {
		x = l.sliceStep(x, int64(2+i), 0, (e[2+i]-1)*win.strides[i]+1, win.strides[i])
	}
	n, k, c, area := e[0], w[0], w[1], e[2]*e[3]
	if k*c <= (k+c)*area {
		each := l.matmul(l.reshape(dy, n, k, area), l.transpose(l.reshape(x, n, c, area), 0, 2, 1))
		return l.reshape(l.sum(each, false, 0), w...)
	}
	rows := func(v *ir.Value, channels int64) *ir.Value {
		return l.reshape(l.transpose(l.reshape(v, n, channels, area), 1, 0, 2), channels, n*area)
	}
	return l.reshape(l.gemm(rows(dy, k), rows(x, c), false, true), w...)
}

// depthwise reports whether a convolution has a kernel of its own for each of c
// channels.
func (w window) depthwise(kernel []int64, c int64) bool {
	return w.group == c && kernel[0] == c && kernel[1] == 1
}

// depthwiseGradWeight computes, for each plane, the products of all rows of dy,
// their columns spread to those that each tap reads, with all rows of x; the
// gradient of tap (i,j) is the sum of those whose rows are i apart. Most of the
// products are not used, and it is three times faster than a convolution with a
// kernel as large as dy all the same.
func depthwiseGradWeight(l *builder, x, dy *ir.Value, win window, w []int64) *ir.Value {
	d, e := l.dims(x), l.dims(dy)
	n, c, kh, kw := d[0], d[1], w[2], w[3]
	spread := make([]float32, e[3]*kw*d[3]) // [OW, kw*W]
	win.taken(1, d[3], e[3], func(o, t, i int64) { spread[(o*kw+t)*d[3]+i] = 1 })
	columns := l.constant(win.id("columns", d[3:], e[3:]), "columns", ir.Float32s(spread, e[3], kw*d[3]), []int64{e[3], kw * d[3]})
	apart := make([]float32, d[2]*e[2]*kw*kh*kw) // [H*OH*kw, kh*kw]
	win.taken(0, d[2], e[2], func(o, t, i int64) {
		for j := range kw {
			apart[((i*e[2]+o)*kw+j)*kh*kw+t*kw+j] = 1
		}
	})
	rows := l.constant(win.id("rows", d[2:], e[2:]), "rows", ir.Float32s(apart, d[2]*e[2]*kw, kh*kw), []int64{d[2] * e[2] * kw, kh * kw})
	read := l.reshape(l.matmul(dy, columns), n, c, e[2]*kw, d[3])
	products := l.matmul(x, l.transpose(read, 0, 1, 3, 2)) // [N,C,H,OH*kw]
	each := l.matmul(l.reshape(products, n*c, d[2]*e[2]*kw), rows)
	return l.reshape(l.sum(l.reshape(each, n, c, kh*kw), false, 0), w...)
}
