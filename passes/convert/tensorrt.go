package convert

import (
	"fmt"
	"math"
	"slices"

	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/passes"
	"github.com/bottlenet/bnc/passes/opt"
)

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
			return passes.Unsuitable(n.Label(), "TensorRT 8 on a Jetson TX2 does not parse this operator; choose an earlier cut or option target default")
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

// clampedInputs are the inputs whose meaning survives that TensorRT 8 reads
// int64 constants as int32 and clamps them: bounds past a dimension's end.
var clampedInputs = map[string][]int{"Slice": {1, 2}}

// wideInteger returns an int64 constant that n reads and TensorRT 8 would turn
// into another number, and whether there is one.
func wideInteger(n *ir.Node) (v *ir.Value, number int64, found bool) {
	for i, v := range n.Inputs() {
		if v == nil || v.DType() != ir.Int64 || slices.Contains(clampedInputs[n.Op], i) {
			continue
		}
		t := v.Const()
		if t == nil {
			continue
		}
		numbers, err := t.Ints()
		if err != nil {
			continue // the verifier's matter
		}
		for _, number := range numbers {
			if number < math.MinInt32 || number > math.MaxInt32 {
				return v, number, true
			}
		}
	}
	return nil, 0, false
}

// checkIntegers names the first node, those in bodies included, that reads such
// a constant.
func checkIntegers(m *ir.Model) error {
	var err error
	m.Graph.Walk(func(n *ir.Node) {
		if v, number, found := wideInteger(n); found && err == nil {
			err = passes.Unsuitable(n.Label(), "TensorRT 8 reads int64 as int32, and constant %q holds %d; "+
				"choose an earlier cut or option target default", v.Name(), number)
		}
	})
	return err
}
