package grad

import (
	"fmt"
	"math"
	"slices"

	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/compiler/shape"
)

// Layout is the order of activations in memory.
type Layout string

// The layouts of a step graph.
const (
	NCHW Layout = "nchw" // [N,C,H,W], as in the model
	// CHWN keeps activations as [C,H,W,N]. A convolution is one large matrix
	// product then, over long contiguous runs, instead of one an image: what
	// makes small maps fast.
	CHWN Layout = "chwn"
	// Auto takes CHWN for the whole graph where that is faster, and else for single
	// convolutions of tiny maps only.
	Auto Layout = "auto"
)

// What a convolution costs is taken to be its multiply-accumulates and, in NCHW,
// what it takes to begin a matrix product for each image, whose columns are
// computed by the vector; in CHWN a share more for shifted copies, and for
// convolutions with groups, which have no form there, two transpositions. The
// numbers are fits to networks of small and large maps.
const (
	costOfImage     = 2.5e6 // MACs
	costOfShifts    = 1.3   // factor
	costOfTransport = 300   // MACs an element
	// Weights that do not change let ONNX Runtime choose a layout of its own, in
	// place of NCHW only.
	costOfConstant = 0.5 // factor
	vectorLength   = 16
)

// costs are those of a convolution's forward pass from map x to y with weights w,
// in multiply-accumulates an image: in NCHW, in CHWN, and in CHWN between maps in
// NCHW.
func (b *builder) costs(x, w, y *ir.Value, group int64) (nchw, chwn, alone float64) {
	positions := ir.Elements(b.dims(y)[2:])
	kernels := float64(ir.Elements(b.dims(w)))
	macs := kernels * float64(positions)
	vectors := (positions + vectorLength - 1) / vectorLength
	nchw = kernels*float64(vectors*vectorLength) + costOfImage
	if w.Init() != nil {
		nchw = costOfConstant * macs
	}
	transport := costOfTransport * float64(ir.Elements(b.dims(x)[1:])+ir.Elements(b.dims(y)[1:]))
	if group != 1 {
		return nchw, macs + costOfImage + transport/2, math.Inf(1)
	}
	return nchw, costOfShifts * macs, costOfShifts*macs + transport
}

// resolve turns Auto into CHWN where that is faster for the graph of b.
func (l Layout) resolve(b *builder) Layout {
	if l != Auto {
		return l
	}
	var mixed, whole float64
	for _, n := range b.g.Nodes() {
		if n.Op == "Conv" && n.Domain == "" && len(b.dims(n.Output(0))) == 4 {
			nchw, chwn, alone := b.costs(n.Input(0), n.Input(1), n.Output(0), n.Int("group", 1))
			mixed, whole = mixed+min(nchw, alone), whole+chwn
		}
	}
	if whole < mixed {
		return CHWN
	}
	return Auto
}

// starts reports whether a convolution, or one of its gradients, is to be computed
// in CHWN, whatever its neighbours are; others follow theirs.
func (b *builder) starts(n *ir.Node, layout Layout) (yes, convolution bool) {
	x, w, y := n.Input(0), n.Input(1), n.Output(0)
	switch n.Op {
	case "Conv":
	case "ConvGradInput":
		x, y = n.Output(0), n.Input(0)
	case "ConvGradWeight":
		w, y = n.Output(0), n.Input(1)
	default:
		return false, false
	}
	if layout != Auto || len(b.dims(y)) != 4 {
		return layout == CHWN, true
	}
	nchw, _, alone := b.costs(x, w, y, n.Int("group", 1))
	return alone < nchw, true
}

// toCHWN and fromCHWN are the permutations between the layouts.
var (
	toCHWN   = []int64{1, 2, 3, 0}
	fromCHWN = []int64{3, 0, 1, 2}
)

// relayout lowers a graph, or parts of it, to CHWN. Nodes that have a form for it
// compute in it; for the others their inputs are transposed back. A value is
// transposed once each way at most.
type relayout struct {
	*builder
	layout Layout
	chwn   map[*ir.Value]*ir.Value // a value of rank 4 as [C,H,W,N]
	nchw   map[*ir.Value]*ir.Value // the output of a converted node, transposed back
	gone   map[*ir.Node]bool       // converted
}

// converter computes a node in CHWN and returns its outputs, those of rank 4 as
// [C,H,W,N], and nil where this node has no such form.
type converter func(l *relayout, n *ir.Node) []*ir.Value

// lower lowers the graph of b, whose nodes are in their order.
func lower(b *builder, layout Layout) {
	l := &relayout{builder: b, layout: layout, chwn: map[*ir.Value]*ir.Value{}, nchw: map[*ir.Value]*ir.Value{}, gone: map[*ir.Node]bool{}}
	var dead []*ir.Node
	for _, n := range b.g.Nodes() {
		l.prefix = first(n) + "."
		if convert := converterOf(n); convert != nil && l.worthwhile(n) {
			if outs := convert(l, n); outs != nil {
				l.gone[n] = true
				dead = append(dead, n)
				l.replace(n, outs, n.Op != "ConvGradWeight") // weights stay as they are
				continue
			}
		}
		for i, v := range n.Inputs() {
			if v != nil && l.chwn[v] != nil && l.gone[v.Producer()] {
				n.SetInput(i, l.plain(v))
			}
		}
		if n.Domain == Domain {
			inNCHW := nchw[n.Op]
			if inNCHW == nil {
				panic(fmt.Sprintf("BUG: no lowering of %s", n.Op))
			}
			l.replace(n, inNCHW(b, n), false)
			dead = append(dead, n)
		}
	}
	b.g.Remove(dead...)
}

// replace makes outs stand for the outputs of n.
func (l *relayout) replace(n *ir.Node, outs []*ir.Value, converted bool) {
	for i, v := range outs {
		old := n.Output(i)
		if old == nil {
			continue
		}
		if converted && len(l.dims(old)) == 4 {
			l.chwn[old] = v
			continue
		}
		if err := old.Replace(v); err != nil {
			panic("BUG: " + err.Error())
		}
	}
}

// worthwhile reports whether n is to be converted: convolutions that start, others
// where something they read is in CHWN already. What gives outputs of the graph
// stays.
func (l *relayout) worthwhile(n *ir.Node) bool {
	if slices.ContainsFunc(n.Outputs(), func(v *ir.Value) bool { return v != nil && v.IsOutput() }) {
		return false
	}
	if yes, convolution := l.starts(n, l.layout); convolution {
		return yes
	}
	return slices.ContainsFunc(n.Inputs(), func(v *ir.Value) bool { return v != nil && l.chwn[v] != nil && l.gone[v.Producer()] })
}

func permuted(d, perm []int64) []int64 {
	out := make([]int64, len(d))
	for i, p := range perm {
		out[i] = d[p]
	}
	return out
}

// form returns v, of at most 4 axes, as [C,H,W,N]; numbers stay as they are.
func (l *relayout) form(v *ir.Value) *ir.Value {
	if c := l.chwn[v]; c != nil {
		return c
	}
	d := l.dims(v)
	if ir.Elements(d) == 1 {
		return v
	}
	wide := slices.Concat(slices.Repeat([]int64{1}, 4-len(d)), d)
	c := l.move(v, wide, toCHWN)
	l.chwn[v] = c
	return c
}

// plain returns v as the model has it.
func (l *relayout) plain(v *ir.Value) *ir.Value {
	if l.nchw[v] == nil {
		l.nchw[v] = l.move(l.chwn[v], permuted(l.dims(v), toCHWN), fromCHWN)
	}
	return l.nchw[v]
}

// move reshapes v to dims and permutes its axes: without a copy where only axes
// of 1 move.
func (l *relayout) move(v *ir.Value, dims, perm []int64) *ir.Value {
	order := func(d []int64, perm []int64) []int64 { // the axes longer than 1 as they lie in memory
		var out []int64
		for _, p := range perm {
			if d[p] != 1 {
				out = append(out, p)
			}
		}
		return out
	}
	to := permuted(dims, perm)
	d := l.typeOf(v)
	if slices.IsSorted(order(dims, perm)) {
		return l.emit("", "Reshape", d, to, []*ir.Value{v, l.ints(to...)})
	}
	if !slices.Equal(l.dims(v), dims) {
		v = l.emit("", "Reshape", d, dims, []*ir.Value{v, l.ints(dims...)})
	}
	return l.emit("", "Transpose", d, to, []*ir.Value{v}, ir.IntsAttr("perm", perm...))
}

// typeOf returns the element type of v.
func (b *builder) typeOf(v *ir.Value) ir.DType {
	if d := v.DType(); d != ir.Undefined {
		return d
	}
	return b.info.Of(v).DType
}

// converters are the nodes that have a form of their own in CHWN.
var converters = map[key]converter{
	{"", "BatchNormalization"}: batchNormCHWN,
	{Domain, batchNormTrain}:   batchNormTrainCHWN,
	{"", "Conv"}:               convCHWN,
	{Domain, "ConvGradInput"}:  convGradInputCHWN,
	{Domain, "ConvGradWeight"}: convGradWeightCHWN,
	{"", "GlobalAveragePool"}:  globalAverageCHWN,
	{"", "ReduceSum"}:          reduceCHWN,
	{"", "ReduceMean"}:         reduceCHWN,
	{"", "ReduceMax"}:          reduceCHWN,
	{"", "Concat"}:             concatCHWN,
	{"", "Slice"}:              sliceCHWN,
	{"", "Expand"}:             expandCHWN,
}

// converterOf returns the form that n has in CHWN, nil where it has none.
func converterOf(n *ir.Node) converter {
	if c := converters[key{n.Domain, n.Op}]; c != nil {
		return c
	}
	if n.Domain == "" && shape.Of(n).Elementwise() {
		return pointwise
	}
	return nil
}

// pointwise computes each element from those at the same place.
func pointwise(l *relayout, n *ir.Node) []*ir.Value {
	d := l.dims(n.Output(0))
	if len(d) != 4 || n.NumOutputs() != 1 {
		return nil
	}
	var in []*ir.Value
	for _, v := range n.Inputs() {
		if v != nil {
			v = l.form(v)
		}
		in = append(in, v)
	}
	return []*ir.Value{l.emit("", n.Op, l.typeOf(n.Output(0)), permuted(d, toCHWN), in, n.Attrs()...)}
}

// planes sees x [C,H,W,N] as [1,C,H,W*N].
func (b *builder) planes(x *ir.Value) *ir.Value {
	d := b.dims(x)
	return b.reshape(x, 1, d[0], d[1], d[2]*d[3])
}

func (l *relayout) normalised(x *ir.Value, parameters []*ir.Value, attrs []*ir.Attr) *ir.Value {
	d := l.dims(x)
	flat := l.reshape(x, 1, d[0], ir.Elements(d[1:]))
	y := l.op("BatchNormalization", l.dims(flat), append([]*ir.Value{flat}, parameters...), attrs...)
	return l.reshape(y, d...)
}

func batchNormCHWN(l *relayout, n *ir.Node) []*ir.Value {
	if len(l.dims(n.Input(0))) != 4 || n.Int("training_mode", 0) != 0 {
		return nil
	}
	return []*ir.Value{l.normalised(l.form(n.Input(0)), n.Inputs()[1:5], []*ir.Attr{ir.FloatAttr("epsilon", n.Float("epsilon", 1e-5))})}
}

func batchNormTrainCHWN(l *relayout, n *ir.Node) []*ir.Value {
	if len(l.dims(n.Input(0))) != 4 {
		return nil
	}
	x := l.form(n.Input(0))
	c := l.dims(x)[0]
	mean := l.reduce("ReduceMean", x, false, 1, 2, 3)
	centred := l.sub(x, l.reshape(mean, c, 1, 1, 1))
	variance := l.reduce("ReduceMean", l.mul(centred, centred), false, 1, 2, 3)
	y := l.normalised(x, []*ir.Value{n.Input(1), n.Input(2), mean, variance}, []*ir.Attr{ir.FloatAttr("epsilon", n.Float("epsilon", 1e-5))})
	return []*ir.Value{y, mean, variance}
}

func globalAverageCHWN(l *relayout, n *ir.Node) []*ir.Value {
	if len(l.dims(n.Input(0))) != 4 {
		return nil
	}
	return []*ir.Value{l.reduce("ReduceMean", l.form(n.Input(0)), true, 1, 2)}
}

// axisIn returns where an axis of [N,C,H,W] is in CHWN.
func axisIn(axis int64) int64 { return (fromFront(axis, 4) + 3) % 4 }

// constInts returns the elements of an integer constant.
func constInts(v *ir.Value) ([]int64, bool) {
	if v == nil || v.Const() == nil {
		return nil, false
	}
	x, err := v.Const().Ints()
	return x, err == nil
}

func reduceCHWN(l *relayout, n *ir.Node) []*ir.Value {
	if len(l.dims(n.Input(0))) != 4 {
		return nil
	}
	axes := n.Ints("axes")
	if n.Input(1) != nil {
		var ok bool
		if axes, ok = constInts(n.Input(1)); !ok {
			return nil
		}
	}
	if len(axes) == 0 {
		return nil
	}
	keep := n.Int("keepdims", 1) != 0
	batch := false // is reduced
	var there []int64
	for _, a := range axes {
		batch = batch || fromFront(a, 4) == 0
		there = append(there, axisIn(a))
	}
	slices.Sort(there)
	if !keep && !batch && len(axes) < 3 {
		return nil // what remains has another order
	}
	if n.Op == "ReduceSum" {
		return []*ir.Value{l.sum(l.form(n.Input(0)), keep, there...)}
	}
	return []*ir.Value{l.reduce(n.Op, l.form(n.Input(0)), keep, there...)}
}

func concatCHWN(l *relayout, n *ir.Node) []*ir.Value {
	if len(l.dims(n.Output(0))) != 4 {
		return nil
	}
	var in []*ir.Value
	for _, v := range n.Inputs() {
		v = l.form(v)
		if len(l.dims(v)) != 4 {
			return nil
		}
		in = append(in, v)
	}
	return []*ir.Value{l.concat(axisIn(n.Int("axis", 0)), in...)}
}

func sliceCHWN(l *relayout, n *ir.Node) []*ir.Value {
	axes, ok := constInts(n.Input(3))
	if !ok || len(l.dims(n.Input(0))) != 4 {
		return nil
	}
	for i, a := range axes {
		axes[i] = axisIn(a)
	}
	in := slices.Clone(n.Inputs())
	in[0], in[3] = l.form(in[0]), l.ints(axes...)
	return []*ir.Value{l.op("Slice", permuted(l.dims(n.Output(0)), toCHWN), in)}
}

func expandCHWN(l *relayout, n *ir.Node) []*ir.Value {
	if len(l.dims(n.Output(0))) != 4 || len(l.dims(n.Input(0))) != 4 {
		return nil
	}
	return []*ir.Value{l.expand(l.form(n.Input(0)), permuted(l.dims(n.Output(0)), toCHWN))}
}
