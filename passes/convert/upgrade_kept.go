package convert

// keptVersions lists, for each version of operator set ai.onnx, the operators
// whose change with that version leaves the meaning of nodes written before it
// as it was: more element types, attributes whose default is the old behaviour,
// negative axes, inputs that became optional (ONNX, docs/Changelog.md).
var keptVersions = map[int64][]string{
	8:  {"Max", "MaxPool", "Mean", "Min", "Sum"},
	9:  {"Cast", "Constant", "Flatten", "Gemm", "Greater", "Less", "MatMul", "MeanVarianceNormalization", "PRelu"},
	10: {"AveragePool", "MaxPool", "ThresholdedRelu"},
	11: {
		"ArgMax", "ArgMin", "AveragePool", "Compress", "Concat", "Constant", "Conv", "ConvTranspose", "DepthToSpace",
		"Equal", "Flatten", "Gather", "Gemm", "Hardmax", "If", "LogSoftmax", "Loop", "LpPool", "MaxPool", "MaxUnpool",
		"NonMaxSuppression", "OneHot", "ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp", "ReduceMax",
		"ReduceMean", "ReduceMin", "ReduceProd", "ReduceSum", "ReduceSumSquare", "Scan", "Slice", "Softmax", "Split",
		"Squeeze", "TopK", "Unsqueeze",
	},
	12: {"ArgMax", "ArgMin", "Clip", "Constant", "GatherND", "Max", "MaxPool", "Min", "Pow", "ReduceMax", "ReduceMin"},
	13: {
		"Abs", "Add", "ArgMax", "ArgMin", "Cast", "Ceil", "Clip", "Concat", "Constant", "DepthToSpace",
		"DequantizeLinear", "Div", "Dropout", "Equal", "Erf", "Exp", "Expand", "Flatten", "Floor", "Gather",
		"GatherElements", "GatherND", "Gemm", "Greater", "Identity", "If", "IsNaN", "LRN", "Less", "Log", "Loop",
		"MatMul", "Max", "Mean", "MeanVarianceNormalization", "Min", "Mod", "Mul", "Neg", "NegativeLogLikelihoodLoss",
		"NonZero", "Pad", "Pow", "QuantizeLinear", "Reciprocal", "ReduceL1", "ReduceL2", "ReduceLogSum",
		"ReduceLogSumExp", "ReduceMax", "ReduceMean", "ReduceMin", "ReduceProd", "ReduceSumSquare", "Relu", "Reshape",
		"ScatterElements", "ScatterND", "Shape", "Sigmoid", "Sign", "Size", "Slice",
		"SoftmaxCrossEntropyLoss", "SpaceToDepth", "Sqrt", "Sub", "Sum", "Tanh", "Tile", "Transpose",
	},
	14: {"Add", "CumSum", "Div", "GRU", "Identity", "LSTM", "Mul", "RNN", "Relu", "Reshape", "Sub"},
	15: {"BatchNormalization", "Pow", "Shape"},
	16: {
		"GreaterOrEqual", "Identity", "If", "LeakyRelu", "LessOrEqual", "Loop", "PRelu", "Scan", "ScatterElements",
		"ScatterND", "Where",
	},
	17: {"LayerNormalization"},
}
