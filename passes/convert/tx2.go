package convert

import (
	"fmt"
	"slices"

	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/compiler/shape"
	"github.com/bottlenet/bnc/passes"
	"github.com/bottlenet/bnc/passes/opt"
)

// What a Jetson TX2 takes: JetPack 4.6 has TensorRT 8.0/8.2, whose parser reads
// operator sets up to 13, and ONNX Runtime 1.11.
const (
	tx2Opset = 13
	tx2IR    = 7
)

// LowerForTX2 brings a mobile graph to operator set 13 and IR 7, converting the
// operators that are newer where their meaning allows it.
var LowerForTX2 = passes.Pass{
	Name:     "lower-tx2",
	Requires: []passes.Requirement{{Property: passes.NoFormalInputs, Reason: "it adds constants"}},
	Ensures:  []*passes.Property{tx2Versions},
	Breaks:   []*passes.Property{opt.NoDeadCode},
	Run: func(m *ir.Model) (int, error) {
		changed := 0
		if opset := m.Opset(""); opset > tx2Opset {
			info, err := shape.Infer(m, shape.Options{})
			if err != nil {
				return 0, err
			}
			l := lowering{ir.Emitter{Graph: m.Graph, Opset: tx2Opset, Prefix: "bnc.tx2."}, info}
			for _, n := range m.Graph.Nodes() {
				did, err := l.lower(n, opset)
				if err != nil {
					return changed, err
				}
				if did {
					changed++
				}
			}
			m.SetOpset("", tx2Opset)
			if err := m.Graph.Sort(); err != nil {
				return changed, err
			}
		}
		if m.IRVersion() > tx2IR {
			m.SetIRVersion(tx2IR)
			changed++
		}
		return changed, nil
	},
}

// tx2Versions is ensured by [LowerForTX2].
var tx2Versions = &passes.Property{
	Name: fmt.Sprintf("the operator set is %d or older, and the IR version %d", tx2Opset, tx2IR),
	Check: func(m *ir.Model) error {
		if m.Opset("") > tx2Opset || m.IRVersion() > tx2IR {
			return fmt.Errorf("it is operator set %d and IR version %d", m.Opset(""), m.IRVersion())
		}
		return nil
	},
}

// CheckTensorRT fails unless TensorRT parses every node but the Cast to uint8 at
// the end.
var CheckTensorRT = passes.Pass{
	Name: "check-tensorrt",
	Requires: []passes.Requirement{
		{Property: opt.NoDeadCode, Reason: "a node that nobody needs would be refused as well"},
		{Property: tx2Versions, Reason: "operators are those of the operator set that the parser reads"},
	},
	Run: func(m *ir.Model) (int, error) { return 0, checkTensorRT(m) },
}

type lowering struct {
	ir.Emitter
	info *shape.Info
}

// lower rewrites n, of the given operator set, for operator set 13.
func (l lowering) lower(n *ir.Node, opset int64) (bool, error) {
	refuse := func(format string, args ...any) (bool, error) {
		return false, passes.Unsuitable(n.Label(), "operator set %d cannot express it in operator set %d: %s", opset, tx2Opset, fmt.Sprintf(format, args...))
	}
	if n.Domain != "" {
		return refuse("domain %q", n.Domain)
	}
	if len(n.Bodies()) > 0 {
		return refuse("its bodies are not converted")
	}
	now, ok := shape.SinceVersion("", n.Op, opset)
	if !ok {
		return refuse("%s is not known", n.Op)
	}
	old, existed := shape.SinceVersion("", n.Op, tx2Opset)
	if existed && now == old {
		return false, nil
	}
	rule := lowerings[n.Op]
	switch {
	case rule != nil:
		if reason := rule(l, n); reason != "" {
			return refuse("%s", reason)
		}
		return true, nil
	case existed && slices.Contains(widened, n.Op):
		return false, nil // only took more types since
	}
	return refuse("%s changed with version %d", n.Op, now)
}

// widened are operators that since operator set 13 only learned more element
// types.
var widened = []string{
	"Abs", "Acos", "Add", "And", "ArgMax", "ArgMin", "Cos", "ConstantOfShape", "Conv", "ConvTranspose", "DepthToSpace", "Div",
	"Dropout", "Elu", "Equal", "Flatten", "GlobalAveragePool", "GlobalMaxPool", "Greater", "GreaterOrEqual", "HardSigmoid",
	"Identity", "InstanceNormalization", "LeakyRelu", "Less", "LessOrEqual", "MaxPool", "Mul", "Not", "Or", "PRelu", "Pow",
	"Relu", "ScatterND", "Selu", "Sin", "Size", "Softplus", "Softsign", "Sub", "ThresholdedRelu", "Transpose", "Squeeze",
	"Unsqueeze", "Where", "Acosh", "Asin", "Asinh", "Atan", "Atanh", "Cosh", "Sinh", "Tan", "EyeLike", "GlobalLpPool", "CumSum", "LpNormalization", "LRN", "GatherElements", "Constant",
}

// lowerings rewrite one operator for operator set 13; they return why they
// cannot.
var lowerings = map[string]func(l lowering, n *ir.Node) string{
	"AveragePool":        dropDefault("dilations", func(v int64) bool { return v == 1 }),
	"BatchNormalization": dropDefault("training_mode", func(v int64) bool { return v == 0 }),
	"Cast":               dropDefault("saturate", func(v int64) bool { return true }),
	"CastLike":           lowerCastLike,
	"Reshape":            lowerReshape,
	"Pad":                lowerPad,
	"Resize":             lowerResize,
	"Shape":              lowerShape,
	"Split":              lowerSplit,
	"ReduceMax":          lowerReduce,
	"ReduceMin":          lowerReduce,
	"ReduceMean":         lowerReduce,
	"ReduceProd":         lowerReduce,
	"ReduceL1":           lowerReduce,
	"ReduceLogSum":       lowerReduce,
	"ReduceLogSumExp":    lowerReduce,
	"ReduceL2":           lowerReduce,
	"ReduceSumSquare":    lowerReduce,
	"HardSwish":          lowerHardSwish,
	"Gelu":               lowerGelu,
	"Mish":               lowerMish,
	"LayerNormalization": lowerLayerNorm,
}

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

// tensorRTOps are the operators that the parsers of TensorRT 8.0 and 8.2 both
// read (onnx-tensorrt, docs/operators.md of those releases).
var tensorRTOps = []string{
	"Abs", "Acos", "Acosh", "Add", "And", "ArgMax", "ArgMin", "Asin", "Asinh", "Atan", "Atanh", "AveragePool",
	"BatchNormalization", "Cast", "Ceil", "Celu", "Clip", "Concat", "Constant", "ConstantOfShape", "Conv",
	"ConvTranspose", "Cos", "Cosh", "CumSum", "DepthToSpace", "DequantizeLinear", "Div", "Dropout", "Elu", "Equal",
	"Erf", "Exp", "Expand", "EyeLike", "Flatten", "Floor", "GRU", "Gather", "GatherElements", "Gemm",
	"GlobalAveragePool", "GlobalLpPool", "GlobalMaxPool", "Greater", "GreaterOrEqual", "HardSigmoid", "Identity",
	"If", "ImageScaler", "InstanceNormalization", "LRN", "LSTM", "LeakyRelu", "Less", "LessOrEqual", "Log",
	"LogSoftmax", "Loop", "LpNormalization", "LpPool", "MatMul", "Max", "MaxPool", "Mean", "Min", "Mul", "Neg",
	"NonMaxSuppression", "Not", "Or", "PRelu", "Pad", "ParametricSoftplus", "Pow", "QuantizeLinear", "RNN",
	"RandomUniform", "RandomUniformLike", "Range", "ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp",
	"ReduceMax", "ReduceMean", "ReduceMin", "ReduceProd", "ReduceSum", "ReduceSumSquare", "Relu", "Reshape",
	"Resize", "ReverseSequence", "ScaledTanh", "Scan", "Selu", "Shape", "Sigmoid", "Sin", "Sinh", "Size", "Slice",
	"Softmax", "Softplus", "Softsign", "SpaceToDepth", "Split", "Sqrt", "Squeeze", "Sub", "Sum", "Tan", "Tanh",
	"ThresholdedRelu", "Tile", "TopK", "Transpose", "Unsqueeze", "Upsample", "Where",
}

// constantInputs are inputs that TensorRT demands to be initializers.
var constantInputs = map[string][]int{"ConvTranspose": {1}, "Clip": {1, 2}, "Split": {1}}

// checkTensorRT names the first node that TensorRT 8 would not take. The Cast to
// uint8 that ends a mobile graph stays with ONNX Runtime.
func checkTensorRT(m *ir.Model) error {
	if err := checkTensorRTNodes(m.Graph); err != nil {
		return err
	}
	for _, v := range m.Graph.Feeds() {
		if d := v.DType(); d == ir.Uint8 || d == ir.Float64 || d == ir.String {
			return passes.Unsuitable(fmt.Sprintf("input %q", v.Name()), "TensorRT 8 has no type %v; give the model a float32 input", d)
		}
	}
	return checkIntegers(m)
}

// checkTensorRTNodes checks a graph and the bodies of its nodes.
func checkTensorRTNodes(g *ir.Graph) error {
	for _, n := range g.Nodes() {
		for _, body := range n.Bodies() {
			if err := checkTensorRTNodes(body); err != nil {
				return err
			}
		}
		if n.Domain != "" || !slices.Contains(tensorRTOps, n.Op) {
			return passes.Unsuitable(n.Label(), "TensorRT 8 on a Jetson TX2 does not parse this operator; choose an earlier cut or --target default")
		}
		for _, i := range constantInputs[n.Op] {
			if v := n.Input(i); v != nil && v.Init() == nil {
				return passes.Unsuitable(n.Label(), "TensorRT 8 demands that its input %q is an initializer", v.Name())
			}
		}
		to := ir.DType(n.Int("to", 0))
		last := n.Output(0) != nil && n.Output(0).IsOutput()
		if n.Op == "Cast" && !last && to != ir.Float32 && to != ir.Float16 && to != ir.Int32 && to != ir.Int64 && to != ir.Bool {
			return passes.Unsuitable(n.Label(), "TensorRT 8 has no type %v", to)
		}
	}
	return nil
}
