package shape

import (
	"strings"

	"github.com/bottlenet/bnc/compiler/ir"
)

// mlOps are the operators of domain ai.onnx.ml, which are no part of neural networks.
var mlOps = group(Op{
	Domain: "ai.onnx.ml", Class: Computation, In: exactly(1), Out: exactly(1), Inputs: takes(Data), Depends: OnContents, Sign: AnySign,
	Axes: AxesUntold, Batch: BatchMixed, Half: Never, Magnitude: Rounds, macs: free, Gives: GivesNumbers,
}, []Op{
	{Name: "ArrayFeatureExtractor", Since: since(1), In: exactly(2), infer: arrayFeatureExtractor, Inputs: takes(Data, Setting)},
	{Name: "Binarizer", Since: since(1), infer: sameAs(0)},
	{Name: "CastMap", Since: since(1), infer: castMap},
	{Name: "CategoryMapper", Since: since(1), infer: categoryMapper},
	{Name: "DictVectorizer", Since: since(1), infer: dictVectorizer},
	{Name: "FeatureVectorizer", Since: since(1), In: atLeast(1), infer: featureVectorizer},
	{Name: "Imputer", Since: since(1), infer: sameAs(0)},
	{Name: "LabelEncoder", Since: since(1, 2, 4), infer: labelEncoder},
	{Name: "LinearClassifier", Since: since(1), Out: exactly(2), infer: classifier("classlabels_strings", "classlabels_ints")},
	{Name: "LinearRegressor", Since: since(1), infer: regressor("targets")},
	{Name: "Normalizer", Since: since(1), infer: shapeOf(ir.Float32)},
	{Name: "OneHotEncoder", Since: since(1), infer: oneHotEncoder},
	{Name: "SVMClassifier", Since: since(1), Out: exactly(2), infer: classifier("classlabels_strings", "classlabels_ints")},
	{Name: "SVMRegressor", Since: since(1), infer: regressor("")},
	{Name: "Scaler", Since: since(1), infer: shapeOf(ir.Float32)},
	{Name: "TreeEnsemble", Since: since(5), infer: treeEnsemble},
	{Name: "TreeEnsembleClassifier", Since: since(1, 3, 5), Out: exactly(2), infer: classifier("classlabels_strings", "classlabels_int64s")},
	{Name: "TreeEnsembleRegressor", Since: since(1, 3, 5), infer: regressor("n_targets")},
	{Name: "ZipMap", Since: since(1), infer: zipMap},
})

// fusedOps are operators that ONNX Runtime's optimiser writes. Networks with them stay in float32.
var fusedOps = group(Op{
	Domain: "com.microsoft", In: exactly(2), Out: exactly(1), infer: sameAs(0), Class: Computation, Depends: OnContents, Sign: AnySign,
	Axes: AxesKept, Batch: BatchMixed, Half: Never, Magnitude: Rounds, Gives: GivesNumbers,
}, []Op{
	{Name: "Attention", Since: since(1), In: between(2, 7), Out: between(1, 2), infer: packedAttention,
		Inputs: takes(Data, Kernel, Weight, Setting, Data, Data, Setting), Axes: AxesUntold, macs: packedAttentionMACs},
	{Name: "BiasAdd", Since: since(1), In: exactly(3), Inputs: takes(Data, Weight, Data), macs: free},
	{Name: "BiasDropout", Since: since(1), In: between(2, 5), Out: between(1, 2), infer: dropout,
		Inputs: takes(Data, Weight, Data, Setting, Setting), Depends: OnChance, macs: free},
	{Name: "BiasGelu", Since: since(1), Class: Elementwise, Inputs: takes(Data, Weight), Batch: BatchAligned, macs: free},
	{Name: "BiasSoftmax", Since: since(1), Inputs: takes(Data, Data), macs: free},
	{Name: "CropAndResize", Since: since(1), In: exactly(4), infer: cropAndResize, Inputs: takes(Data, Data, Setting, Setting), Axes: AxesNCHW, macs: free},
	{Name: "FastGelu", Since: since(1), In: between(1, 2), Class: Activation, Inputs: takes(Data, Weight), Batch: BatchAligned, macs: free},
	{Name: "FusedConv", Since: since(1), In: between(2, 4), infer: conv.infer, macs: conv.macs,
		Inputs: takes(Data, Kernel, Weight, Data), Axes: AxesNCHW, Batch: BatchLeading},
	{Name: "FusedGemm", Since: since(1), In: between(2, 3), infer: gemm, macs: gemmMACs, Inputs: takes(Data, Kernel, Weight), Axes: AxesUntold},
	{Name: "FusedMatMul", Since: since(1), infer: matMul.infer, macs: matMul.macs, Inputs: takes(Kernel, Kernel), Axes: AxesUntold},
	{Name: "FusedMatMulActivation", Since: since(1), infer: matMul.infer, macs: matMul.macs, Inputs: takes(Kernel, Kernel), Axes: AxesUntold},
	{Name: "GatherND", Since: since(1), infer: gatherND, Class: Move, Inputs: takes(Data, Setting), Axes: AxesUntold, macs: free},
	{Name: "Gelu", Since: since(1), In: exactly(1), Class: Activation, Inputs: takes(Data), Batch: BatchAligned, macs: free},
	{Name: "GridSample", Since: since(1), infer: gridSample, Inputs: takes(Data, Data), Axes: AxesNCHW, macs: free},
	{Name: "GroupNorm", Since: since(1), In: exactly(3), Inputs: takes(Data, Weight, Weight), macs: free},
	{Name: "Inverse", Since: since(1), In: exactly(1), Inputs: takes(Data), Axes: AxesUntold, macs: free},
	{Name: "MultiHeadAttention", Since: since(1), In: between(1, 10), Out: between(1, 4), infer: multiHeadAttention,
		Inputs: takes(Data, Data, Data, Weight, Setting, Data, Data, Data, Setting, Setting), Axes: AxesUntold, macs: multiHeadMACs},
	{Name: "NhwcConv", Since: since(1), In: between(2, 3), infer: nhwcConv.infer, macs: nhwcConv.macs,
		Inputs: takes(Data, Kernel, Weight), Axes: AxesNHWC, Batch: BatchLeading},
	{Name: "NhwcFusedConv", Since: since(1), In: between(2, 4), infer: nhwcConv.infer, macs: nhwcConv.macs,
		Inputs: takes(Data, Kernel, Weight, Data), Axes: AxesNHWC, Batch: BatchLeading},
	{Name: "NhwcMaxPool", Since: since(1), In: exactly(1), infer: pool(nhwc), Inputs: takes(Data), Axes: AxesNHWC, Batch: BatchLeading, macs: free},
	{Name: "Pad", Since: since(1), In: between(2, 3), infer: pad, Class: Move, Inputs: takes(Data, Setting, Number), macs: free},
	{Name: "QuickGelu", Since: since(1), In: exactly(1), Class: Activation, Inputs: takes(Data), Batch: BatchAligned, macs: free},
	{Name: "Range", Since: since(1), In: between(2, 3), infer: rangeRule, Inputs: takes(Number, Number, Number), Axes: AxesUntold, macs: free},
	{Name: "RotaryEmbedding", Since: since(1), In: exactly(4), Inputs: takes(Data, Setting, Number, Number), macs: free},
	{Name: "SkipLayerNormalization", Since: since(1), In: between(3, 5), Out: between(1, 4), infer: skipLayerNormalization,
		Inputs: takes(Data, Data, Weight, Weight, Weight), macs: free},
	{Name: "SkipSimplifiedLayerNormalization", Since: since(1), In: between(3, 4), Out: between(1, 4), infer: skipLayerNormalization,
		Inputs: takes(Data, Data, Weight, Weight), macs: free},
	{Name: "TransposeMatMul", Since: since(1), infer: matMul.infer, macs: matMul.macs, Inputs: takes(Kernel, Kernel), Axes: AxesUntold},
	{Name: "Trilu", Since: since(1), In: between(1, 2), Class: Move, Inputs: takes(Data, Setting), macs: free},
})

// quantisedOps compute with integers, as ONNX Runtime's quantiser writes them.
var quantisedOps = group(Op{
	Domain: "com.microsoft", Class: Computation, In: between(4, 5), Out: exactly(1), Depends: OnContents, Sign: AnySign, Axes: AxesKept,
	Batch: BatchMixed, Half: Never, Magnitude: Rounds, Gives: GivesNumbers,
}, []Op{
	{Name: "DequantizeLinear", Since: since(1), In: between(2, 3), infer: dequantize, Class: Conversion, Inputs: takes(Data, Setting, Setting), macs: free},
	{Name: "DynamicQuantizeMatMul", Since: since(1), In: between(3, 5), infer: matMulToFloat.infer, macs: matMulToFloat.macs,
		Inputs: takes(Data, Kernel, Setting, Setting, Weight), Axes: AxesUntold},
	{Name: "MatMulInteger16", Since: since(1), In: exactly(2), infer: matMulInteger.infer, macs: matMulInteger.macs,
		Inputs: takes(Kernel, Kernel), Axes: AxesUntold},
	{Name: "MatMulIntegerToFloat", Since: since(1), In: between(4, 7), infer: matMulToFloat.infer, macs: matMulToFloat.macs,
		Inputs: takes(Kernel, Kernel, Setting, Setting, Setting, Setting, Weight), Axes: AxesUntold},
	{Name: "QGemm", Since: since(1), In: between(6, 9), infer: qgemm, macs: gemmMACs,
		Inputs: takes(Data, Setting, Setting, Kernel, Setting, Setting, Weight, Setting, Setting), Axes: AxesUntold},
	{Name: "QLinearAdd", Since: since(1), In: between(7, 8), infer: broadcastOf(0, 3),
		Class: Elementwise, Inputs: takes(Data, Setting, Setting, Data, Setting, Setting, Setting, Setting), Batch: BatchAligned, macs: free},
	{Name: "QLinearAveragePool", Since: since(1), infer: pool(nchw),
		Inputs: takes(Data, Setting, Setting, Setting, Setting), Batch: BatchLeading, macs: free},
	{Name: "QLinearConcat", Since: since(1), In: atLeast(3), infer: qlinearConcat, Inputs: takes(Setting, Setting, Data), macs: free},
	{Name: "QLinearConv", Since: since(1), In: between(8, 9), infer: msQConv.infer, macs: msQConv.macs,
		Inputs: takes(Data, Setting, Setting, Kernel, Setting, Setting, Setting, Setting, Weight)},
	{Name: "QLinearGlobalAveragePool", Since: since(1), In: exactly(5), infer: globalPool,
		Inputs: takes(Data, Setting, Setting, Setting, Setting), Batch: BatchLeading, macs: free},
	{Name: "QLinearLeakyRelu", Since: since(1), infer: sameAs(0),
		Class: Elementwise, Inputs: takes(Data, Setting, Setting, Setting, Setting), Batch: BatchAligned, macs: free},
	{Name: "QLinearMul", Since: since(1), In: between(7, 8), infer: broadcastOf(0, 3),
		Class: Elementwise, Inputs: takes(Data, Setting, Setting, Data, Setting, Setting, Setting, Setting), Batch: BatchAligned, macs: free},
	{Name: "QLinearReduceMean", Since: since(1), infer: qlinearReduceMean, Inputs: takes(Data, Setting, Setting, Setting, Setting), macs: free},
	{Name: "QLinearSigmoid", Since: since(1), infer: sameAs(0),
		Class: Elementwise, Inputs: takes(Data, Setting, Setting, Setting, Setting), Batch: BatchAligned, macs: free},
	{Name: "QLinearSoftmax", Since: since(1), In: exactly(5), infer: sameAs(0), Inputs: takes(Data, Setting, Setting, Setting, Setting), macs: free},
	{Name: "QLinearWhere", Since: since(1), In: exactly(9), infer: broadcastOf(0, 1, 4),
		Class: Elementwise, Inputs: takes(Setting, Data, Setting, Setting, Data, Setting, Setting, Setting, Setting), Batch: BatchAligned, macs: free},
	{Name: "QuantizeLinear", Since: since(1), In: between(2, 3), infer: quantize, Class: Conversion, Inputs: takes(Data, Setting, Setting), macs: free},
})

// CodecDomain is the operator domain of the codecs (ops/): JpegEncode, JpegDecode,
// JpegRoundTrip, and those of any other codec, whose names end alike; and of what makes
// one payload of several tensors'.
const CodecDomain = "bnc"

// What names of a codec's operators end with, and what their rows are called.
const (
	Encode    = "Encode"    // tiles and, where they are dynamic, ranges to a payload
	Decode    = "Decode"    // and back
	RoundTrip = "RoundTrip" // both in one, with the bytes of each record
)

// Operators of no codec: records of several crossing tensors, joined from the last tensor
// to the first.
const (
	JoinRecords  = "JoinRecords"  // a tensor's payload and that of the tensors behind it to one
	SplitRecords = "SplitRecords" // and back
	JoinBytes    = "JoinBytes"    // the bytes of each record to those of the joined one
)

// codecStep returns what a codec's operator does; one of no codec is its own.
func codecStep(op string) string {
	for _, step := range []string{Encode, Decode, RoundTrip} {
		if codec, ok := strings.CutSuffix(op, step); ok && codec != "" {
			return step
		}
		if op == step {
			return ""
		}
	}
	return op
}

// codecOps are the codecs', and those of payloads of several tensors.
var codecOps = group(Op{
	Domain: CodecDomain, Class: Computation, Depends: OnContents, Sign: NonNegative, Axes: AxesUntold, Batch: BatchMixed, Half: Never,
	Magnitude: Rounds, macs: free, Gives: GivesNumbers,
}, []Op{
	{Name: Decode, Since: since(1), In: exactly(1), Out: between(1, 2), infer: codecDecode, Inputs: takes(Data)},
	{Name: Encode, Since: since(1), In: between(1, 2), Out: exactly(1), infer: codecEncode, Inputs: takes(Data, Data)},
	{Name: RoundTrip, Since: since(1), In: between(1, 2), Out: between(1, 2), infer: codecRoundTrip,
		Inputs: takes(Data, Data), Axes: AxesKept, Batch: BatchByNode},
	{Name: JoinBytes, Since: since(1), In: exactly(2), Out: exactly(1), infer: sameAs(0), Inputs: takes(Data, Data), Batch: BatchAligned},
	{Name: JoinRecords, Since: since(1), In: exactly(2), Out: exactly(1), infer: payloads(1), Inputs: takes(Data, Data)},
	{Name: SplitRecords, Since: since(1), In: exactly(1), Out: exactly(2), infer: payloads(2), Inputs: takes(Data)},
})
