package grad

import "strings"

// barriers are the operators of the op table whose outputs may hold
// floating-point numbers and that have no gradient, or none here, with the
// reason that the error gives.
var barriers = refuse(map[string]string{
	"its output is a position":                                      "ArgMax ArgMin",
	"a selection by size: put the cut or the loss before it":        "TopK Hardmax Unique",
	"elements are chosen by other tensors":                          "Compress GatherElements GatherND MaxUnpool OneHot ReverseSequence Scatter ScatterElements ScatterND TensorScatter",
	"control flow: export the model for inputs of one shape":        "If Loop Scan SequenceMap",
	"sequences of tensors":                                          "ConcatFromSequence Optional OptionalGetElement SequenceAt SequenceConstruct SequenceEmpty SequenceErase SequenceInsert SplitToSequence",
	"recurrent":                                                     "GRU LSTM RNN CausalConvWithState",
	"attention: export the model with its matrix products":          "Attention RotaryEmbedding com.microsoft:Attention com.microsoft:MultiHeadAttention com.microsoft:RotaryEmbedding",
	"a sum of products in words: export the model with MatMul":      "Einsum",
	"boxes and grids of a detector: put the cut or the loss before": "AffineGrid Col2Im DeformConv GridSample MaxRoiPool NonMaxSuppression RoiAlign com.microsoft:CropAndResize com.microsoft:GridSample",
	"signal processing":                                             "BlackmanWindow DFT HammingWindow HannWindow MelWeightMatrix STFT",
	"random numbers":                                                "Bernoulli Multinomial RandomNormal RandomNormalLike RandomUniform RandomUniformLike",
	"a loss: train the model without it":                            "NegativeLogLikelihoodLoss SoftmaxCrossEntropyLoss",
	"an element that is 0 would need the product of all others":     "CumProd ReduceProd",
	"a determinant or inverse":                                      "Det com.microsoft:Inverse",
	"a remainder":                                                   "Mod",
	"bits":                                                          "BitCast",
	"norms over windows":                                            "GlobalLpPool LpPool",
	"older than the operator sets that are trained":                 "Affine Crop GivenTensorFill ImageScaler ParametricSoftplus Scale ScaledTanh Upsample",
	"its size is that of another tensor's contents: export the model for inputs of one shape": "CenterCropPad",
	"decodes an image file":                                        "ImageDecoder",
	"one half of the codec: train bottlenet.onnx":                  "bnc:Decode bnc:Encode bnc:JoinRecords bnc:SplitRecords bnc:JoinBytes",
	"computes in integers: train the model before it is quantised": "DynamicQuantizeLinear com.microsoft:DequantizeLinear com.microsoft:DynamicQuantizeMatMul com.microsoft:MatMulIntegerToFloat com.microsoft:QGemm com.microsoft:QuantizeLinear",
	"written by ONNX Runtime's optimiser: give the model that it was made of": `com.microsoft:BiasAdd com.microsoft:BiasDropout
		com.microsoft:BiasGelu com.microsoft:BiasSoftmax com.microsoft:FastGelu com.microsoft:FusedConv com.microsoft:FusedGemm
		com.microsoft:FusedMatMul com.microsoft:FusedMatMulActivation com.microsoft:GatherND com.microsoft:Gelu com.microsoft:GroupNorm
		com.microsoft:NhwcConv com.microsoft:NhwcFusedConv com.microsoft:NhwcMaxPool com.microsoft:Pad com.microsoft:QuickGelu
		com.microsoft:Range com.microsoft:SkipLayerNormalization com.microsoft:SkipSimplifiedLayerNormalization
		com.microsoft:TransposeMatMul com.microsoft:Trilu`,
	"no part of a neural network": `ai.onnx.ml:ArrayFeatureExtractor ai.onnx.ml:Binarizer ai.onnx.ml:CastMap ai.onnx.ml:CategoryMapper
		ai.onnx.ml:DictVectorizer ai.onnx.ml:FeatureVectorizer ai.onnx.ml:Imputer ai.onnx.ml:LabelEncoder ai.onnx.ml:LinearClassifier
		ai.onnx.ml:LinearRegressor ai.onnx.ml:Normalizer ai.onnx.ml:OneHotEncoder ai.onnx.ml:SVMClassifier ai.onnx.ml:SVMRegressor
		ai.onnx.ml:Scaler ai.onnx.ml:TreeEnsemble ai.onnx.ml:TreeEnsembleClassifier ai.onnx.ml:TreeEnsembleRegressor ai.onnx.ml:ZipMap`,
})

// refuse makes rows of operators listed by the reason.
func refuse(reasons map[string]string) map[string]rule {
	rows := map[string]rule{}
	for reason, ops := range reasons {
		for _, op := range strings.Fields(ops) {
			rows[op] = rule{reason: reason}
		}
	}
	return rows
}
