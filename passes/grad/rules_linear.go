package grad

import (
	"slices"

	"github.com/bottlenet/bnc/compiler/ir"
)

// linearRules are those of convolutions and matrix products.
var linearRules = map[string]rule{
	"Conv":          {vjp: convRule},
	"ConvTranspose": {vjp: convTransposeRule},
	"Gemm":          {vjp: gemmRule},
	"MatMul":        {vjp: matMulRule},
}

// window is how a convolution or pooling moves over rows and columns.
type window struct {
	kernel, strides, dilations [2]int64
	pads                       [4]int64 // top, left, bottom, right
	group                      int64
}

// attrs returns w as attributes of a convolution.
func (w window) attrs() []*ir.Attr {
	return []*ir.Attr{
		ir.IntsAttr("kernel_shape", w.kernel[:]...), ir.IntsAttr("strides", w.strides[:]...), ir.IntsAttr("dilations", w.dilations[:]...),
		ir.IntsAttr("pads", w.pads[:]...), ir.IntAttr("group", w.group),
	}
}

// extent is the number of rows (axis 0) or columns (1) that the kernel spans.
func (w window) extent(axis int) int64 { return w.dilations[axis]*(w.kernel[axis]-1) + 1 }

// windowOf reads the attributes of n. Auto_pad is resolved with the sizes of the
// larger and the smaller side: a convolution's or pooling's input and output, a
// transposed convolution's output and input.
func windowOf(n *ir.Node, kernel []int64, large, small []int64) window {
	w := window{strides: [2]int64{1, 1}, dilations: [2]int64{1, 1}, group: n.Int("group", 1)}
	copy(w.kernel[:], kernel)
	copy(w.strides[:], n.Ints("strides"))
	copy(w.dilations[:], n.Ints("dilations"))
	auto := n.Str("auto_pad", "NOTSET")
	if auto == "NOTSET" { // pads beside any other mode count for nothing
		copy(w.pads[:], n.Ints("pads"))
	}
	var more [2]int64
	copy(more[:], n.Ints("output_padding"))
	if auto == "SAME_UPPER" || auto == "SAME_LOWER" || n.Op == "ConvTranspose" && n.Ints("output_shape") != nil {
		for i := range 2 {
			total := max((small[2+i]-1)*w.strides[i]+w.extent(i)+more[i]-large[2+i], 0)
			w.pads[i], w.pads[2+i] = total/2, total-total/2
			if auto == "SAME_LOWER" || n.Op == "ConvTranspose" && auto != "SAME_UPPER" {
				w.pads[i], w.pads[2+i] = total-total/2, total/2
			}
		}
	}
	return w
}

// windowFrom reads what attrs wrote.
func windowFrom(n *ir.Node) window {
	w := window{group: n.Int("group", 1)}
	copy(w.kernel[:], n.Ints("kernel_shape"))
	copy(w.strides[:], n.Ints("strides"))
	copy(w.dilations[:], n.Ints("dilations"))
	copy(w.pads[:], n.Ints("pads"))
	return w
}

// convRule: y[n,k,i] = sum over c, j of w[k,c,j] x[n,c,i s + j d - p] + b[k]; dx and
// dw are the two transposes of this bilinear form.
func convRule(c *call) error {
	x, w, dy := c.in(0), c.in(1), c.dy(0)
	if len(c.dims(x)) != 4 {
		return c.errorf("only convolutions over rows and columns have a gradient rule; found an input of rank %d", len(c.dims(x)))
	}
	win := windowOf(c.node, c.dims(w)[2:], c.dims(x), c.dims(dy))
	if c.wants(0) {
		c.give(0, c.special("ConvGradInput", c.dims(x), []*ir.Value{dy, w}, win.attrs()...))
	}
	if c.wants(1) {
		c.give(1, c.special("ConvGradWeight", c.dims(w), []*ir.Value{x, dy}, win.attrs()...))
	}
	if c.wants(2) {
		c.give(2, c.sum(dy, false, 0, 2, 3))
	}
	return nil
}

// convTransposeRule: a transposed convolution is the dx of a convolution with
// the same weights [Cin,Cout/group,k,k], so its own dx is that convolution.
func convTransposeRule(c *call) error {
	x, w, dy := c.in(0), c.in(1), c.dy(0)
	if len(c.dims(x)) != 4 {
		return c.errorf("only convolutions over rows and columns have a gradient rule; found an input of rank %d", len(c.dims(x)))
	}
	win := windowOf(c.node, c.dims(w)[2:], c.dims(dy), c.dims(x))
	// What output_padding added, no window reaches: the last rows and columns.
	for i := range 2 {
		reach := (c.dims(x)[2+i]-1)*win.strides[i] + win.extent(i)
		win.pads[2+i] = reach - c.dims(dy)[2+i] - win.pads[i]
		if win.pads[2+i] < 0 {
			dy = c.slice(dy, int64(2+i), 0, c.dims(dy)[2+i]+win.pads[2+i])
			win.pads[2+i] = 0
		}
	}
	if c.wants(0) {
		c.give(0, c.op("Conv", c.dims(x), []*ir.Value{dy, w}, win.attrs()...))
	}
	if c.wants(1) {
		c.give(1, c.special("ConvGradWeight", c.dims(w), []*ir.Value{dy, x}, win.attrs()...))
	}
	if c.wants(2) {
		c.give(2, c.sum(c.dy(0), false, 0, 2, 3))
	}
	return nil
}

// gemmRule: y = alpha A' B' + beta C, with A' and B' transposed where asked.
// dA' = alpha dy B'^T, dB' = alpha A'^T dy, dC = beta dy.
func gemmRule(c *call) error {
	alpha, beta := float64(c.node.Float("alpha", 1)), float64(c.node.Float("beta", 1))
	ta, tb := c.node.Int("transA", 0) != 0, c.node.Int("transB", 0) != 0
	a, b, dy := c.in(0), c.in(1), c.dy(0)
	if c.wants(0) {
		if ta {
			c.give(0, c.scale(c.gemm(b, dy, tb, true), alpha))
		} else {
			c.give(0, c.scale(c.gemm(dy, b, false, !tb), alpha))
		}
	}
	if c.wants(1) {
		if tb {
			c.give(1, c.scale(c.gemm(dy, a, true, ta), alpha))
		} else {
			c.give(1, c.scale(c.gemm(a, dy, !ta, false), alpha))
		}
	}
	if c.wants(2) {
		c.give(2, c.scale(c.unbroadcast(dy, c.inDims(2)), beta))
	}
	return nil
}

// matMulRule: dA = dy B^T, dB = A^T dy, over numpy's stacks of matrices; a vector
// is a matrix with one row on the left, or one column on the right.
func matMulRule(c *call) error {
	a, b, dy := c.in(0), c.in(1), c.dy(0)
	da, db, dd := slices.Clone(c.dims(a)), slices.Clone(c.dims(b)), slices.Clone(c.dims(dy))
	if len(db) == 1 {
		db, dd = append(db, 1), append(dd, 1)
	}
	if len(da) == 1 {
		da, dd = append([]int64{1}, da...), slices.Insert(dd, len(dd)-1, 1)
	}
	a, b, dy = c.reshape(a, da...), c.reshape(b, db...), c.reshape(dy, dd...)
	if c.wants(0) {
		dx := c.unbroadcast(c.matmul(dy, c.swap(b)), da)
		c.give(0, c.reshape(dx, c.inDims(0)...))
	}
	if c.wants(1) {
		var dw *ir.Value
		if len(db) == 2 { // all of A's matrices on top of each other
			rows := ir.Elements(da[:len(da)-1])
			dw = c.gemm(c.reshape(a, rows, da[len(da)-1]), c.reshape(dy, rows, dd[len(dd)-1]), true, false)
		} else {
			dw = c.unbroadcast(c.matmul(c.swap(a), dy), db)
		}
		c.give(1, c.reshape(dw, c.inDims(1)...))
	}
	return nil
}

// swap transposes matrices, the last two axes.
func (b *builder) swap(x *ir.Value) *ir.Value {
	rank := len(b.dims(x))
	perm := make([]int64, rank)
	for i := range perm {
		perm[i] = int64(i)
	}
	perm[rank-1], perm[rank-2] = perm[rank-2], perm[rank-1]
	return b.transpose(x, perm...)
}
