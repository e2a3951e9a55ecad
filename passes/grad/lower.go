package grad

import (
	"fmt"

	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/compiler/shape"
)

// lowering spells one operator of domain bnc.grad out in standard ones and
// returns its outputs.
type lowering func(l *builder, n *ir.Node) []*ir.Value

// nchw are the lowerings for activations [N,C,H,W].
var nchw = map[string]lowering{
	"ConvGradInput":  one(convGradInput),
	"ConvGradWeight": one(convGradWeight),
	"MaxPoolGrad":    one(maxPoolGrad),
	"SumPoolGrad":    one(sumPoolGrad),
	batchNormTrain:   lowerBatchNormTrain,
}

func one(f func(*builder, *ir.Node) *ir.Value) lowering {
	return func(l *builder, n *ir.Node) []*ir.Value { return []*ir.Value{f(l, n)} }
}

// Lower replaces the operators of domain bnc.grad by standard ones, for
// activations in the given layout. Info describes m as it was before Backward.
func Lower(m *ir.Model, info *shape.Info, layout Layout) error {
	if err := m.Graph.Sort(); err != nil {
		return err
	}
	lower(newBuilder(m, info), layout)
	m.DropOpset(Domain)
	return m.Graph.Sort()
}

// convGradInput: the transposed convolution of dy. With stride 1 it is a
// convolution with the kernel turned by 180 degrees, which ONNX Runtime computes
// three times faster than ConvTranspose.
func convGradInput(l *builder, n *ir.Node) *ir.Value {
	dy, w, win, x := n.Input(0), n.Input(1), windowFrom(n), l.dims(n.Output(0))
	full := win
	simple := win.strides == [2]int64{1, 1}
	for i := range 2 {
		full.pads[i], full.pads[2+i] = win.extent(i)-1-win.pads[i], 0
		full.pads[2+i] = x[2+i] - l.dims(dy)[2+i] - full.pads[i] + win.extent(i) - 1
		simple = simple && full.pads[i] >= 0 && full.pads[2+i] >= 0
	}
	if simple {
		return l.op("Conv", x, []*ir.Value{dy, l.turned(w, win.group)}, full.attrs()...)
	}
	return l.transposed(dy, w, win, x)
}

// transposed is the ConvTranspose that gives dims: rows behind the last window are
// output padding, and rows that only padding reached are left out.
func (b *builder) transposed(dy, w *ir.Value, win window, dims []int64) *ir.Value {
	var more [2]int64
	for i := range 2 {
		more[i] = dims[2+i] - ((b.dims(dy)[2+i]-1)*win.strides[i] + win.extent(i) - win.pads[i] - win.pads[2+i])
		if more[i] < 0 {
			win.pads[2+i] -= more[i]
			more[i] = 0
		}
	}
	return b.op("ConvTranspose", dims, []*ir.Value{dy, w}, append(win.attrs(), ir.IntsAttr("output_padding", more[:]...))...)
}

// taps gives kernels [K,C,kh,kw] as [K,C,n]: element i of the last axis is tap
// from(i), counted along kh*kw, or 0 where that is negative. It is a product with a
// matrix of zeros and ones, named by id: ONNX Runtime's Transpose and Pad take many
// times as long, most of all on several threads.
func (b *builder) taps(w *ir.Value, id string, n int64, from func(i int64) int64) *ir.Value {
	d := b.dims(w)
	area := d[2] * d[3]
	choice := make([]float32, area*n)
	for i := range n {
		if j := from(i); j >= 0 {
			choice[j*n+i] = 1
		}
	}
	m := b.constant(fmt.Sprint("taps", id), "taps", ir.Float32s(choice, area, n), []int64{area, n})
	return b.reshape(b.matmul(b.reshape(w, d[0]*d[1], area), m), d[0], d[1], n)
}

// turned maps kernels [K,C/g,kh,kw] to [C,K/g,kh,kw], each turned by 180 degrees.
func (b *builder) turned(w *ir.Value, group int64) *ir.Value {
	d := b.dims(w)
	kg, c, area := d[0]/group, d[1], d[2]*d[3]
	if area > 1 {
		w = b.taps(w, fmt.Sprint("turned", area), area, func(i int64) int64 { return area - 1 - i })
	}
	switch {
	case kg == 1 && c == 1: // depthwise: as it is
		return b.reshape(w, d...)
	case group == 1:
		return b.reshape(b.transpose(b.reshape(w, kg, c, area), 1, 0, 2), c, kg, d[2], d[3])
	}
	return b.reshape(b.transpose(b.reshape(w, group, kg, c, area), 0, 2, 1, 3), group*c, kg, d[2], d[3])
}

// smallMap is the number of positions up to which a convolution of a plane with a
// kernel as large is faster than anything else.
const smallMap = 16

// tallMap is the number of rows up to which products of all rows with all rows are
// worth it: 1.5 times faster at 112, with work that grows with their square.
const tallMap = 128

// convGradWeight correlates x with dy: a convolution in which the batch takes the
// part of the input channels and dy that of the kernel, with stride and dilation
// changing places.
func convGradWeight(l *builder, n *ir.Node) *ir.Value {
	x, dy, win := n.Input(0), n.Input(1), windowFrom(n)
	w, dx, dd := l.dims(n.Output(0)), l.dims(x), l.dims(dy)
	batch, g := dx[0], win.group
	switch {
	case win.pointwise():
		return pointwiseGradWeight(l, x, dy, win, w)
	case win.depthwise(w, dx[1]) && dd[2]*dd[3] > smallMap && dx[2] <= tallMap:
		return depthwiseGradWeight(l, x, dy, win, w)
	}
	kernel := l.transpose(dy, 1, 0, 2, 3) // [K,N,OH,OW]
	if g == 1 && w[2]*w[3] > 1 && win.dilations == [2]int64{1, 1} && w[1] <= 64 {
		// Rows of x as W*C elements, channels innermost: one step to the right
		// in the result is one channel on.
		c := w[1]
		rows := l.reshape(l.transpose(x, 0, 2, 3, 1), 1, batch, dx[2], dx[3]*c)
		pads := [4]int64{win.pads[0], win.pads[1] * c}
		pads[2] = win.strides[0]*(dd[2]-1) + w[2] - dx[2] - win.pads[0]
		pads[3] = c * (win.strides[1]*(dd[3]-1) + w[3] - dx[3] - win.pads[1])
		if pads[2] < 0 || pads[3] < 0 { // the last rows or columns were in no window
			rows = l.pad(rows, make([]int64, 4), []int64{0, 0, min(pads[2], 0), min(pads[3], 0)})
			pads[2], pads[3] = max(pads[2], 0), max(pads[3], 0)
		}
		dw := l.op("Conv", []int64{1, w[0], w[2], w[3] * c}, []*ir.Value{rows, kernel},
			ir.IntsAttr("kernel_shape", dd[2], dd[3]), ir.IntsAttr("dilations", win.strides[0], win.strides[1]*c), ir.IntsAttr("pads", pads[:]...))
		return l.reshape(l.transpose(l.reshape(dw, w[0], w[2]*w[3], c), 0, 2, 1), w...)
	}
	// Each group's channels as the depth of a volume whose channels are the batch.
	vol := l.reshape(x, 1, batch, dx[1], dx[2], dx[3])
	if g > 1 {
		vol = l.transpose(l.reshape(x, batch, g, w[1], dx[2]*dx[3]), 1, 0, 2, 3)
	}
	vol = l.reshape(vol, 1, g*batch, w[1], dx[2], dx[3])
	var after [2]int64
	var crop bool
	for i := range 2 {
		after[i] = win.strides[i]*(dd[2+i]-1) + win.extent(i) - dx[2+i] - win.pads[i]
		crop = crop || after[i] < 0
	}
	if crop {
		vol = l.pad(vol, make([]int64, 5), []int64{0, 0, 0, min(after[0], 0), min(after[1], 0)})
		after[0], after[1] = max(after[0], 0), max(after[1], 0)
	}
	if w[1] == 1 { // depthwise: planes, no volume
		return l.reshape(l.op("Conv", []int64{1, w[0], w[2], w[3]}, []*ir.Value{l.reshape(vol, 1, g*batch, l.dims(vol)[3], l.dims(vol)[4]), kernel},
			ir.IntsAttr("kernel_shape", dd[2], dd[3]), ir.IntsAttr("strides", win.dilations[:]...), ir.IntsAttr("dilations", win.strides[:]...),
			ir.IntsAttr("pads", win.pads[0], win.pads[1], after[0], after[1]), ir.IntAttr("group", g)), w...)
	}
	dw := l.op("Conv", []int64{1, w[0], w[1], w[2], w[3]}, []*ir.Value{vol, l.reshape(kernel, w[0], batch, 1, dd[2], dd[3])},
		ir.IntsAttr("kernel_shape", 1, dd[2], dd[3]), ir.IntsAttr("strides", 1, win.dilations[0], win.dilations[1]),
		ir.IntsAttr("dilations", 1, win.strides[0], win.strides[1]),
		ir.IntsAttr("pads", 0, win.pads[0], win.pads[1], 0, after[0], after[1]), ir.IntAttr("group", g))
	return l.reshape(dw, w...)
}

// maxPoolGrad adds each gradient to the position its maximum was taken from.
func maxPoolGrad(l *builder, n *ir.Node) *ir.Value {
	x, y, dy := n.Input(0), n.Input(1), n.Input(2)
	pool := y.Producer()
	idx := pool.Output(1)
	if idx == nil || pool.Int("storage_order", 0) != 0 { // its positions, row by row
		idx = l.g.Temp(l.prefix+"indices", ir.TensorType(ir.Int64, ir.Fixed(l.dims(y)...)))
		l.shapes[idx] = l.dims(y)
		rows := l.g.NewNode("", "MaxPool", pool.Inputs(), []*ir.Value{nil, idx}, pool.Attrs()...)
		rows.DelAttr("storage_order")
		if pool.Output(1) == nil { // one pooling for both
			l.g.MoveOutput(y, rows, 0)
			l.g.Remove(pool)
			rows.SetName(pool.Name)
		} else {
			rows.SetOutput(0, l.g.Temp(l.prefix+"again", ir.TensorType(ir.Float32, ir.Fixed(l.dims(y)...))))
		}
	}
	d := l.dims(x)
	zeros := l.zeros([]int64{ir.Elements(d)})
	flat := l.emit("", "Reshape", ir.Int64, []int64{ir.Elements(l.dims(y))}, []*ir.Value{idx, l.ints(ir.Elements(l.dims(y)))})
	dx := l.op("ScatterElements", []int64{ir.Elements(d)}, []*ir.Value{zeros, flat, l.reshape(dy, ir.Elements(l.dims(y)))},
		ir.IntAttr("axis", 0), ir.StringAttr("reduction", "add"))
	return l.reshape(dx, d...)
}

// sumPoolGrad gives each element the sum of dy over the windows it is in.
func sumPoolGrad(l *builder, n *ir.Node) *ir.Value {
	dy, win, x := n.Input(0), windowFrom(n), l.dims(n.Output(0))
	d := l.dims(dy)
	if win.kernel == win.strides && win.dilations == [2]int64{1, 1} && win.pads == [4]int64{} && win.kernel[0]*d[2] <= x[2] && win.kernel[1]*d[3] <= x[3] {
		wide := l.expand(l.reshape(dy, d[0], d[1], d[2], 1, d[3], 1), []int64{d[0], d[1], d[2], win.kernel[0], d[3], win.kernel[1]})
		flat := l.reshape(wide, d[0], d[1], d[2]*win.kernel[0], d[3]*win.kernel[1])
		return l.pad(flat, make([]int64, 4), []int64{0, 0, x[2] - d[2]*win.kernel[0], x[3] - d[3]*win.kernel[1]})
	}
	ones := l.expand(l.scalar(1), []int64{x[1], 1, win.kernel[0], win.kernel[1]})
	win.group = x[1]
	return l.transposed(dy, ones, win, x)
}

// lowerBatchNormTrain feeds the inference operator with the batch's statistics.
func lowerBatchNormTrain(l *builder, n *ir.Node) []*ir.Value {
	x := n.Input(0)
	axes, ch := channelAxes(l.dims(x))
	mean := l.reduce("ReduceMean", x, false, axes...)
	centred := l.sub(x, l.reshape(mean, ch...))
	variance := l.reduce("ReduceMean", l.mul(centred, centred), false, axes...)
	y := l.op("BatchNormalization", l.dims(x), []*ir.Value{x, n.Input(1), n.Input(2), mean, variance}, ir.FloatAttr("epsilon", n.Float("epsilon", 1e-5)))
	return []*ir.Value{y, mean, variance}
}
