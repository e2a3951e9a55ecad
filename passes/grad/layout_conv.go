package grad

import (
	"fmt"

	"github.com/bottlenet/bnc/compiler/ir"
)

// Convolutions in CHWN. A map [C,H,W,N] is a plane of H rows of W*N elements for
// each channel: a step to the right is N elements on. So a convolution of stride
// 1 is one of the whole batch as a single image, with dilation N along the rows.

// convCHWN: strides of more than 1 take the columns of each phase (w mod s) as
// channels of their own.
func convCHWN(l *relayout, n *ir.Node) []*ir.Value {
	x, w := n.Input(0), n.Input(1)
	if len(l.dims(x)) != 4 {
		return nil
	}
	win := windowOf(n, l.dims(w)[2:], l.dims(x), l.dims(n.Output(0)))
	if d, e := l.dims(x), l.dims(n.Output(0)); win.dense(l.dims(w), d, e) {
		y := l.reshape(l.matmul(l.planeMatrices(w, win, d, e), l.positions(l.form(x))), permuted(e, toCHWN)...)
		if bias := n.Input(2); bias != nil {
			y = l.add(y, l.reshape(bias, e[1], 1, 1, 1))
		}
		return []*ir.Value{y}
	}
	if win.group != 1 {
		return nil
	}
	y := l.conv(l.form(x), w, n.Input(2), win, permuted(l.dims(n.Output(0)), toCHWN))
	if y == nil {
		return nil
	}
	return []*ir.Value{y}
}

// dense reports whether a depthwise convolution from maps d to maps e, [N,C,H,W],
// is to be a matrix for each channel: maps are small, and most of a convolution's
// time would go into beginning it, plane by plane.
func (w window) dense(kernel, d, e []int64) bool {
	return w.depthwise(kernel, d[1]) && d[2]*d[3]*e[2]*e[3] <= 49*49
}

// positions sees maps [C,H,W,N] as [C,H*W,N].
func (b *builder) positions(x *ir.Value) *ir.Value {
	d := b.dims(x)
	return b.reshape(x, d[0], d[1]*d[2], d[3])
}

// planeTaps are the taps of which a convolution of a plane consists, as a matrix
// from one map to the other: a constant [kh*kw, OH*OW*H*W] of zeros and ones.
func (l *relayout) planeTaps(win window, d, e []int64) *ir.Value {
	size := e[2] * e[3] * d[2] * d[3]
	taps := make([]float32, win.kernel[0]*win.kernel[1]*size)
	win.taken(0, d[2], e[2], func(oh, i, h int64) {
		win.taken(1, d[3], e[3], func(ow, j, w int64) {
			taps[(i*win.kernel[1]+j)*size+((oh*e[3]+ow)*d[2]+h)*d[3]+w] = 1
		})
	})
	area := win.kernel[0] * win.kernel[1]
	return l.constant(win.id("planes", d[2:], e[2:]), "planes", ir.Float32s(taps, area, size), []int64{area, size})
}

// planeMatrices are a depthwise convolution as matrices [C,OH*OW,H*W].
func (l *relayout) planeMatrices(w *ir.Value, win window, d, e []int64) *ir.Value {
	m := l.matmul(l.reshape(w, d[1], win.kernel[0]*win.kernel[1]), l.planeTaps(win, d, e))
	return l.reshape(m, d[1], e[2]*e[3], d[2]*d[3])
}

// conv convolves x [C,H,W,N]; out are the dimensions of the result. It returns
// nil for dilated convolutions with strides.
func (l *relayout) conv(x, w, bias *ir.Value, win window, out []int64) *ir.Value {
	s := win.strides
	if s != [2]int64{1, 1} && win.dilations != [2]int64{1, 1} {
		return nil
	}
	d, k := l.dims(x), l.dims(w)
	if win.kernel == [2]int64{1, 1} && s != [2]int64{1, 1} && win.pads == [4]int64{} { // what is left out is not read
		x = l.sliceStep(l.sliceStep(x, 1, 0, d[1], s[0]), 2, 0, d[2], s[1])
		x = l.slice(l.slice(x, 1, 0, out[1]), 2, 0, out[2])
		win.strides, s = [2]int64{1, 1}, [2]int64{1, 1}
		d = l.dims(x)
	}
	if s[1] > 1 {
		w = l.kernelPhases(w, s[1], (win.kernel[1]+s[1]-1)/s[1])
		x, win = l.phases(x, win, out[2])
		d, k = l.dims(x), l.dims(w)
	}
	batch := d[3]
	in := []*ir.Value{l.planes(x), w}
	if bias != nil {
		in = append(in, bias)
	}
	p := win.pads
	// Pads that give exactly the rows and columns that are wanted.
	p[2] = (out[1]-1)*win.strides[0] + win.extent(0) - d[1] - p[0]
	p[3] = out[2] - 1 + win.extent(1) - d[2] - p[1]
	if p[0] < 0 || p[1] < 0 || p[2] < 0 || p[3] < 0 {
		x = l.pad(x, []int64{0, min(p[0], 0), min(p[1], 0), 0}, []int64{0, min(p[2], 0), min(p[3], 0), 0})
		in[0] = l.planes(x)
		p = [4]int64{max(p[0], 0), max(p[1], 0), max(p[2], 0), max(p[3], 0)}
	}
	y := l.op("Conv", []int64{1, k[0], out[1], out[2] * batch}, in,
		ir.IntsAttr("kernel_shape", k[2], k[3]), ir.IntsAttr("strides", win.strides[0], 1),
		ir.IntsAttr("dilations", win.dilations[0], win.dilations[1]*batch), ir.IntsAttr("pads", p[0], p[1]*batch, p[2], p[3]*batch), ir.IntAttr("group", win.group))
	return l.reshape(y, out...)
}

// phases sees x [C,H,W,N] as [C*s,H,W/s,N], columns of each phase (w mod s) as
// channels of their own, and returns the window over them that takes the part of win,
// of column stride 1: width columns of results.
func (l *relayout) phases(x *ir.Value, win window, width int64) (*ir.Value, window) {
	s, d := win.strides[1], l.dims(x)
	columns := (win.kernel[1] + s - 1) / s
	read := (width + columns - 1) * s // of the padded rows
	x = l.pad(x, []int64{0, 0, win.pads[1], 0}, []int64{0, 0, read - d[2] - win.pads[1], 0})
	x = l.reshape(x, d[0], d[1], read/s, s, d[3])
	x = l.reshape(l.transpose(x, 0, 3, 1, 2, 4), d[0]*s, d[1], read/s, d[3])
	win.kernel[1], win.strides[1], win.pads[1], win.pads[3] = columns, 1, 0, 0
	return x, win
}

// kernelPhases gives kernels [K,C,kh,kw] the form [K,C*s,kh,columns] that [phases]
// needs, filled up with zeros.
func (l *relayout) kernelPhases(w *ir.Value, s, columns int64) *ir.Value {
	k := l.dims(w)
	w = l.taps(w, fmt.Sprint("columns", k[2:], s), s*k[2]*columns, func(i int64) int64 {
		phase, row, column := i/(k[2]*columns), i/columns%k[2], i%columns
		if column = column*s + phase; column >= k[3] {
			return -1
		}
		return row*k[3] + column
	})
	return l.reshape(w, k[0], k[1]*s, k[2], columns)
}

// convGradInputCHWN: with stride 1 a convolution with the kernel turned. With
// strides, row h of the padded input is s q + a: each phase a has the taps i =
// a + s t of its own, and all phases together are one convolution of stride 1
// that gives s*s*C channels.
func convGradInputCHWN(l *relayout, n *ir.Node) []*ir.Value {
	w, win, x := n.Input(1), windowFrom(n), l.dims(n.Output(0))
	if e := l.dims(n.Input(0)); win.dense(l.dims(w), x, e) {
		m := l.transpose(l.planeMatrices(w, win, x, e), 0, 2, 1)
		return []*ir.Value{l.reshape(l.matmul(m, l.positions(l.form(n.Input(0)))), permuted(x, toCHWN)...)}
	}
	if win.group != 1 {
		return nil
	}
	dy := l.form(n.Input(0))
	batch := x[0]
	plain := window{kernel: win.kernel, strides: [2]int64{1, 1}, dilations: win.dilations, group: 1}
	if win.strides == [2]int64{1, 1} {
		for i := range 2 {
			plain.pads[i] = win.extent(i) - 1 - win.pads[i]
		}
		if wide(l.dims(w), batch*ir.Elements(x[2:])) {
			return []*ir.Value{l.spreadCHWN(dy, w, win, permuted(x, toCHWN))}
		}
		return []*ir.Value{l.conv(dy, l.turned(w, 1), nil, plain, permuted(x, toCHWN))}
	}
	if win.dilations != [2]int64{1, 1} {
		return nil
	}
	s, k, d := win.strides, l.dims(w), l.dims(dy)
	if win.kernel == [2]int64{1, 1} {
		small := l.conv(dy, l.turned(w, 1), nil, plain, []int64{k[1], d[1], d[2], batch})
		dx := l.spread(l.spread(small, 1, s[0]), 2, s[1])
		f := l.dims(dx)
		return []*ir.Value{l.pad(dx, []int64{0, -win.pads[0], -win.pads[1], 0},
			[]int64{0, x[2] - f[1] + win.pads[0], x[3] - f[2] + win.pads[1], 0})}
	}
	var taps, rows [2]int64
	for i := range 2 {
		taps[i] = (win.kernel[i] + s[i] - 1) / s[i]
		rows[i] = (x[2+i]-1+win.pads[i])/s[i] + 1
		plain.kernel[i], plain.pads[i] = taps[i], taps[i]-1
	}
	w = l.transpose(w, 1, 0, 2, 3)
	var phases []*ir.Value
	for a := range s[0] {
		for b := range s[1] {
			phases = append(phases, l.taps(w, fmt.Sprint("phase", win.kernel, s, a, b), taps[0]*taps[1], func(at int64) int64 {
				i, j := a+s[0]*(taps[0]-1-at/taps[1]), b+s[1]*(taps[1]-1-at%taps[1])
				if i >= win.kernel[0] || j >= win.kernel[1] {
					return -1
				}
				return i*win.kernel[1] + j
			}))
		}
	}
	w = l.reshape(l.concat(0, phases...), s[0]*s[1]*k[1], k[0], taps[0], taps[1])
	y := l.conv(dy, w, nil, plain, []int64{s[0] * s[1] * k[1], rows[0], rows[1], batch})
	y = l.reshape(y, s[0], s[1], k[1], rows[0], rows[1], batch)
	y = l.reshape(l.transpose(y, 2, 3, 0, 4, 1, 5), k[1], rows[0]*s[0], rows[1]*s[1], batch)
	return []*ir.Value{l.pad(y, []int64{0, -win.pads[0], -win.pads[1], 0},
		[]int64{0, x[2] + win.pads[0] - rows[0]*s[0], x[3] + win.pads[1] - rows[1]*s[1], 0})}
}

// stackedBelow bounds the channels up to which shifted copies are put on top of each
// other for one larger product.
const stackedBelow = 128 * 128

// convGradWeightCHWN: dw[k,c,i,j] is the product of dy's and x's rows, x shifted
// by the tap: matrix products over all H*W*N positions. With stride 1 the shift
// along the rows is moved to dy, so that one shift of x serves a column of taps;
// where there are few channels all shifts are multiplied at once.
func convGradWeightCHWN(l *relayout, n *ir.Node) []*ir.Value {
	win, w := windowFrom(n), l.dims(n.Output(0))
	if d, e := l.dims(n.Input(0)), l.dims(n.Input(1)); win.dense(w, d, e) {
		m := l.matmul(l.positions(l.form(n.Input(1))), l.transpose(l.positions(l.form(n.Input(0))), 0, 2, 1))
		return []*ir.Value{l.reshape(l.matmul(l.reshape(m, w[0], ir.Elements(l.dims(m)[1:])), l.transpose(l.planeTaps(win, d, e), 1, 0)), w...)}
	}
	if win.group != 1 {
		return nil
	}
	x, dy := l.form(n.Input(0)), l.form(n.Input(1))
	d, e := l.dims(x), l.dims(dy)
	rows := func(v *ir.Value) *ir.Value { f := l.dims(v); return l.reshape(v, f[0], ir.Elements(f[1:])) }
	if win.strides != [2]int64{1, 1} {
		if dw := l.phasedGradWeight(x, dy, win, w); dw != nil {
			return []*ir.Value{dw}
		}
		return []*ir.Value{l.stridedGradWeight(x, dy, win, w)}
	}
	if wide(w, ir.Elements(l.dims(dy)[1:])) {
		return []*ir.Value{l.reshape(l.gemm(rows(dy), l.windows(x, win, e), false, true), w...)}
	}
	if w[0]*w[1] <= stackedBelow && w[2]*w[3] > 1 {
		return []*ir.Value{l.stackedGradWeight(x, dy, win, w)}
	}
	shifted := make([]*ir.Value, w[2]) // dy by row of taps, as tall as x
	for i := range shifted {
		at := int64(i)*win.dilations[0] - win.pads[0]
		shifted[i] = l.pad(dy, []int64{0, at, 0, 0}, []int64{0, d[1] - e[1] - at, 0, 0})
	}
	var products []*ir.Value // rows of K*C
	var order []int64        // the tap of each row
	for j := range w[3] {
		at := j*win.dilations[1] - win.pads[1]
		columns := rows(l.pad(x, []int64{0, 0, -at, 0}, []int64{0, 0, e[2] - d[2] + at, 0}))
		for i, dy := range shifted {
			products = append(products, l.reshape(l.gemm(rows(dy), columns, false, true), 1, w[0]*w[1]))
			order = append(order, int64(i)*w[3]+j)
		}
	}
	return []*ir.Value{l.collect(products, order, w)}
}

// wide reports whether kernels of dimensions k have as many output channels as there are
// positions, or more: it is cheaper to copy what each tap reads than to rearrange the
// kernels then.
func wide(k []int64, positions int64) bool {
	return k[2]*k[3] > 1 && positions <= k[0]
}

// windows copies what each tap of a convolution of column stride 1 from x [C,H,W,N] to
// maps e [K,H,W,N] reads, as a matrix [C*kh*kw, H*W*N]: a convolution with kernels of a
// single 1.
func (l *relayout) windows(x *ir.Value, win window, e []int64) *ir.Value {
	d, area := l.dims(x), win.kernel[0]*win.kernel[1]
	taps := make([]float32, d[0]*area*area)
	for i := range d[0] * area {
		taps[i*area+i%area] = 1
	}
	w := l.constant(fmt.Sprint("windows", d[0], win.kernel), "windows", ir.Float32s(taps, d[0]*area, 1, win.kernel[0], win.kernel[1]), []int64{d[0] * area, 1, win.kernel[0], win.kernel[1]})
	win.group = d[0]
	y := l.conv(x, w, nil, win, []int64{d[0] * area, e[1], e[2], e[3]})
	return l.reshape(y, d[0]*area, ir.Elements(e[1:]))
}

// spreadCHWN is the transposed convolution of dy [K,H,W,N] with stride 1, of the
// dimensions out [C,H,W,N].
func (l *relayout) spreadCHWN(dy, w *ir.Value, win window, out []int64) *ir.Value {
	batch := out[3]
	win.dilations[1] *= batch
	win.pads[1], win.pads[3] = win.pads[1]*batch, win.pads[3]*batch
	return l.reshape(l.transposed(l.planes(dy), w, win, []int64{1, out[0], out[1], out[2] * batch}), out...)
}

// stackedGradWeight is one matrix product, of dy shifted by each row of taps and x
// shifted by each column of taps.
func (l *relayout) stackedGradWeight(x, dy *ir.Value, win window, w []int64) *ir.Value {
	d, e := l.dims(x), l.dims(dy)
	rows := l.shifts(dy, 0, w[2], win.dilations[0], (w[2]-1)*win.dilations[0]-win.pads[0], d[1], true)
	columns := l.shifts(x, 1, w[3], win.dilations[1], win.pads[1], e[2], false)
	p := l.reshape(l.gemm(rows, columns, false, true), w[0], w[2], w[1], w[3])
	return l.transpose(p, 0, 2, 1, 3)
}

// shifts stacks n copies of each plane of x [C,H,W,N], shifted along rows (axis 0)
// or columns (1), as a matrix [C*n, H*W*N]: copy i begins before zeros less i steps
// in front of x, or where they are reversed n-1-i steps, and is size long. It is a
// convolution with kernels of a single 1: all copies in one operator, on all cores.
func (l *relayout) shifts(x *ir.Value, axis int, n, step, before, size int64, reversed bool) *ir.Value {
	d := l.dims(x)
	after := size - (d[1+axis] + before - (n-1)*step)
	if before < 0 || after < 0 {
		var lo, hi [4]int64
		lo[1+axis], hi[1+axis] = min(before, 0), min(after, 0)
		x = l.pad(x, lo[:], hi[:])
		before, after = max(before, 0), max(after, 0)
	}
	taps := make([]float32, d[0]*n*n)
	for k := range d[0] * n {
		i := k % n
		if reversed {
			i = n - 1 - i
		}
		taps[k*n+i] = 1
	}
	batch, kernel, dilations, pads := d[3], [2]int64{1, 1}, [2]int64{1, d[3]}, [4]int64{}
	kernel[axis] = n
	unit := [2]int64{1, batch}[axis]
	dilations[axis], pads[axis], pads[2+axis] = step*unit, before*unit, after*unit
	dims := []int64{d[1], d[2]}
	dims[axis] = size
	w := l.constant(fmt.Sprint("shifts", axis, d[0], n, reversed), "shifts", ir.Float32s(taps, d[0]*n, 1, kernel[0], kernel[1]), []int64{d[0] * n, 1, kernel[0], kernel[1]})
	y := l.op("Conv", []int64{1, d[0] * n, dims[0], dims[1] * batch}, []*ir.Value{l.planes(x), w},
		ir.IntsAttr("kernel_shape", kernel[:]...), ir.IntsAttr("dilations", dilations[:]...), ir.IntsAttr("pads", pads[:]...), ir.IntAttr("group", d[0]))
	return l.reshape(y, d[0]*n, dims[0]*dims[1]*batch)
}

// collect makes the gradient of kernels w from rows of K*C elements, a row a tap.
// It is a product as taps is.
func (l *relayout) collect(rows []*ir.Value, order, w []int64) *ir.Value {
	n := int64(len(order))
	if n == 1 {
		return l.reshape(rows[0], w...)
	}
	place := make([]float32, n*n)
	for i, tap := range order {
		place[int64(i)*n+tap] = 1
	}
	m := l.constant(fmt.Sprint("order", order), "order", ir.Float32s(place, n, n), []int64{n, n})
	return l.reshape(l.gemm(l.concat(0, rows...), m, true, false), w...)
}

// copiesAtMost bounds what phasedGradWeight copies: as many times the size of dy.
const copiesAtMost = 8

// phasedGradWeight is one matrix product, of dy and what each tap reads, copied from the
// phases of x: for few channels, of which each tap alone would make a small product. It
// returns nil for others.
func (l *relayout) phasedGradWeight(x, dy *ir.Value, win window, w []int64) *ir.Value {
	s, e := win.strides[1], l.dims(dy)
	columns := (w[3] + s - 1) / s
	if win.dilations != [2]int64{1, 1} || s == 1 || w[2]*w[3] == 1 || w[0]*w[1] > stackedBelow || w[1]*s*w[2]*columns > copiesAtMost*w[0] {
		return nil
	}
	x, win = l.phases(x, win, e[2])
	p := l.gemm(l.reshape(dy, e[0], ir.Elements(e[1:])), l.windows(x, win, e), false, true)
	return l.reshape(l.taps(l.reshape(p, w[0], w[1], s*w[2], columns), fmt.Sprint("phased", w[2:], s), w[2]*w[3], func(i int64) int64 {
		row, column := i/w[3], i%w[3]
		return (column%s*w[2]+row)*columns + column/s
	}), w...)
}

// stridedGradWeight takes the positions that each tap sees.
func (l *relayout) stridedGradWeight(x, dy *ir.Value, win window, w []int64) *ir.Value {
	d, e := l.dims(x), l.dims(dy)
	var before, after [4]int64
	for i := range 2 {
		before[1+i] = win.pads[i]
		after[1+i] = (e[1+i]-1)*win.strides[i] + win.extent(i) - d[1+i] - win.pads[i]
	}
	x = l.pad(x, before[:], after[:])
	y, positions := l.reshape(dy, e[0], ir.Elements(e[1:])), ir.Elements(e[1:])
	stack := wide(w, positions)
	var taps []*ir.Value
	var order []int64
	for i := range w[2] {
		start := i * win.dilations[0]
		row := l.sliceStep(x, 1, start, start+(e[1]-1)*win.strides[0]+1, win.strides[0])
		for j := range w[3] {
			start := j * win.dilations[1]
			tap := l.sliceStep(row, 2, start, start+(e[2]-1)*win.strides[1]+1, win.strides[1])
			if stack {
				taps = append(taps, l.reshape(tap, d[0], 1, positions))
				continue
			}
			p := l.gemm(y, l.reshape(tap, d[0], positions), false, true)
			taps, order = append(taps, l.reshape(p, 1, w[0]*w[1])), append(order, i*w[3]+j)
		}
	}
	if stack {
		return l.reshape(l.gemm(y, l.reshape(l.concat(1, taps...), d[0]*w[2]*w[3], positions), false, true), w...)
	}
	return l.collect(taps, order, w)
}
