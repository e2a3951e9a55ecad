package passes

import (
	"fmt"
	"math"

	"github.com/bottlenet/bnc/compiler/ir"
)

// emitter appends nodes of the default domain in the form that the model's
// operator set version asks for. Names of all it adds start with prefix.
type emitter struct {
	g      *ir.Graph
	opset  int64
	prefix string
}

func (e emitter) op(name, op string, inputs []*ir.Value, attrs ...*ir.Attr) *ir.Value {
	return e.g.Op1(e.prefix+name, op, inputs, nil, attrs...)
}

func (e emitter) unary(name, op string, x *ir.Value) *ir.Value {
	return e.op(name, op, []*ir.Value{x})
}

func (e emitter) binary(name, op string, x, y *ir.Value) *ir.Value {
	return e.op(name, op, []*ir.Value{x, y})
}

// float adds a float32 constant of rank 0.
func (e emitter) float(name string, v float32) *ir.Value {
	return e.g.Const(e.prefix+name, ir.Float32s([]float32{v}))
}

func (e emitter) floats(name string, v []float32, dims ...int64) *ir.Value {
	return e.g.Const(e.prefix+name, ir.Float32s(v, dims...))
}

func (e emitter) ints(name string, v ...int64) *ir.Value {
	return e.g.Const(e.prefix+name, ir.Int64s(v...))
}

// cast converts x to d.
func (e emitter) cast(name string, x *ir.Value, d ir.DType) *ir.Value {
	return e.op(name, "Cast", []*ir.Value{x}, ir.IntAttr("to", int64(d)))
}

// reshape gives x the dims, in which 0 keeps a dimension of x.
func (e emitter) reshape(name string, x *ir.Value, dims ...int64) *ir.Value {
	return e.binary(name, "Reshape", x, e.ints(name+".shape", dims...))
}

// transpose permutes the axes of x.
func (e emitter) transpose(name string, x *ir.Value, perm ...int64) *ir.Value {
	return e.op(name, "Transpose", []*ir.Value{x}, ir.IntsAttr("perm", perm...))
}

// clip bounds x; the bounds became inputs with opset 11.
func (e emitter) clip(name string, x *ir.Value, lo, hi float32) *ir.Value {
	if e.opset < 11 {
		return e.op(name, "Clip", []*ir.Value{x}, ir.FloatAttr("min", lo), ir.FloatAttr("max", hi))
	}
	return e.op(name, "Clip", []*ir.Value{x, e.float(name+".min", lo), e.float(name+".max", hi)})
}

// slice takes elements start to end of one axis; the bounds became inputs with
// opset 10.
func (e emitter) slice(name string, x *ir.Value, axis, start, end int64) *ir.Value {
	if e.opset < 10 {
		return e.op(name, "Slice", []*ir.Value{x}, ir.IntsAttr("axes", axis), ir.IntsAttr("starts", start), ir.IntsAttr("ends", end))
	}
	return e.op(name, "Slice", []*ir.Value{x, e.ints(name+".start", start), e.ints(name+".end", end), e.ints(name+".axis", axis)})
}

// reduce applies ReduceMin or ReduceMax over channels, rows and columns, keeping
// the axes; they became an input with opset 18.
func (e emitter) reduce(name, op string, x *ir.Value) *ir.Value {
	if e.opset < 18 {
		return e.op(name, op, []*ir.Value{x}, ir.IntsAttr("axes", 1, 2, 3), ir.IntAttr("keepdims", 1))
	}
	return e.op(name, op, []*ir.Value{x, e.ints(name+".axes", 1, 2, 3)}, ir.IntAttr("keepdims", 1))
}

// unit is a convolution, BatchNormalization and, where relu, a ReLU.
func (e emitter) unit(name string, x *ir.Value, u *Unit, relu bool) *ir.Value {
	op, w := "Conv", e.floats(name+".weight", u.Weight, u.Dims...)
	attrs := []*ir.Attr{
		ir.IntsAttr("kernel_shape", u.Dims[2], u.Dims[3]), ir.IntsAttr("strides", u.Stride, u.Stride), ir.IntsAttr("pads", u.Pads[:]...),
	}
	if u.Transposed {
		op = "ConvTranspose"
	}
	y := e.op(name+".conv", op, []*ir.Value{x, w}, attrs...)
	y = e.norm(name, y, u.Norm)
	if relu {
		y = e.unary(name+".relu", "Relu", y)
	}
	return y
}

// norm is a BatchNormalization.
func (e emitter) norm(name string, x *ir.Value, u Norm) *ir.Value {
	n := int64(len(u.Gamma))
	return e.op(name+".bn", "BatchNormalization", []*ir.Value{
		x, e.floats(name+".bn.gamma", u.Gamma, n), e.floats(name+".bn.beta", u.Beta, n),
		e.floats(name+".bn.mean", u.Mean, n), e.floats(name+".bn.var", u.Var, n),
	}, ir.FloatAttr("epsilon", bnEpsilon))
}

const bnEpsilon = 1e-5

// smallestNormal stands in for a zero range in a division: 0 / smallestNormal
// is 0, where 0 / 0 would be NaN.
var smallestNormal = math.Float32frombits(1 << 23)

func must(ok bool, format string, args ...any) {
	if !ok {
		panic("BUG: " + fmt.Sprintf(format, args...))
	}
}
