package grad

import (
	"fmt"
	"math"
	"slices"

	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/compiler/shape"
)

// Domain is that of the operators that [Lower] replaces.
const Domain = "bnc.grad"

// builder appends nodes and knows the shape of each value. All it makes is
// float32 unless it says otherwise.
type builder struct {
	g      *ir.Graph
	opset  int64
	prefix string // of the names of what is made
	info   *shape.Info
	shapes map[*ir.Value][]int64
	consts map[string]*ir.Value
	mixed  *ir.Value // an operand in another floating-point type than float32
	// quantiser are the nodes of a bottleneck that gradients pass straight through.
	quantiser map[*ir.Node]bool
}

func newBuilder(m *ir.Model, info *shape.Info) *builder {
	return &builder{g: m.Graph, opset: m.Opset(""), info: info, shapes: map[*ir.Value][]int64{}, consts: map[string]*ir.Value{}}
}

// dims returns the shape of v. That it is known was checked before.
func (b *builder) dims(v *ir.Value) []int64 {
	if !b.known(v) {
		panic(fmt.Sprintf("BUG: the shape of tensor %q is not known as numbers: %v", v.Name(), b.info.Of(v)))
	}
	return b.shapes[v]
}

// known reports whether the shape of v is known as numbers.
func (b *builder) known(v *ir.Value) bool {
	if _, ok := b.shapes[v]; ok {
		return true
	}
	d, ok := b.info.Of(v).Shape()
	if !ok {
		d, ok = declared(v)
	}
	if ok {
		b.shapes[v] = d
	}
	return ok
}

// declared returns the shape that the graph itself states, as it does for all
// that a builder made.
func declared(v *ir.Value) ([]int64, bool) {
	shape, ok := v.Shape()
	d := make([]int64, len(shape))
	for i, n := range shape {
		d[i], ok = n.N, ok && n.Symbol == "" && n.N >= 0
	}
	return d, ok
}

// isFloat reports whether v holds floating-point numbers.
func (b *builder) isFloat(v *ir.Value) bool {
	if _, ok := b.shapes[v]; ok && b.info.Of(v).DType == ir.Undefined {
		return v.DType().IsFloat()
	}
	return b.info.Of(v).DType.IsFloat()
}

// emit appends a node with one output of the given type.
func (b *builder) emit(domain, op string, d ir.DType, dims []int64, in []*ir.Value, attrs ...*ir.Attr) *ir.Value {
	for _, v := range in {
		if v != nil && op != "Cast" && b.typeOf(v).IsFloat() && b.typeOf(v) != ir.Float32 {
			b.mixed = v
		}
	}
	out := b.g.Temp(b.prefix+op, ir.TensorType(d, ir.Fixed(dims...)))
	b.g.NewNode(domain, op, in, []*ir.Value{out}, attrs...)
	b.shapes[out] = slices.Clone(dims)
	return out
}

// op appends an operator of the default domain.
func (b *builder) op(op string, dims []int64, in []*ir.Value, attrs ...*ir.Attr) *ir.Value {
	return b.emit("", op, ir.Float32, dims, in, attrs...)
}

// special appends an operator that Lower spells out.
func (b *builder) special(op string, dims []int64, in []*ir.Value, attrs ...*ir.Attr) *ir.Value {
	return b.emit(Domain, op, ir.Float32, dims, in, attrs...)
}

func (b *builder) unary(op string, x *ir.Value, attrs ...*ir.Attr) *ir.Value {
	return b.op(op, b.dims(x), []*ir.Value{x}, attrs...)
}

// binary broadcasts its operands.
func (b *builder) binary(op string, x, y *ir.Value) *ir.Value {
	return b.op(op, broadcast(b.dims(x), b.dims(y)), []*ir.Value{x, y})
}

func (b *builder) add(x, y *ir.Value) *ir.Value { return b.binary("Add", x, y) }
func (b *builder) sub(x, y *ir.Value) *ir.Value { return b.binary("Sub", x, y) }
func (b *builder) mul(x, y *ir.Value) *ir.Value { return b.binary("Mul", x, y) }
func (b *builder) div(x, y *ir.Value) *ir.Value { return b.binary("Div", x, y) }

func (b *builder) neg(x *ir.Value) *ir.Value  { return b.unary("Neg", x) }
func (b *builder) sqrt(x *ir.Value) *ir.Value { return b.unary("Sqrt", x) }

// scale multiplies by a number.
func (b *builder) scale(x *ir.Value, by float64) *ir.Value {
	if by == 1 {
		return x
	}
	return b.mul(x, b.scalar(by))
}

// plus adds a number.
func (b *builder) plus(x *ir.Value, n float64) *ir.Value {
	if n == 0 {
		return x
	}
	return b.add(x, b.scalar(n))
}

// scalar is a float32 constant of rank 0.
func (b *builder) scalar(v float64) *ir.Value {
	return b.constant(fmt.Sprintf("f%x", math.Float32bits(float32(v))), "const", ir.Float32s([]float32{float32(v)}), nil)
}

// floats is a float32 constant.
func (b *builder) floats(v []float32, dims ...int64) *ir.Value {
	return b.constant("", "const", ir.Float32s(v, dims...), dims)
}

// ints is an int64 constant of rank 1.
func (b *builder) ints(v ...int64) *ir.Value {
	return b.constant(fmt.Sprint("i", v), "dims", ir.Int64s(v...), []int64{int64(len(v))})
}

func (b *builder) constant(id, hint string, t *ir.Tensor, dims []int64) *ir.Value {
	if v := b.consts[id]; v != nil && id != "" {
		return v
	}
	v := b.g.Const("grad."+hint, t)
	b.shapes[v] = slices.Clone(dims)
	if id != "" {
		b.consts[id] = v
	}
	return v
}

// reshape gives x other dimensions, numbers all.
func (b *builder) reshape(x *ir.Value, dims ...int64) *ir.Value {
	if slices.Equal(b.dims(x), dims) {
		return x
	}
	if ir.Elements(dims) != ir.Elements(b.dims(x)) {
		panic(fmt.Sprintf("BUG: reshape of %v to %v", b.dims(x), dims))
	}
	return b.op("Reshape", dims, []*ir.Value{x, b.ints(dims...)})
}

// transpose permutes the axes of x.
func (b *builder) transpose(x *ir.Value, perm ...int64) *ir.Value {
	d := make([]int64, len(perm))
	for i, p := range perm {
		d[i] = b.dims(x)[p]
	}
	return b.op("Transpose", d, []*ir.Value{x}, ir.IntsAttr("perm", perm...))
}

// sum adds up along axes, which become 1 where keep is set and go otherwise.
func (b *builder) sum(x *ir.Value, keep bool, axes ...int64) *ir.Value {
	return b.op("ReduceSum", reduced(b.dims(x), keep, axes), []*ir.Value{x, b.ints(axes...)}, ir.IntAttr("keepdims", flag(keep)))
}

// reduce applies another reduction; its axes became an input with opset 18.
func (b *builder) reduce(op string, x *ir.Value, keep bool, axes ...int64) *ir.Value {
	d := reduced(b.dims(x), keep, axes)
	if b.opset < 18 {
		return b.op(op, d, []*ir.Value{x}, ir.IntsAttr("axes", axes...), ir.IntAttr("keepdims", flag(keep)))
	}
	return b.op(op, d, []*ir.Value{x, b.ints(axes...)}, ir.IntAttr("keepdims", flag(keep)))
}

// unbroadcast sums x, of a shape to which dims broadcast, down to dims. It leaves
// x as it is where they do not.
func (b *builder) unbroadcast(x *ir.Value, dims []int64) *ir.Value {
	from := b.dims(x)
	lead := len(from) - len(dims)
	if slices.Equal(from, dims) || lead < 0 {
		return x
	}
	var axes []int64
	for i, n := range from {
		switch {
		case i >= lead && dims[i-lead] == n:
		case i >= lead && dims[i-lead] != 1:
			return x
		case n != 1:
			axes = append(axes, int64(i))
		}
	}
	if len(axes) > 0 {
		x = b.sum(x, true, axes...)
	}
	return b.reshape(x, dims...)
}

// expand broadcasts x to dims.
func (b *builder) expand(x *ir.Value, dims []int64) *ir.Value {
	if slices.Equal(b.dims(x), dims) {
		return x
	}
	return b.op("Expand", dims, []*ir.Value{x, b.ints(dims...)})
}

// slice takes [start, end) of one axis.
func (b *builder) slice(x *ir.Value, axis, start, end int64) *ir.Value {
	return b.sliceStep(x, axis, start, end, 1)
}

// sliceStep takes every step-th of [start, end) of one axis.
func (b *builder) sliceStep(x *ir.Value, axis, start, end, step int64) *ir.Value {
	d := slices.Clone(b.dims(x))
	if start == 0 && end == d[axis] && step == 1 {
		return x
	}
	d[axis] = (end - start + step - 1) / step
	in := []*ir.Value{x, b.ints(start), b.ints(end), b.ints(axis)}
	if step != 1 {
		in = append(in, b.ints(step))
	}
	return b.op("Slice", d, in)
}

// pad puts zeros before and after each axis; negative numbers crop. Cropping is a
// Slice: a Pad with negative pads is several times slower.
func (b *builder) pad(x *ir.Value, before, after []int64) *ir.Value {
	d := slices.Clone(b.dims(x))
	lo, hi := slices.Clone(before), slices.Clone(after)
	any := false
	for i := range d {
		if lo[i] < 0 || hi[i] < 0 {
			x = b.slice(x, int64(i), max(-lo[i], 0), d[i]-max(-hi[i], 0))
			lo[i], hi[i] = max(lo[i], 0), max(hi[i], 0)
		}
		d[i] += before[i] + after[i]
		any = any || lo[i] > 0 || hi[i] > 0
	}
	if !any {
		return x
	}
	return b.op("Pad", d, []*ir.Value{x, b.ints(slices.Concat(lo, hi)...)})
}

// concat joins along an axis.
func (b *builder) concat(axis int64, xs ...*ir.Value) *ir.Value {
	if len(xs) == 1 {
		return xs[0]
	}
	d := slices.Clone(b.dims(xs[0]))
	for _, x := range xs[1:] {
		d[axis] += b.dims(x)[axis]
	}
	return b.op("Concat", d, xs, ir.IntAttr("axis", axis))
}

// matmul is numpy's.
func (b *builder) matmul(x, y *ir.Value) *ir.Value {
	dx, dy := b.dims(x), b.dims(y)
	d := broadcast(dx[:len(dx)-2], dy[:len(dy)-2])
	return b.op("MatMul", append(slices.Clone(d), dx[len(dx)-2], dy[len(dy)-1]), []*ir.Value{x, y})
}

// gemm multiplies matrices, transposed where asked.
func (b *builder) gemm(x, y *ir.Value, transX, transY bool) *ir.Value {
	m, n := b.dims(x)[0], b.dims(y)[1]
	var attrs []*ir.Attr
	if transX {
		m = b.dims(x)[1]
		attrs = append(attrs, ir.IntAttr("transA", 1))
	}
	if transY {
		n = b.dims(y)[0]
		attrs = append(attrs, ir.IntAttr("transB", 1))
	}
	return b.op("Gemm", []int64{m, n}, []*ir.Value{x, y}, attrs...)
}

// cast converts to float32.
func (b *builder) cast(x *ir.Value) *ir.Value {
	return b.unary("Cast", x, ir.IntAttr("to", int64(ir.Float32)))
}

// compare is Greater, Less, Equal or another comparison, as float32: 1 or 0.
func (b *builder) compare(op string, x, y *ir.Value) *ir.Value {
	d := broadcast(b.dims(x), b.dims(y))
	return b.cast(b.emit("", op, ir.Bool, d, []*ir.Value{x, y}))
}

// where chooses by a bool tensor.
func (b *builder) where(cond, x, y *ir.Value) *ir.Value {
	d := broadcast(b.dims(cond), broadcast(b.dims(x), b.dims(y)))
	return b.op("Where", d, []*ir.Value{cond, x, y})
}

// steep makes a hard step of x in one pass: 0 for x <= 0, 1 for x >= 1e-30. It is
// several times faster than a comparison, a cast and what follows, and a power of
// two, so that products with it are exact.
const steep = 1 << 100

// positive is 1 where x > 0 and 0 elsewhere.
func (b *builder) positive(x *ir.Value) *ir.Value {
	return b.unary("HardSigmoid", x, ir.FloatAttr("alpha", steep), ir.FloatAttr("beta", 0))
}

// zeros is a constant of zeros.
func (b *builder) zeros(dims []int64) *ir.Value { return b.expand(b.scalar(0), dims) }

func broadcast(x, y []int64) []int64 {
	if len(x) < len(y) {
		x, y = y, x
	}
	out := slices.Clone(x)
	for i, n := range y {
		j := len(x) - len(y) + i
		if out[j] == 1 {
			out[j] = n
		} else if n != 1 && n != out[j] {
			panic(fmt.Sprintf("BUG: %v and %v do not broadcast", x, y))
		}
	}
	return out
}

func reduced(dims []int64, keep bool, axes []int64) []int64 {
	var out []int64
	for i, d := range dims {
		switch {
		case !slices.Contains(axes, int64(i)):
			out = append(out, d)
		case keep:
			out = append(out, 1)
		}
	}
	return out
}

func flag(b bool) int64 {
	if b {
		return 1
	}
	return 0
}
