package shape

import "github.com/bottlenet/bnc/compiler/ir"

// mlOps are the operators of domain ai.onnx.ml.
var mlOps = []Op{
	{Domain: "ai.onnx.ml", Name: "ArrayFeatureExtractor", Since: since(1), In: exactly(2), Out: exactly(1), infer: arrayFeatureExtractor},
	{Domain: "ai.onnx.ml", Name: "Binarizer", Since: since(1), In: exactly(1), Out: exactly(1), infer: sameAs(0)},
	{Domain: "ai.onnx.ml", Name: "CastMap", Since: since(1), In: exactly(1), Out: exactly(1), infer: castMap},
	{Domain: "ai.onnx.ml", Name: "CategoryMapper", Since: since(1), In: exactly(1), Out: exactly(1), infer: categoryMapper},
	{Domain: "ai.onnx.ml", Name: "DictVectorizer", Since: since(1), In: exactly(1), Out: exactly(1), infer: dictVectorizer},
	{Domain: "ai.onnx.ml", Name: "FeatureVectorizer", Since: since(1), In: atLeast(1), Out: exactly(1), infer: featureVectorizer},
	{Domain: "ai.onnx.ml", Name: "Imputer", Since: since(1), In: exactly(1), Out: exactly(1), infer: sameAs(0)},
	{Domain: "ai.onnx.ml", Name: "LabelEncoder", Since: since(1, 2, 4), In: exactly(1), Out: exactly(1), infer: labelEncoder},
	{Domain: "ai.onnx.ml", Name: "LinearClassifier", Since: since(1), In: exactly(1), Out: exactly(2), infer: classifier("classlabels_strings", "classlabels_ints")},
	{Domain: "ai.onnx.ml", Name: "LinearRegressor", Since: since(1), In: exactly(1), Out: exactly(1), infer: regressor("targets")},
	{Domain: "ai.onnx.ml", Name: "Normalizer", Since: since(1), In: exactly(1), Out: exactly(1), infer: shapeOf(ir.Float32)},
	{Domain: "ai.onnx.ml", Name: "OneHotEncoder", Since: since(1), In: exactly(1), Out: exactly(1), infer: oneHotEncoder},
	{Domain: "ai.onnx.ml", Name: "SVMClassifier", Since: since(1), In: exactly(1), Out: exactly(2), infer: classifier("classlabels_strings", "classlabels_ints")},
	{Domain: "ai.onnx.ml", Name: "SVMRegressor", Since: since(1), In: exactly(1), Out: exactly(1), infer: regressor("")},
	{Domain: "ai.onnx.ml", Name: "Scaler", Since: since(1), In: exactly(1), Out: exactly(1), infer: shapeOf(ir.Float32)},
	{Domain: "ai.onnx.ml", Name: "TreeEnsemble", Since: since(5), In: exactly(1), Out: exactly(1), infer: treeEnsemble},
	{Domain: "ai.onnx.ml", Name: "TreeEnsembleClassifier", Since: since(1, 3, 5), In: exactly(1), Out: exactly(2), infer: classifier("classlabels_strings", "classlabels_int64s")},
	{Domain: "ai.onnx.ml", Name: "TreeEnsembleRegressor", Since: since(1, 3, 5), In: exactly(1), Out: exactly(1), infer: regressor("n_targets")},
	{Domain: "ai.onnx.ml", Name: "ZipMap", Since: since(1), In: exactly(1), Out: exactly(1), infer: zipMap},
}

// microsoftOps are operators that ONNX Runtime's optimiser and quantiser write.
var microsoftOps = []Op{
	{Domain: "com.microsoft", Name: "Attention", Since: since(1), In: between(2, 7), Out: between(1, 2), infer: packedAttention},
	{Domain: "com.microsoft", Name: "BiasAdd", Since: since(1), In: exactly(3), Out: exactly(1), infer: sameAs(0)},
	{Domain: "com.microsoft", Name: "BiasDropout", Since: since(1), In: between(2, 5), Out: between(1, 2), Traits: Random, infer: dropout},
	{Domain: "com.microsoft", Name: "BiasGelu", Since: since(1), In: exactly(2), Out: exactly(1), infer: sameAs(0)},
	{Domain: "com.microsoft", Name: "BiasSoftmax", Since: since(1), In: exactly(2), Out: exactly(1), infer: sameAs(0)},
	{Domain: "com.microsoft", Name: "CropAndResize", Since: since(1), In: exactly(4), Out: exactly(1), infer: cropAndResize},
	{Domain: "com.microsoft", Name: "DequantizeLinear", Since: since(1), In: between(2, 3), Out: exactly(1), infer: dequantize},
	{Domain: "com.microsoft", Name: "DynamicQuantizeMatMul", Since: since(1), In: between(3, 5), Out: exactly(1), infer: matMulToFloat.infer, macs: matMulToFloat.macs},
	{Domain: "com.microsoft", Name: "FastGelu", Since: since(1), In: between(1, 2), Out: exactly(1), infer: sameAs(0)},
	{Domain: "com.microsoft", Name: "FusedConv", Since: since(1), In: between(2, 4), Out: exactly(1), infer: conv.infer, macs: conv.macs},
	{Domain: "com.microsoft", Name: "FusedGemm", Since: since(1), In: between(2, 3), Out: exactly(1), infer: gemm, macs: gemmMACs},
	{Domain: "com.microsoft", Name: "FusedMatMul", Since: since(1), In: exactly(2), Out: exactly(1), infer: matMul.infer, macs: matMul.macs},
	{Domain: "com.microsoft", Name: "FusedMatMulActivation", Since: since(1), In: exactly(2), Out: exactly(1), infer: matMul.infer, macs: matMul.macs},
	{Domain: "com.microsoft", Name: "GatherND", Since: since(1), In: exactly(2), Out: exactly(1), infer: gatherND},
	{Domain: "com.microsoft", Name: "Gelu", Since: since(1), In: exactly(1), Out: exactly(1), infer: sameAs(0)},
	{Domain: "com.microsoft", Name: "GridSample", Since: since(1), In: exactly(2), Out: exactly(1), infer: gridSample},
	{Domain: "com.microsoft", Name: "GroupNorm", Since: since(1), In: exactly(3), Out: exactly(1), infer: sameAs(0)},
	{Domain: "com.microsoft", Name: "Inverse", Since: since(1), In: exactly(1), Out: exactly(1), infer: sameAs(0)},
	{Domain: "com.microsoft", Name: "MatMulInteger16", Since: since(1), In: exactly(2), Out: exactly(1), infer: matMulInteger.infer, macs: matMulInteger.macs},
	{Domain: "com.microsoft", Name: "MatMulIntegerToFloat", Since: since(1), In: between(4, 7), Out: exactly(1), infer: matMulToFloat.infer, macs: matMulToFloat.macs},
	{Domain: "com.microsoft", Name: "MultiHeadAttention", Since: since(1), In: between(1, 10), Out: between(1, 4), infer: multiHeadAttention},
	{Domain: "com.microsoft", Name: "NhwcConv", Since: since(1), In: between(2, 3), Out: exactly(1), infer: nhwcConv.infer, macs: nhwcConv.macs},
	{Domain: "com.microsoft", Name: "NhwcFusedConv", Since: since(1), In: between(2, 4), Out: exactly(1), infer: nhwcConv.infer, macs: nhwcConv.macs},
	{Domain: "com.microsoft", Name: "NhwcMaxPool", Since: since(1), In: exactly(1), Out: exactly(1), infer: pool(nhwc)},
	{Domain: "com.microsoft", Name: "Pad", Since: since(1), In: between(2, 3), Out: exactly(1), infer: pad},
	{Domain: "com.microsoft", Name: "QGemm", Since: since(1), In: between(6, 9), Out: exactly(1), infer: qgemm, macs: gemmMACs},
	{Domain: "com.microsoft", Name: "QLinearAdd", Since: since(1), In: between(7, 8), Out: exactly(1), infer: broadcastOf(0, 3)},
	{Domain: "com.microsoft", Name: "QLinearAveragePool", Since: since(1), In: between(4, 5), Out: exactly(1), infer: pool(nchw)},
	{Domain: "com.microsoft", Name: "QLinearConcat", Since: since(1), In: atLeast(3), Out: exactly(1), infer: qlinearConcat},
	{Domain: "com.microsoft", Name: "QLinearConv", Since: since(1), In: between(8, 9), Out: exactly(1), infer: msQConv.infer, macs: msQConv.macs},
	{Domain: "com.microsoft", Name: "QLinearGlobalAveragePool", Since: since(1), In: exactly(5), Out: exactly(1), infer: globalPool},
	{Domain: "com.microsoft", Name: "QLinearLeakyRelu", Since: since(1), In: between(4, 5), Out: exactly(1), infer: sameAs(0)},
	{Domain: "com.microsoft", Name: "QLinearMul", Since: since(1), In: between(7, 8), Out: exactly(1), infer: broadcastOf(0, 3)},
	{Domain: "com.microsoft", Name: "QLinearReduceMean", Since: since(1), In: between(4, 5), Out: exactly(1), infer: qlinearReduceMean},
	{Domain: "com.microsoft", Name: "QLinearSigmoid", Since: since(1), In: between(4, 5), Out: exactly(1), infer: sameAs(0)},
	{Domain: "com.microsoft", Name: "QLinearSoftmax", Since: since(1), In: exactly(5), Out: exactly(1), infer: sameAs(0)},
	{Domain: "com.microsoft", Name: "QLinearWhere", Since: since(1), In: exactly(9), Out: exactly(1), infer: broadcastOf(0, 1, 4)},
	{Domain: "com.microsoft", Name: "QuantizeLinear", Since: since(1), In: between(2, 3), Out: exactly(1), infer: quantize},
	{Domain: "com.microsoft", Name: "QuickGelu", Since: since(1), In: exactly(1), Out: exactly(1), infer: sameAs(0)},
	{Domain: "com.microsoft", Name: "Range", Since: since(1), In: between(2, 3), Out: exactly(1), infer: rangeRule},
	{Domain: "com.microsoft", Name: "RotaryEmbedding", Since: since(1), In: exactly(4), Out: exactly(1), infer: sameAs(0)},
	{Domain: "com.microsoft", Name: "SkipLayerNormalization", Since: since(1), In: between(3, 5), Out: between(1, 4), infer: skipLayerNormalization},
	{Domain: "com.microsoft", Name: "SkipSimplifiedLayerNormalization", Since: since(1), In: between(3, 4), Out: between(1, 4), infer: skipLayerNormalization},
	{Domain: "com.microsoft", Name: "TransposeMatMul", Since: since(1), In: exactly(2), Out: exactly(1), infer: matMul.infer, macs: matMul.macs},
	{Domain: "com.microsoft", Name: "Trilu", Since: since(1), In: between(1, 2), Out: exactly(1), infer: sameAs(0)},
}

// CodecDomain is the operator domain of JpegEncode, JpegDecode and JpegRoundTrip
// (ops/).
const CodecDomain = "bnc"

// bncOps are the codec's.
var bncOps = []Op{
	{Domain: CodecDomain, Name: "JpegDecode", Since: since(1), In: exactly(1), Out: between(1, 2), infer: jpegDecode},
	{Domain: CodecDomain, Name: "JpegEncode", Since: since(1), In: between(1, 2), Out: exactly(1), infer: jpegEncode},
	{Domain: CodecDomain, Name: "JpegRoundTrip", Since: since(1), In: between(1, 2), Out: between(1, 2), infer: jpegRoundTrip},
}
