//go:build cgo

package oracle

import (
	"fmt"
	"slices"
	"strings"
)

func init() {
	for name, row := range moreGradRows {
		gradRows[name] = row
	}
}

// unaries are functions of each element: where their operand lies, their
// attributes, and the operator set that brought them.
var unaries = []struct {
	op, operand string
	attrs       []string
	opset       int64
}{
	{"Identity", "x", nil, 17}, {"Neg", "x", nil, 17}, {"Relu", "x", nil, 17}, {"Sigmoid", "x", nil, 17}, {"Tanh", "x", nil, 17},
	{"LeakyRelu", "x", []string{"alpha = 0.3"}, 17}, {"Elu", "x", []string{"alpha = 0.6"}, 17}, {"Celu", "x", []string{"alpha = 0.4"}, 17},
	{"Selu", "x", []string{"alpha = 1.2", "gamma = 0.7"}, 17}, {"ThresholdedRelu", "w", []string{"alpha = 0.5"}, 17},
	{"Shrink", "w", []string{"lambd = 0.4", "bias = 0.3"}, 17}, {"HardSigmoid", "x", []string{"alpha = 0.3", "beta = 0.4"}, 17},
	{"HardSwish", "x", nil, 17}, {"Softplus", "x", nil, 17}, {"Softsign", "x", nil, 17}, {"Exp", "x", nil, 17}, {"Abs", "x", nil, 17},
	{"Erf", "x", nil, 17}, {"Gelu", "x", []string{`approximate = "tanh"`, `approximate = "none"`}, 20}, {"Mish", "x", nil, 18}, {"Swish", "x", []string{"alpha = 1.5"}, 24},
	{"Log", "p", nil, 17}, {"Sqrt", "p", nil, 17}, {"Reciprocal", "p", nil, 17}, {"Floor", "w", nil, 17}, {"Ceil", "w", nil, 17}, {"Round", "w", nil, 17}, {"Sign", "w", nil, 17},
	{"Sin", "x", nil, 17}, {"Cos", "x", nil, 17}, {"Tan", "u", nil, 17}, {"Asin", "u", nil, 17}, {"Acos", "u", nil, 17}, {"Atan", "x", nil, 17},
	{"Sinh", "x", nil, 17}, {"Cosh", "x", nil, 17}, {"Asinh", "x", nil, 17}, {"Acosh", "v", nil, 17}, {"Atanh", "u", nil, 17},
	{"Dropout", "x", []string{"seed = 3"}, 17}, {"Cast", "x", []string{"to = 1"}, 17},
	{"Softmax", "x", []string{"axis = 1", "axis = -2", "axis = 0"}, 17}, {"LogSoftmax", "x", []string{"axis = 1", "axis = -2", "axis = 0"}, 17},
	{"Softmax", "x", []string{"axis = 1", "axis = -2", "axis = 0"}, 11}, {"LogSoftmax", "x", []string{"axis = 1", "axis = 0"}, 11},
	{"MeanVarianceNormalization", "x", []string{"axes = [1, -1]", "axes = [2]"}, 17}, {"LpNormalization", "p", []string{"p = 1", "axis = 1", "axis = -3"}, 17},
	{"LRN", "x", []string{"size = 3", "size = 2, alpha = 0.3, beta = 0.6, bias = 1.5", "size = 7, alpha = 0.5"}, 17},
}

// reductionNames are reductions: where their operand lies.
var reductionNames = map[string]string{
	"ReduceSum": "x", "ReduceMean": "x", "ReduceMax": "x", "ReduceMin": "x", "ReduceSumSquare": "x", "ReduceL2": "x", "ReduceL1": "x",
	"ReduceLogSum": "p", "ReduceLogSumExp": "x",
}

// moreGradRows are those of element-wise functions, of moving elements about, of
// reductions and normalisations.
var moreGradRows = map[string]func(d *sketch) ruleCase{
	"elementwise": func(d *sketch) ruleCase {
		u := one(d, unaries...)
		var a attrs
		if len(u.attrs) > 0 && (d.yes(2) || u.op == "LRN" || u.op == "Cast") {
			a.set("%s", one(d, u.attrs...))
		}
		dims := d.list(4, 1, 4)
		c := ruleCase{inputs: typed(u.operand, dims), body: fmt.Sprintf("y = %s %v (%s)", u.op, a, u.operand), more: caseOptions{opset: u.opset}}
		if u.operand == "x" && d.yes(2) { // in a layout of its own
			c = ruleCase{inputs: typed("x", dims) + fmt.Sprintf(", float[%d,%d,1,1] k", dims[1], dims[1]),
				body: fmt.Sprintf("h = Conv (x, k) y = %s %v (h)", u.op, a), more: c.more}
		}
		return c
	},
	"Clip": func(d *sketch) ruleCase {
		c := ruleCase{inputs: typed("x", d.list(d.n(1, 4), 1, 4))}
		bounds := []string{`""`, `""`}
		for i, name := range []string{"lo", "hi"} {
			switch d.n(0, 2) {
			case 0:
				bounds[i] = name
				c.inputs += ", float " + name
			case 1:
				bounds[i] = name
				c.more.inits += fmt.Sprintf(", float %s = {%v}", name, []float64{-0.7, 0.8}[i])
			}
		}
		c.more.inits = strings.TrimPrefix(c.more.inits, ", ")
		c.body = fmt.Sprintf("y = Clip (x, %s)", strings.Join(bounds, ", "))
		return c
	},
	"binary": func(d *sketch) ruleCase {
		dims := d.list(d.n(1, 4), 1, 4)
		a, b := "a", "b"
		op := one(d, "Add", "Sub", "Mul", "Div", "Pow", "Max", "Min", "Sum", "Mean", "PRelu", "Where", "Mul")
		switch op {
		case "Div":
			b = "pb"
		case "Pow":
			a = "pa"
		case "PRelu":
			return ruleCase{inputs: typed("a", dims) + ", " + typed("b", d.less(dims)), body: "y = PRelu (a, b)"}
		case "Where":
			return ruleCase{inputs: "bool" + strings.TrimPrefix(typed("c", d.less(dims)), "float") + ", " + typed("a", dims) + ", " + typed("b", d.less(dims)), body: "y = Where (c, a, b)"}
		case "Max", "Min", "Sum", "Mean":
			if d.yes(2) {
				return ruleCase{inputs: typed("a", d.less(dims)) + ", " + typed("b", dims) + ", " + typed("c", d.less(dims)), body: fmt.Sprintf("y = %s (a, b, c)", op)}
			}
		}
		x, y := dims, d.less(dims)
		if d.yes(2) {
			x, y = y, x
		}
		return ruleCase{inputs: typed(a, x) + ", " + typed(b, y), body: fmt.Sprintf("y = %s (%s, %s)", op, a, b)}
	},
	"reduction": func(d *sketch) ruleCase {
		op := one(d, "ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceSumSquare", "ReduceL2", "ReduceL1", "ReduceLogSum", "ReduceLogSumExp")
		x := reductionNames[op]
		dims := d.list(d.n(1, 4), 1, 4)
		var a attrs
		opset := one[int64](d, 11, 13, 17, 18)
		input := opset >= 18 || op == "ReduceSum" && opset >= 13
		keep := d.n(0, 1)
		a.set("keepdims = %d", keep)
		if input && d.yes(4) {
			a.set("noop_with_empty_axes = 1")
		}
		axes := d.some(d.n(0, len(dims)), len(dims))
		c := ruleCase{inputs: typed(x, dims), more: caseOptions{opset: opset}}
		in := x
		switch {
		case input && d.yes(4): // none
		case input:
			c.more.inits = ints("s", axes)
			in += ", s"
		case len(axes) > 0:
			a.set("axes = [%s]", text(axes))
		}
		if keep == 0 && (len(axes) == 0 || len(axes) == len(dims) || in == x) {
			c.more.outputs = "float y"
		}
		c.body = fmt.Sprintf("h = %s %v (%s) y = Atan (h)", op, a, in)
		return c
	},
	"moves": func(d *sketch) ruleCase {
		dims := d.list(d.n(1, 4), 1, 5)
		rank := len(dims)
		axis := d.some(1, rank)[0]
		at := dims[(axis+rank)%rank]
		more := caseOptions{}
		switch one(d, "Transpose", "Concat", "Split", "Slice", "Slice", "Pad", "Pad", "Gather", "Tile", "Squeeze", "Expand", "CumSum", "Trilu", "Space") {
		case "Transpose":
			var a attrs
			if d.yes(2) {
				a.set("perm = [%s]", text(d.Perm(rank)))
			}
			return d.around(dims, "Transpose", a, "", more)
		case "Concat":
			other := slices.Clone(dims)
			other[(axis+rank)%rank] = d.n(1, 3)
			return ruleCase{inputs: typed("x", dims) + ", " + typed("z", other), body: fmt.Sprintf("y = Concat <axis = %d> (x, z, x)", axis)}
		case "Split":
			if at < 2 {
				return d.around(dims, "Identity", nil, "", more)
			}
			if d.yes(2) {
				first := d.n(1, at-1)
				more.inits, more.outputs = ints("s", []int{first, at - first}), one(d, "y, z", "z", "y")
				return ruleCase{inputs: typed("x", dims), body: fmt.Sprintf("y, z = Split <axis = %d> (x, s)", axis), more: more}
			}
			more.opset, more.outputs = 18, one(d, "y, z", "z", "y")
			return ruleCase{inputs: typed("x", dims), body: fmt.Sprintf("y, z = Split <axis = %d, num_outputs = 2> (x)", axis), more: more}
		case "Slice":
			axes := d.some(d.n(1, rank), rank)
			steps := d.list(len(axes), 1, 3)
			for i := range steps {
				steps[i] *= one(d, 1, 1, -1)
			}
			more.inits = strings.Join([]string{ints("s", d.list(len(axes), -6, 6)), ints("e", d.list(len(axes), -7, 7)), ints("a", axes), ints("t", steps)}, ", ")
			return d.around(dims, "Slice", nil, ", s, e, a"+one(d, "", ", t"), more)
		case "Pad":
			more.opset = one[int64](d, 11, 13, 18, 19)
			var a attrs
			modes := []string{"constant", "constant", "reflect", "edge"}
			if more.opset >= 19 {
				modes = append(modes, "wrap")
			}
			least, most := one(d, 0, 0, -2), 3
			if d.yes(2) {
				mode := one(d, modes...)
				a.set("mode = %q", mode)
				if mode == "wrap" { // ONNX Runtime reads behind the end with more
					least, most = 0, slices.Min(dims)
				}
			}
			if more.opset >= 18 && d.yes(2) {
				axes := d.some(d.n(1, rank), rank)
				more.inits = ints("p", d.list(2*len(axes), least, most)) + ", " + ints("a", axes)
				return d.around(dims, "Pad", a, `, p, "", a`, more)
			}
			more.inits = ints("p", d.list(2*rank, least, most))
			c := d.around(dims, "Pad", a, ", p", more)
			if d.yes(2) {
				c.inputs += ", float z"
				c.body = strings.Replace(c.body, ", p)", ", p, z)", 1)
			}
			return c
		case "Gather":
			more.inits = ints("i", d.list(d.n(1, 4), -at, at-1))
			return d.around(dims, "Gather", attrs{fmt.Sprintf("axis = %d", axis)}, ", i", more)
		case "Tile":
			more.inits = ints("n", d.list(rank, 1, 3))
			return d.around(dims, "Tile", nil, ", n", more)
		case "Squeeze":
			more.inits = ints("a", d.some(1, rank+1))
			return d.around(dims, "Unsqueeze", nil, ", a", more)
		case "Expand":
			more.inits = ints("s", slices.Concat(d.list(d.n(0, 1), 1, 3), dims))
			return ruleCase{inputs: typed("x", d.less(dims)), body: "y = Expand (x, s)", more: more}
		case "CumSum":
			more.inits = fmt.Sprintf("int64 a = {%d}", axis)
			return d.around(dims, "CumSum", attrs{fmt.Sprintf("exclusive = %d, reverse = %d", d.n(0, 1), d.n(0, 1))}, ", a", more)
		case "Trilu":
			more.inits = fmt.Sprintf("int64 n = {%d}", d.n(-2, 2))
			return d.around(append(dims, d.n(1, 4)), "Trilu", attrs{fmt.Sprintf("upper = %d", d.n(0, 1))}, one(d, "", ", n"), more)
		}
		s := d.n(1, 3)
		if d.yes(2) {
			return d.around([]int{d.n(1, 2), d.n(1, 3), s * d.n(1, 3), s * d.n(1, 3)}, "SpaceToDepth", attrs{fmt.Sprintf("blocksize = %d", s)}, "", more)
		}
		a := attrs{fmt.Sprintf("blocksize = %d", s)}
		if d.yes(2) {
			a.set("mode = %q", one(d, "DCR", "CRD"))
		}
		return d.around([]int{d.n(1, 2), s * s * d.n(1, 2), d.n(1, 3), d.n(1, 3)}, "DepthToSpace", a, "", more)
	},
	"normalisation": func(d *sketch) ruleCase {
		x := d.list(4, 1, 4)
		x[3] = d.n(2, 5)
		ch := []int{x[1]}
		var a attrs
		if d.yes(2) {
			a.set("epsilon = %v", one(d, 0.1, 0.001))
		}
		out := ruleCase{inputs: typed("x", x)}
		pre, of := "", "x"
		if d.yes(2) {
			out.inputs += fmt.Sprintf(", float[%d,%d,1,1] k", x[1], x[1])
			pre, of = "xc = Conv (x, k) ", "xc"
		}
		switch one(d, "BatchNormalization", "InstanceNormalization", "LayerNormalization", "GroupNormalization", "RMSNormalization") {
		case "BatchNormalization":
			out.inputs += ", " + strings.Join([]string{typed("g", ch), typed("b", ch), typed("m", ch), typed("pv", ch)}, ", ")
			out.body = fmt.Sprintf("%sy = BatchNormalization %v (%s, g, b, m, pv)", pre, a, of)
			out.more.opset = one[int64](d, 9, 14, 15, 17)
		case "InstanceNormalization":
			out.inputs += ", " + typed("g", ch) + ", " + typed("b", ch)
			out.body = fmt.Sprintf("%sy = InstanceNormalization %v (%s, g, b)", pre, a, of)
		case "LayerNormalization":
			axis := d.n(1, 3)
			a.set("axis = %d", axis-one(d, 0, 4))
			out.inputs += ", " + typed("g", x[axis:]) + ", " + typed("b", x[axis:])
			out.body = fmt.Sprintf("%sy = LayerNormalization %v (%s, g, b)", pre, a, of)
		case "GroupNormalization":
			groups := d.n(1, 2)
			x[1] = groups * d.n(1, 2)
			n := x[1]
			if out.more.opset = one[int64](d, 18, 21); out.more.opset < 21 {
				n = groups
			}
			a.set("num_groups = %d", groups)
			out.inputs = typed("x", x) + ", " + typed("g", []int{n}) + ", " + typed("b", []int{n})
			out.body = fmt.Sprintf("y = GroupNormalization %v (x, g, b)", a)
		case "RMSNormalization":
			axis := d.n(1, 3)
			a.set("axis = %d", axis-one(d, 0, 4))
			out.more.opset = 23
			out.inputs += ", " + typed("g", x[axis:])
			out.body = fmt.Sprintf("%sy = RMSNormalization %v (%s, g)", pre, a, of)
		}
		return out
	},
	"DequantizeLinear": func(d *sketch) ruleCase {
		dims := []int{2, 3, d.n(1, 3)}
		axis := d.n(0, 2)
		list := d.list(dims[0]*dims[1]*dims[2], 0, 250)
		scale, a := []int{dims[axis]}, attrs{fmt.Sprintf("axis = %d", axis-one(d, 0, 3))}
		if d.yes(2) {
			scale, a = nil, nil
		}
		c := ruleCase{inputs: typed("ps", scale), more: caseOptions{opset: one[int64](d, 13, 17, 19, 21)}}
		c.more.inits = fmt.Sprintf("uint8[%s] q = {%s}", text(dims), text(list))
		in := "q, ps"
		if d.yes(2) {
			n := 1
			size := ""
			if scale != nil {
				n, size = scale[0], fmt.Sprintf("[%d]", scale[0])
			}
			c.more.inits += fmt.Sprintf(", uint8%s z = {%s}", size, text(d.list(n, 100, 150)))
			in += ", z"
		}
		c.body = fmt.Sprintf("y = DequantizeLinear %v (%s)", a, in)
		return c
	},
}
