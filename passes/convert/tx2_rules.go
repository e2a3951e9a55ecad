package convert

import (
	"fmt"
	"slices"

	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/compiler/shape"
)

// dropDefault removes an INT or INTS attribute that has to say what operator set
// 13 does anyway.
func dropDefault(name string, same func(int64) bool) func(lowering, *ir.Node) string {
	return func(_ lowering, n *ir.Node) string {
		a := n.Attr(name)
		if a == nil {
			return ""
		}
		values := a.Proto.Ints
		if a.Proto.I != nil {
			values = append(values, *a.Proto.I)
		}
		if i := slices.IndexFunc(values, func(v int64) bool { return !same(v) }); i >= 0 {
			return fmt.Sprintf("its %s is %v", name, values)
		}
		n.DelAttr(name)
		return ""
	}
}

// lowerReshape drops allowzero, which means nothing where no new size is 0.
func lowerReshape(l lowering, n *ir.Node) string {
	if n.Int("allowzero", 0) != 0 {
		sizes := l.info.Of(n.Input(1)).Content
		zero := func(d shape.Dim) bool { return !d.Differs(shape.Const(0)) }
		if sizes == nil || slices.ContainsFunc(sizes, zero) {
			return fmt.Sprintf("its allowzero is 1, and its new shape %v may have a size of 0", sizes)
		}
	}
	n.DelAttr("allowzero")
	return ""
}

// lowerCastLike writes the Cast that it is where the type is known.
func lowerCastLike(l lowering, n *ir.Node) string {
	to := l.info.Of(n.Input(1)).DType
	if to == ir.Undefined {
		return fmt.Sprintf("the element type of %q is not known", n.Input(1).Name())
	}
	n.Op = "Cast"
	n.TrimInputs(1)
	n.DelAttr("saturate")
	n.SetAttr(ir.IntAttr("to", int64(to)))
	return ""
}

// lowerPad states the pads of all axes instead of those of named ones.
func lowerPad(l lowering, n *ir.Node) string {
	if mode := n.Str("mode", "constant"); mode == "wrap" {
		return "its mode is wrap"
	}
	if n.Input(3) != nil {
		rank, ranked := l.info.Of(n.Input(0)).Rank()
		axes, named := l.info.Of(n.Input(3)).Ints()
		pads, known := l.info.Of(n.Input(1)).Ints()
		if !ranked || !named || !known {
			return "the axes that it pads, or its pads, are computed"
		}
		all := make([]int64, 2*rank)
		for i, a := range axes {
			a = (a + int64(rank)) % int64(rank)
			all[a], all[a+int64(rank)] = pads[i], pads[i+len(axes)]
		}
		n.SetInput(1, l.Ints("pads", all...))
	}
	n.TrimInputs(3)
	return ""
}

func lowerResize(_ lowering, n *ir.Node) string {
	switch {
	case n.Int("antialias", 0) != 0:
		return "it antialiases"
	case n.Attr("axes") != nil:
		return "it resizes named axes"
	case n.Str("keep_aspect_ratio_policy", "stretch") != "stretch":
		return "it keeps the aspect ratio"
	case n.Str("coordinate_transformation_mode", "half_pixel") == "half_pixel_symmetric":
		return "its coordinates are half_pixel_symmetric"
	}
	n.DelAttr("antialias")
	n.DelAttr("keep_aspect_ratio_policy")
	return ""
}

func lowerShape(l lowering, n *ir.Node) string {
	start, end := n.Attr("start"), n.Attr("end")
	if start == nil && end == nil {
		return ""
	}
	from, to := n.Int("start", 0), n.Int("end", 1<<62)
	n.DelAttr("start")
	n.DelAttr("end")
	whole := l.Graph.Temp(l.Prefix+n.Output(0).Name(), nil)
	out := n.Output(0)
	n.SetOutput(0, whole)
	l.Graph.NewNode("", "Slice", []*ir.Value{whole, l.Ints("start", from), l.Ints("end", to)}, []*ir.Value{out}).SetName(l.Prefix + "slice")
	return ""
}

// lowerSplit replaces num_outputs by the sizes it means.
func lowerSplit(l lowering, n *ir.Node) string {
	if n.Attr("num_outputs") == nil {
		return ""
	}
	axis := n.Int("axis", 0)
	var sizes []int64
	for _, v := range n.Outputs() {
		t := l.info.Of(v)
		if !t.Ranked {
			return "the rank of its outputs is not known"
		}
		size, ok := t.Dims[(axis+int64(len(t.Dims)))%int64(len(t.Dims))].Int()
		if !ok {
			return "the sizes of its outputs are not known"
		}
		sizes = append(sizes, size)
	}
	n.DelAttr("num_outputs")
	n.SetInput(1, l.Ints("split", sizes...))
	return ""
}

// lowerReduce turns the axes input of operator set 18 into the attribute. No
// axes mean all, or with noop_with_empty_axes none.
func lowerReduce(l lowering, n *ir.Node) string {
	var axes []int64
	if v := n.Input(1); v != nil {
		var known bool
		if axes, known = l.info.Of(v).Ints(); !known {
			return "its axes are not constant"
		}
	}
	noop := n.Int("noop_with_empty_axes", 0) != 0
	n.TrimInputs(1)
	n.DelAttr("noop_with_empty_axes")
	switch {
	case len(axes) > 0:
		n.SetAttr(ir.IntsAttr("axes", axes...))
	case noop && !slices.Contains([]string{"ReduceMax", "ReduceMin", "ReduceMean", "ReduceProd"}, n.Op):
		return "it reduces no axis, which is not the identity"
	case noop:
		n.Op = "Identity"
		n.DelAttr("keepdims")
	}
	return ""
}

// replace makes a new node give the output of n, which goes.
func (l lowering) replace(n *ir.Node, op string, inputs ...*ir.Value) {
	out := n.Output(0)
	n.SetOutput(0, l.Graph.Temp(l.Prefix+"unused", nil))
	l.Graph.NewNode("", op, inputs, []*ir.Value{out}).SetName(l.Prefix + out.Name())
	l.Graph.Remove(n)
}

// like is a number of the element type of x, float16 or float32.
func (l lowering) like(x *ir.Value, name string, v float32) *ir.Value {
	t := ir.Float32s([]float32{v})
	if l.info.Of(x).DType == ir.Float16 {
		t = halfTensor(t)
	}
	return l.Graph.Const(l.Prefix+name, t)
}

// lowerHardSwish writes x * max(0, min(1, x/6 + 0.5)).
func lowerHardSwish(l lowering, n *ir.Node) string {
	x := n.Input(0)
	gate := l.Op("gate", "HardSigmoid", []*ir.Value{x}, ir.FloatAttr("alpha", 1.0/6), ir.FloatAttr("beta", 0.5))
	l.replace(n, "Mul", x, gate)
	return ""
}

// lowerGelu writes x/2 * (1 + erf(x / sqrt 2)).
func lowerGelu(l lowering, n *ir.Node) string {
	if n.Str("approximate", "none") != "none" {
		return "it is the tanh approximation"
	}
	x := n.Input(0)
	erf := l.Unary("erf", "Erf", l.Binary("scaled", "Mul", x, l.like(x, "rsqrt2", 0.70710678)))
	sum := l.Binary("sum", "Add", erf, l.like(x, "one", 1))
	l.replace(n, "Mul", l.Binary("half", "Mul", x, l.like(x, "0.5", 0.5)), sum)
	return ""
}

// lowerMish writes x * tanh(softplus(x)).
func lowerMish(l lowering, n *ir.Node) string {
	x := n.Input(0)
	l.replace(n, "Mul", x, l.Unary("tanh", "Tanh", l.Unary("softplus", "Softplus", x)))
	return ""
}

// lowerLayerNorm writes (x - mean) / sqrt(variance + epsilon) * scale + bias.
func lowerLayerNorm(l lowering, n *ir.Node) string {
	t := l.info.Of(n.Input(0))
	if !t.Ranked {
		return "the rank of its input is not known"
	}
	for i, v := range n.Outputs() {
		if i > 0 && v != nil && v.Used() {
			return "its mean or inverse deviation is read"
		}
	}
	rank := int64(len(t.Dims))
	axis := (n.Int("axis", -1) + rank) % rank
	var axes []int64
	for i := axis; i < rank; i++ {
		axes = append(axes, i)
	}
	mean := func(name string, x *ir.Value) *ir.Value {
		return l.Op(name, "ReduceMean", []*ir.Value{x}, ir.IntsAttr("axes", axes...), ir.IntAttr("keepdims", 1))
	}
	d := l.Binary("centred", "Sub", n.Input(0), mean("mean", n.Input(0)))
	variance := mean("variance", l.Binary("square", "Mul", d, d))
	std := l.Unary("std", "Sqrt", l.Binary("eps", "Add", variance, l.like(n.Input(0), "epsilon", n.Float("epsilon", 1e-5))))
	y := l.Binary("normal", "Div", d, std)
	if bias := n.Input(2); bias != nil {
		l.replace(n, "Add", l.Binary("scaled", "Mul", y, n.Input(1)), bias)
	} else {
		l.replace(n, "Mul", y, n.Input(1))
	}
	return ""
}
