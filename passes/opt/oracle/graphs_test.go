//go:build cgo

package oracle

import (
	"encoding/binary"
	"math"
	"slices"

	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/compiler/shape"
	"github.com/x448/float16"
)

// foldBuilder builds a graph of operators on small tensors as the choices say;
// once they are used up, all are 0.
type foldBuilder struct {
	choices []byte
	m       *ir.Model
	g       *ir.Graph
	info    *shape.Info
	values  []*ir.Value
}

// foldGraph returns a model of up to 12 nodes over constants, the shapes of an
// input float32 [N,H,2], and what earlier nodes compute.
func foldGraph(choices []byte) *ir.Model {
	b := &foldBuilder{choices: choices, m: ir.NewModel(8, 18)}
	b.m.SetOpset("", []int64{18, 17, 13}[b.below(3)])
	b.g = b.m.Graph
	x := b.g.Temp("x", ir.TensorType(ir.Float32, []ir.Dim{ir.Sym("N"), ir.Sym("H"), {N: 2}}))
	b.g.AddInput(x, nil)
	b.values = []*ir.Value{x}
	b.infer()
	for range 12 {
		if len(b.choices) == 0 {
			break
		}
		row := foldOps[b.below(len(foldOps))]
		before := b.g.Nodes()
		n := row.build(b, row)
		if b.infer() && !b.misread(n) {
			continue
		}
		// A node that is refused would hide those after it.
		for _, v := range n.Outputs() {
			b.values = slices.DeleteFunc(b.values, func(w *ir.Value) bool { return w == v })
		}
		b.g.Remove(slices.DeleteFunc(b.g.Nodes(), func(n *ir.Node) bool { return slices.Contains(before, n) })...)
		b.infer()
	}
	return b.m
}

// infer renews what is known about the values, false where inference refuses.
func (b *foldBuilder) infer() bool {
	info, err := shape.Infer(b.m, shape.Options{})
	if err == nil {
		b.info = info
	}
	return err == nil
}

// misread reports whether ONNX Runtime 1.30 computes n wrongly: where it takes
// several int64 at a time, it compares their lower halves.
func (b *foldBuilder) misread(n *ir.Node) bool {
	wide := func(d shape.Dim) bool { i, known := d.Int(); return !known || int64(int32(i)) != i }
	return slices.Contains([]string{"Max", "Min", "Clip", "ReduceMax", "ReduceMin"}, n.Op) && slices.ContainsFunc(n.Inputs(), func(v *ir.Value) bool {
		return v != nil && b.info.Of(v).DType == ir.Int64 && (b.info.Of(v).Content == nil || slices.ContainsFunc(b.info.Of(v).Content, wide))
	})
}

func (b *foldBuilder) below(n int) int {
	if len(b.choices) == 0 {
		return 0
	}
	c := int(b.choices[0])
	b.choices = b.choices[1:]
	return c % n
}

// foldNumbers are what constants hold: limits of the types, and what carries
// over them.
var foldNumbers = []int64{1, 2, 0, 3, -1, 5, 7, 100, 200, -100, 127, 128, -128, 255, 256, -7, 1 << 31, -1 << 31, 1<<31 - 1, 1<<24 + 1, 1<<53 + 1, math.MaxInt64, math.MinInt64, 1 << 62}

// foldFloats are in sixteenths.
var foldFloats = []int64{16, 8, 0, 24, -24, 1, -40, 53, 3200, 16 * 2049, -16 * 129, 1 << 34, 1 << 40}

// constant adds a constant, an initializer or a Constant node.
func (b *foldBuilder) constant(d ir.DType, dims ...int64) *ir.Value {
	n := int64(1)
	for _, size := range dims {
		n *= size
	}
	var raw []byte
	for range n {
		raw = append(raw, b.element(d)...)
	}
	return b.add(ir.NewTensor(d, dims, ir.Memory(raw)))
}

func (b *foldBuilder) add(t *ir.Tensor) *ir.Value {
	var v *ir.Value
	if b.below(4) == 1 {
		v = b.g.Temp("c", nil)
		b.g.NewNode("", "Constant", nil, []*ir.Value{v}, ir.TensorAttr("value", t))
	} else {
		v = b.g.Const("c", t)
	}
	return v
}

// element returns the bytes of one number.
func (b *foldBuilder) element(d ir.DType) []byte {
	if d.IsFloat() {
		f := float64(foldFloats[b.below(len(foldFloats))]) / 16
		switch d {
		case ir.Float32:
			return binary.LittleEndian.AppendUint32(nil, math.Float32bits(float32(f)))
		case ir.Float64:
			return binary.LittleEndian.AppendUint64(nil, math.Float64bits(f+1e-9))
		}
		return binary.LittleEndian.AppendUint16(nil, float16.Fromfloat32(float32(f)).Bits())
	}
	i := foldNumbers[b.below(len(foldNumbers))]
	if d == ir.Bool {
		i &= 1
	}
	return binary.LittleEndian.AppendUint64(nil, uint64(i))[:d.Bits()/8]
}

// ints adds a constant int64 vector.
func (b *foldBuilder) ints(v ...int64) *ir.Value { return b.add(ir.Int64s(v...)) }

// small returns a number between -2 and 4.
func (b *foldBuilder) small() int64 { return int64(b.below(7)) - 2 }

// smalls adds a vector of such numbers.
func (b *foldBuilder) smalls(n int) *ir.Value {
	var v []int64
	for range n {
		v = append(v, b.small())
	}
	return b.ints(v...)
}

var foldDTypes = map[byte]ir.DType{
	'l': ir.Int64, 'i': ir.Int32, 'c': ir.Int8, 'u': ir.Uint8, 'f': ir.Float32, 'h': ir.Float16, 'd': ir.Float64, 'b': ir.Bool,
}

// dtype chooses one of those that letters name; the first is the likeliest.
func (b *foldBuilder) dtype(letters string) ir.DType {
	if b.below(2) == 0 {
		return foldDTypes[letters[0]]
	}
	return foldDTypes[letters[b.below(len(letters))]]
}

// operand returns a value of type d: an earlier one or a constant of rank 0 to 2.
func (b *foldBuilder) operand(d ir.DType) *ir.Value {
	var have []*ir.Value
	for _, v := range b.values {
		if b.info.Of(v).DType == d {
			have = append(have, v)
		}
	}
	if i := b.below(4); i > 0 && len(have) > 0 {
		return have[len(have)-1-b.below(len(have))]
	}
	dims := [][]int64{{2}, {}, {1}, {3}, {2, 3}, {1, 3}, {0}, {6}}[b.below(8)]
	return b.constant(d, dims...)
}

// node adds a node whose outputs later ones may read; its inputs are there already, as the
// verifier wants it.
func (b *foldBuilder) node(op string, outputs int, inputs []*ir.Value, attrs ...*ir.Attr) *ir.Node {
	var outs []*ir.Value
	for range outputs {
		outs = append(outs, b.g.Temp("v", nil))
	}
	b.values = append(b.values, outs...)
	return b.g.NewNode("", op, inputs, outs, attrs...)
}

// foldOp is an operator with the element types that ONNX Runtime computes it on.
type foldOp struct {
	op     string
	dtypes string
	build  func(b *foldBuilder, row foldOp) *ir.Node
}

// float16 is only moved and converted: ONNX Runtime computes it in float32, and
// what lies between decides whether a result is rounded.
const (
	foldNumeric = "licufd"
	foldAny     = "licufhdb"
)

var foldOps = []foldOp{
	{"Add", foldNumeric, foldBinary}, {"Sub", foldNumeric, foldBinary}, {"Mul", foldNumeric, foldBinary},
	{"Min", foldNumeric, foldBinary}, {"Max", foldNumeric, foldBinary}, {"Sum", "fd", foldBinary},
	{"Div", foldNumeric, foldDivision}, {"Mod", foldNumeric, foldDivision}, {"Pow", "lif", foldPower},
	{"Equal", foldAny, foldBinary}, {"Less", foldNumeric, foldBinary}, {"Greater", foldNumeric, foldBinary},
	{"LessOrEqual", foldNumeric, foldBinary}, {"GreaterOrEqual", foldNumeric, foldBinary},
	{"And", "b", foldBinary}, {"Or", "b", foldBinary}, {"Xor", "b", foldBinary}, {"Not", "b", foldUnary},
	{"Neg", "licfd", foldUnary}, {"Abs", foldNumeric, foldUnary}, {"Sign", foldNumeric, foldUnary}, {"Relu", "licfd", foldUnary},
	{"Floor", "fd", foldUnary}, {"Ceil", "fd", foldUnary}, {"Round", "fd", foldUnary}, {"Sqrt", "fd", foldUnary},
	{"Identity", foldAny, foldUnary}, {"NonZero", "liufb", foldUnary},
	{"Clip", foldNumeric, func(b *foldBuilder, row foldOp) *ir.Node {
		d := b.dtype(row.dtypes)
		in := []*ir.Value{b.operand(d), nil, nil}
		for i := 1; i < 3; i++ {
			if b.below(3) > 0 {
				in[i] = b.constant(d)
			}
		}
		return b.node("Clip", 1, in)
	}},
	{"Cast", foldAny, func(b *foldBuilder, row foldOp) *ir.Node {
		from, to := b.dtype(row.dtypes), b.dtype(row.dtypes)
		return b.node("Cast", 1, []*ir.Value{b.operand(from)}, ir.IntAttr("to", int64(to)))
	}},
	{"CastLike", foldAny, func(b *foldBuilder, row foldOp) *ir.Node {
		from, to := b.dtype(row.dtypes), b.dtype(row.dtypes)
		return b.node("CastLike", 1, []*ir.Value{b.operand(from), b.operand(to)})
	}},
	{"Where", "liufd", func(b *foldBuilder, row foldOp) *ir.Node {
		d := b.dtype(row.dtypes)
		return b.node("Where", 1, []*ir.Value{b.operand(ir.Bool), b.operand(d), b.operand(d)})
	}},
	{"Shape", foldAny, func(b *foldBuilder, row foldOp) *ir.Node {
		n := b.node("Shape", 1, []*ir.Value{b.values[b.below(len(b.values))]})
		if b.below(2) > 0 && b.m.Opset("") > 13 {
			n.SetAttr(ir.IntAttr("start", b.small()))
			n.SetAttr(ir.IntAttr("end", b.small()))
		}
		return n
	}},
	{"Size", foldAny, func(b *foldBuilder, row foldOp) *ir.Node {
		return b.node("Size", 1, []*ir.Value{b.values[b.below(len(b.values))]})
	}},
	{"Gather", foldAny, func(b *foldBuilder, row foldOp) *ir.Node {
		at := b.smalls(1 + b.below(3))
		if b.below(3) == 1 {
			at = b.add(ir.NewTensor(ir.Int64, nil, ir.Int64s(b.small()).Raw))
		}
		return b.node("Gather", 1, []*ir.Value{b.operand(b.dtype(row.dtypes)), at}, ir.IntAttr("axis", int64(b.below(2))))
	}},
	{"Slice", foldAny, func(b *foldBuilder, row foldOp) *ir.Node {
		ends := []int64{1, 2, 3, -1, math.MaxInt64, math.MinInt64, -2, 0}
		step := []int64{1, 2, -1, -2}[b.below(4)]
		in := []*ir.Value{b.operand(b.dtype(row.dtypes)), b.ints(b.small()), b.ints(ends[b.below(len(ends))]), b.ints(int64(b.below(2))), b.ints(step)}
		return b.node("Slice", 1, in[:3+b.below(3)])
	}},
	{"Concat", foldAny, func(b *foldBuilder, row foldOp) *ir.Node {
		d := b.dtype(row.dtypes)
		return b.node("Concat", 1, []*ir.Value{b.operand(d), b.operand(d)}, ir.IntAttr("axis", int64(b.below(2))))
	}},
	{"Split", foldAny, func(b *foldBuilder, row foldOp) *ir.Node {
		in, parts := []*ir.Value{b.operand(b.dtype(row.dtypes))}, 1+b.below(3)
		attrs := []*ir.Attr{ir.IntAttr("axis", int64(b.below(2)))}
		switch {
		case b.below(2) == 1:
			in = append(in, b.smalls(parts))
		case b.m.Opset("") >= 18:
			attrs = append(attrs, ir.IntAttr("num_outputs", int64(parts)))
		}
		return b.node("Split", parts, in, attrs...)
	}},
	{"Reshape", foldAny, func(b *foldBuilder, row foldOp) *ir.Node {
		n := b.node("Reshape", 1, []*ir.Value{b.operand(b.dtype(row.dtypes)), b.smalls(b.below(3))})
		if b.below(3) == 1 && b.m.Opset("") >= 14 {
			n.SetAttr(ir.IntAttr("allowzero", 1))
		}
		return n
	}},
	{"Squeeze", foldAny, func(b *foldBuilder, row foldOp) *ir.Node {
		return b.node("Squeeze", 1, []*ir.Value{b.operand(b.dtype(row.dtypes)), b.smalls(1)}[:1+b.below(2)])
	}},
	{"Unsqueeze", foldAny, func(b *foldBuilder, row foldOp) *ir.Node {
		return b.node("Unsqueeze", 1, []*ir.Value{b.operand(b.dtype(row.dtypes)), b.smalls(1)})
	}},
	{"Flatten", foldAny, func(b *foldBuilder, row foldOp) *ir.Node {
		return b.node("Flatten", 1, []*ir.Value{b.operand(b.dtype(row.dtypes))}, ir.IntAttr("axis", b.small()))
	}},
	{"Transpose", foldAny, foldUnary},
	{"Expand", foldAny, foldByShape}, {"Tile", foldAny, foldByShape},
	{"ConstantOfShape", foldAny, func(b *foldBuilder, row foldOp) *ir.Node {
		n := b.node("ConstantOfShape", 1, []*ir.Value{b.smalls(b.below(3))})
		if d := b.dtype(row.dtypes); b.below(3) > 0 {
			n.SetAttr(ir.TensorAttr("value", ir.NewTensor(d, []int64{1}, ir.Memory(b.element(d)))))
		}
		return n
	}},
	{"Range", "lifd", func(b *foldBuilder, row foldOp) *ir.Node {
		d := b.dtype(row.dtypes)
		one := ir.NewTensor(d, nil, ir.Memory(b.oneOf(d, 1)))
		from, to := ir.NewTensor(d, nil, ir.Memory(b.oneOf(d, b.small()))), ir.NewTensor(d, nil, ir.Memory(b.oneOf(d, 3*b.small())))
		if d != ir.Float64 && b.below(3) > 0 { // a step of 1e-9 would take all memory
			one = ir.NewTensor(d, nil, ir.Memory(b.element(d)))
		}
		return b.node("Range", 1, []*ir.Value{b.add(from), b.add(to), b.add(one)})
	}},
	{"ReduceSum", "lifd", foldReduce}, {"ReduceProd", "lifd", foldReduce}, {"ReduceMax", foldNumeric, foldReduce}, {"ReduceMin", foldNumeric, foldReduce},
	{"CumSum", "lifd", func(b *foldBuilder, row foldOp) *ir.Node {
		axis := b.add(ir.NewTensor(ir.Int64, nil, ir.Int64s(-int64(b.below(2))).Raw))
		n := b.node("CumSum", 1, []*ir.Value{b.operand(b.dtype(row.dtypes)), axis})
		n.SetAttr(ir.IntAttr("exclusive", int64(b.below(3)/2)))
		n.SetAttr(ir.IntAttr("reverse", int64(b.below(3)/2)))
		return n
	}},
	{"ScatterND", foldAny, func(b *foldBuilder, row foldOp) *ir.Node {
		d := b.dtype(row.dtypes)
		at := b.add(ir.NewTensor(ir.Int64, []int64{1, 1}, ir.Int64s(b.small()).Raw))
		return b.node("ScatterND", 1, []*ir.Value{b.operand(d), at, b.constant(d, 1)})
	}},
	{"ScatterElements", foldAny, func(b *foldBuilder, row foldOp) *ir.Node {
		d := b.dtype(row.dtypes)
		return b.node("ScatterElements", 1, []*ir.Value{b.operand(d), b.smalls(1), b.constant(d, 1)})
	}},
}

func foldUnary(b *foldBuilder, row foldOp) *ir.Node {
	return b.node(row.op, 1, []*ir.Value{b.operand(b.dtype(row.dtypes))})
}

func foldBinary(b *foldBuilder, row foldOp) *ir.Node {
	d := b.dtype(row.dtypes)
	return b.node(row.op, 1, []*ir.Value{b.operand(d), b.operand(d)})
}

func foldByShape(b *foldBuilder, row foldOp) *ir.Node {
	x := b.operand(b.dtype(row.dtypes))
	rank, _ := b.info.Of(x).Rank()
	return b.node(row.op, 1, []*ir.Value{x, b.smalls(max(rank, b.below(3)))})
}

// oneOf returns the bytes of the number i.
func (b *foldBuilder) oneOf(d ir.DType, i int64) []byte {
	switch d {
	case ir.Float32:
		return binary.LittleEndian.AppendUint32(nil, math.Float32bits(float32(i)))
	case ir.Float64:
		return binary.LittleEndian.AppendUint64(nil, math.Float64bits(float64(i)))
	}
	return binary.LittleEndian.AppendUint64(nil, uint64(i))[:d.Bits()/8]
}

// foldDivision: ONNX Runtime divides the least integer by -1 in one instruction,
// which traps, so that no divisor is -1.
func foldDivision(b *foldBuilder, row foldOp) *ir.Node {
	d := b.dtype(row.dtypes)
	by := b.constant(d)
	if !d.IsFloat() {
		divisors := []int64{2, 3, 7, 0, -2, -3, 100}
		by = b.add(ir.NewTensor(d, nil, ir.Memory(b.oneOf(d, divisors[b.below(len(divisors))]))))
	}
	n := b.node(row.op, 1, []*ir.Value{b.operand(d), by})
	if row.op == "Mod" && (d.IsFloat() || b.below(2) == 1) {
		n.SetAttr(ir.IntAttr("fmod", 1))
	}
	return n
}

func foldPower(b *foldBuilder, row foldOp) *ir.Node {
	d := b.dtype(row.dtypes)
	return b.node("Pow", 1, []*ir.Value{b.operand(d), b.add(ir.NewTensor(d, nil, ir.Memory(b.oneOf(d, int64(b.below(4))))))})
}

// foldReduce: the axes are an input of ReduceSum from operator set 13 on, of the
// others from 18 on.
func foldReduce(b *foldBuilder, row foldOp) *ir.Node {
	inputs := []*ir.Value{b.operand(b.dtype(row.dtypes))}
	attrs := []*ir.Attr{ir.IntAttr("keepdims", int64(b.below(2)))}
	axes := []int64{b.small()}[:b.below(2)]
	switch asInput := row.op == "ReduceSum" || b.m.Opset("") >= 18; {
	case b.below(2) == 0:
	case asInput:
		inputs = append(inputs, b.ints(axes...))
	case len(axes) > 0:
		attrs = append(attrs, ir.IntsAttr("axes", axes...))
	}
	n := b.node(row.op, 1, inputs, attrs...)
	if b.below(3) == 1 && (row.op == "ReduceSum" || b.m.Opset("") >= 18) {
		n.SetAttr(ir.IntAttr("noop_with_empty_axes", 1))
	}
	return n
}
