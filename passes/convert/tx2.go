package convert

import (
	"fmt"
	"slices"

	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/compiler/shape"
	"github.com/bottlenet/bnc/passes"
	"github.com/bottlenet/bnc/passes/bottleneck"
	"github.com/bottlenet/bnc/passes/opt"
)

// What a Jetson TX2 takes: JetPack 4.6 has TensorRT 8.0/8.2, whose parser reads
// operator sets up to 13, and ONNX Runtime 1.11.
const (
	tx2Opset = 13
	tx2IR    = 7
)

// TX2 is the name of the target.
const TX2 = "tx2"

var tx2 = Target{
	Name:    TX2,
	Passes:  []passes.Pass{LowerForTX2, opt.DeadCode, CheckTensorRT},
	CodecAt: bottleneck.CodecOnDeviceHost,
	Reason:  "TensorRT's provider of that age refuses graphs with custom operators",
}

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
