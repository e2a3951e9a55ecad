package grad

import (
	"github.com/bottlenet/bnc/compiler/ir"
)

// poolRules are those of pooling and resizing.
var poolRules = map[string]rule{
	"MaxPool":     {vjp: maxPoolRule},
	"AveragePool": {vjp: averagePoolRule},
	// y = mean over rows and columns
	"GlobalAveragePool": {vjp: derivative(func(c *call, x, y, dy *ir.Value) *ir.Value {
		d := c.inDims(0)
		return c.expand(c.scale(dy, 1/float64(ir.Elements(d[2:]))), d)
	})},
	"GlobalMaxPool": {vjp: derivative(func(c *call, x, y, dy *ir.Value) *ir.Value {
		mask := c.compare("Equal", x, y)
		var axes []int64
		for i := 2; i < len(c.inDims(0)); i++ {
			axes = append(axes, int64(i))
		}
		return c.mul(mask, c.div(dy, c.sum(mask, true, axes...)))
	})},
	"Resize": {vjp: resizeRule},
}

// poolWindow returns the window of a pooling. Where ceil_mode lets the last
// windows hang over, its padding reaches as far.
func (c *call) poolWindow() window {
	w := windowOf(c.node, c.node.Ints("kernel_shape"), c.inDims(0), c.dims(c.out(0)))
	if c.node.Int("ceil_mode", 0) != 0 { // what hangs over is padding
		for i := range 2 {
			reach := (c.dims(c.out(0))[2+i]-1)*w.strides[i] + w.extent(i)
			w.pads[2+i] = max(w.pads[2+i], reach-c.inDims(0)[2+i]-w.pads[i])
		}
	}
	return w
}

func maxPoolRule(c *call) error {
	if len(c.inDims(0)) != 4 {
		return c.errorf("only pooling over rows and columns has a gradient rule")
	}
	if c.wants(0) {
		w := c.poolWindow()
		c.give(0, c.special("MaxPoolGrad", c.inDims(0), []*ir.Value{c.in(0), c.out(0), c.dy(0)}, w.attrs()...))
	}
	return nil
}

// averagePoolRule spreads each output's gradient over its window: a depthwise
// transposed convolution with ones, after division by the number of elements
// that were averaged.
func averagePoolRule(c *call) error {
	if len(c.inDims(0)) != 4 {
		return c.errorf("only pooling over rows and columns has a gradient rule")
	}
	if !c.wants(0) {
		return nil
	}
	w, x := c.poolWindow(), c.inDims(0)
	y := c.dims(c.out(0))
	counts := make([]float32, y[2]*y[3])
	includePad := c.node.Int("count_include_pad", 0) != 0
	declared := windowOf(c.node, c.node.Ints("kernel_shape"), x, y).pads
	for i := range y[2] {
		for j := range y[3] {
			n := covered(i, w, 0, x[2], declared, includePad) * covered(j, w, 1, x[3], declared, includePad)
			counts[i*y[3]+j] = 1 / float32(n)
		}
	}
	dy := c.mul(c.dy(0), c.floats(counts, 1, 1, y[2], y[3]))
	c.give(0, c.special("SumPoolGrad", x, []*ir.Value{dy}, w.attrs()...))
	return nil
}

// covered counts the elements of window number i along one axis that an average
// counts: all in the input, and in its declared padding where that counts too.
func covered(i int64, w window, axis int, size int64, declared [4]int64, includePad bool) int64 {
	lo, hi := int64(0), size
	if includePad {
		lo, hi = -declared[axis], size+declared[2+axis]
	}
	n := int64(0)
	for k := range w.kernel[axis] {
		at := i*w.strides[axis] - w.pads[axis] + k*w.dilations[axis]
		if at >= lo && at < hi {
			n++
		}
	}
	return n
}
