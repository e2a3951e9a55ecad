package shape

// imageOps work on the channels, rows and columns of an image [N,C,H,W].
var imageOps = group(Op{
	Class: Computation, Out: exactly(1), Inputs: takes(Data), Depends: OnContents, Axes: AxesNCHW, Batch: BatchLeading, Magnitude: Rounds, Gives: GivesNumbers,
}, []Op{
	{Name: "AffineGrid", Since: since(20), In: exactly(2), infer: affineGrid,
		Inputs: takes(Data, Setting), Sign: AnySign, Axes: AxesUntold, Batch: BatchMixed, Half: Never, macs: free},
	{Name: "AveragePool", Since: since(1, 7, 10, 11, 19, 22), In: exactly(1), infer: pool(nchw), Sign: SignOfInputs, Half: Always, macs: free},
	{Name: "BatchNormalization", Since: since(1, 6, 7, 9, 14, 15), In: exactly(5), Out: between(1, 5), infer: batchNormalization,
		Inputs: takes(Data, Weight, Weight, Statistic, Statistic), Sign: AnySign, Half: Always, macs: free},
	{Name: "Col2Im", Since: since(18), In: exactly(3), infer: col2im,
		Inputs: takes(Data, Setting, Setting), Sign: SignOfInputs, Batch: BatchMixed, Half: Never, macs: free},
	{Name: "Conv", Since: since(1, 11, 22), In: between(2, 3), infer: conv.infer, macs: conv.macs,
		Inputs: takes(Data, Kernel, Weight), Sign: AnySign, Half: Always},
	{Name: "ConvInteger", Since: since(10), In: between(2, 4), infer: convInteger.infer, macs: convInteger.macs,
		Inputs: takes(Data, Kernel, Setting, Setting), Sign: AnySign, Half: Never},
	{Name: "ConvTranspose", Since: since(1, 11, 22), In: between(2, 3), infer: convTranspose, macs: convTransposeMACs,
		Inputs: takes(Data, Kernel, Weight), Sign: AnySign, Half: Always},
	{Name: "DeformConv", Since: since(19, 22), In: between(3, 5), infer: deformConv, macs: conv.macs,
		Inputs: takes(Data, Kernel, Data, Weight, Data), Sign: AnySign, Half: Never},
	{Name: "GlobalAveragePool", Since: since(1, 22), In: exactly(1), infer: globalPool, Sign: SignOfInputs, Half: Always, Magnitude: Carries, macs: free},
	{Name: "GlobalLpPool", Since: since(1, 2, 22), In: exactly(1), infer: globalPool, Sign: NonNegative, Half: Never, Magnitude: Widens, macs: free},
	{Name: "GlobalMaxPool", Since: since(1, 22), In: exactly(1), infer: globalPool, Sign: SignOfInputs, Half: Always, macs: free},
	{Name: "GridSample", Since: since(16, 20, 22), In: exactly(2), infer: gridSample,
		Inputs: takes(Data, Data), Sign: AnySign, Batch: BatchMixed, Half: Never, macs: free},
	{Name: "GroupNormalization", Since: since(18, 21), In: exactly(3), infer: sameAs(0),
		Inputs: takes(Data, Weight, Weight), Sign: AnySign, Half: Never, macs: free},
	{Name: "ImageScaler", Since: since(1, 10), In: exactly(1), infer: sameAs(0), Sign: AnySign, Half: Never, macs: free},
	{Name: "InstanceNormalization", Since: since(1, 6, 22), In: exactly(3), infer: channelNormalization,
		Inputs: takes(Data, Weight, Weight), Sign: AnySign, Half: Always, macs: free},
	{Name: "LRN", Since: since(1, 13), In: exactly(1), infer: sameAs(0), Sign: AnySign, Half: Never, macs: free},
	{Name: "LpPool", Since: since(1, 2, 11, 18, 22), In: exactly(1), infer: pool(nchw), Sign: NonNegative, Half: Never, Magnitude: Widens, macs: free},
	{Name: "MaxPool", Since: since(1, 8, 10, 11, 12, 22), In: exactly(1), Out: between(1, 2), infer: pool(nchw),
		Sign: SignOfInputs, Half: Always, macs: free},
	{Name: "MaxRoiPool", Since: since(1, 22), In: exactly(2), infer: maxRoiPool,
		Inputs: takes(Data, Data), Sign: SignOfInputs, Batch: BatchMixed, Half: Never, macs: free},
	{Name: "QLinearConv", Since: since(10), In: between(8, 9), infer: qlinearConv.infer, macs: qlinearConv.macs,
		Inputs: takes(Data, Setting, Setting, Kernel, Setting, Setting, Setting, Setting, Weight), Sign: AnySign, Half: Never},
	{Name: "Resize", Since: since(10, 11, 13, 18, 19), In: between(1, 4), infer: resize,
		Inputs: takes(Data, Setting, Setting, Setting), Sign: AnySign, Axes: AxesKept, Batch: BatchByNode, Half: Always, macs: free},
	{Name: "RoiAlign", Since: since(10, 16, 22), In: exactly(3), infer: roiAlign,
		Inputs: takes(Data, Data, Setting), Sign: AnySign, Batch: BatchMixed, Half: Never, macs: free},
	{Name: "Upsample", Since: since(1, 7, 9, 10), In: between(1, 2), infer: upsample,
		Inputs: takes(Data, Setting), Sign: SignOfInputs, Axes: AxesKept, Half: Always, macs: free},
})

// productOps are sums of products.
var productOps = group(Op{
	Class: Computation, In: exactly(2), Out: exactly(1), Inputs: takes(Kernel, Kernel), Depends: OnContents, Sign: AnySign, Axes: AxesUntold,
	Batch: BatchMixed, Half: Never, Magnitude: Rounds, Gives: GivesNumbers,
}, []Op{
	{Name: "Einsum", Since: since(12), In: atLeast(1), infer: einsum, Inputs: takes(Data), macs: einsumMACs},
	{Name: "Gemm", Since: since(1, 6, 7, 9, 11, 13), In: between(2, 3), infer: gemm, macs: gemmMACs,
		Inputs: takes(Data, Kernel, Weight), Batch: BatchByNode, Half: Always},
	{Name: "MatMul", Since: since(1, 9, 13), infer: matMul.infer, macs: matMul.macs, Batch: BatchAligned, Half: Always},
	{Name: "MatMulInteger", Since: since(10), In: between(2, 4), infer: matMulInteger.infer, macs: matMulInteger.macs,
		Inputs: takes(Kernel, Kernel, Setting, Setting)},
	{Name: "QLinearMatMul", Since: since(10, 21), In: exactly(8), infer: qlinearMatMul.infer, macs: qlinearMatMul.macs,
		Inputs: takes(Kernel, Setting, Setting, Kernel, Setting, Setting, Setting, Setting)},
})

// reduceOps make one number of many.
var reduceOps = group(Op{
	Class: Computation, In: between(1, 2), Out: exactly(1), Inputs: takes(Data, Setting), Depends: OnContents, Axes: AxesKept,
	Batch: BatchFirst, Half: Never, Magnitude: Rounds, macs: free, Gives: GivesNumbers,
}, []Op{
	{Name: "ReduceL1", Since: since(1, 11, 13, 18), infer: reduce(opaque), Sign: NonNegative, Magnitude: Widens},
	{Name: "ReduceL2", Since: since(1, 11, 13, 18), Gives: GivesLengths, infer: reduce(opaque), Sign: NonNegative, Magnitude: Widens},
	{Name: "ReduceLogSum", Since: since(1, 11, 13, 18), infer: reduce(opaque), Sign: AnySign},
	{Name: "ReduceLogSumExp", Since: since(1, 11, 13, 18), infer: reduce(opaque), Sign: AnySign, Magnitude: Widens},
	{Name: "ReduceMax", Since: since(1, 11, 12, 13, 18, 20), infer: reduce(most), Sign: AnySign, Half: Always, Magnitude: Carries},
	{Name: "ReduceMean", Since: since(1, 11, 13, 18), infer: reduce(opaque), Sign: SignOfInputs, Half: Always, Magnitude: Carries},
	{Name: "ReduceMin", Since: since(1, 11, 12, 13, 18, 20), infer: reduce(least), Sign: SignOfInputs, Half: Always, Magnitude: Carries},
	{Name: "ReduceProd", Since: since(1, 11, 13, 18), infer: reduce(mul), Sign: SignOfInputs, Magnitude: Widens},
	{Name: "ReduceSum", Since: since(1, 11, 13), infer: reduce(add), Sign: SignOfInputs, Half: Always, Magnitude: Widens},
	{Name: "ReduceSumSquare", Since: since(1, 11, 13, 18), infer: reduce(opaque), Sign: NonNegative, Magnitude: Widens},
})

// normalisationOps scale vectors, along an axis or those from it on.
var normalisationOps = group(Op{
	Class: Computation, In: exactly(1), Out: exactly(1), infer: sameAs(0), Inputs: takes(Data), Depends: OnContents, Axes: AxesKept,
	Batch: BatchMixed, Half: Never, Magnitude: Rounds, macs: free, Gives: GivesNumbers,
}, []Op{
	{Name: "Hardmax", Since: since(1, 11, 13), Gives: GivesChoices, Sign: NonNegative, Batch: BatchByNode},
	{Name: "LayerNormalization", Since: since(1, 17), In: between(2, 3), Out: between(1, 3), infer: layerNormalization,
		Inputs: takes(Data, Weight, Weight), Sign: AnySign, Batch: BatchByNode, Half: Always},
	{Name: "LogSoftmax", Since: since(1, 11, 13), Gives: GivesShares, Sign: AnySign, Batch: BatchByNode, Half: Always, Magnitude: Settles},
	{Name: "LpNormalization", Since: since(1, 22), Gives: GivesUnits, Sign: SignOfInputs, Batch: BatchAcross, Axis: -1},
	{Name: "MeanVarianceNormalization", Since: since(1, 9, 13), Sign: AnySign},
	{Name: "RMSNormalization", Since: since(23), In: exactly(2), Inputs: takes(Data, Weight), Sign: AnySign},
	{Name: "SimplifiedLayerNormalization", Since: since(1), In: exactly(2), Out: between(1, 2), infer: layerNormalization,
		Inputs: takes(Data, Weight), Sign: AnySign},
	{Name: "Softmax", Since: since(1, 11, 13), Gives: GivesShares, Sign: NonNegative, Batch: BatchByNode, Half: Always, Magnitude: Settles},
})

// sequenceOps compute along the positions of a sequence.
var sequenceOps = group(Op{
	Class: Computation, Inputs: takes(Data), Depends: OnContents, Sign: AnySign, Axes: AxesUntold, Batch: BatchMixed, Half: Never,
	Magnitude: Rounds, Gives: GivesNumbers,
}, []Op{
	{Name: "Attention", Since: since(23, 24), In: between(3, 7), Out: between(1, 4), infer: attention,
		Inputs: takes(Data, Data, Data, Setting, Data, Data, Setting), Axes: AxesKept, macs: attentionMACs},
	{Name: "CausalConvWithState", Since: since(27), In: between(2, 4), Out: exactly(2), infer: causalConv,
		Inputs: takes(Data, Kernel, Weight, Data), macs: causalConvMACs},
	{Name: "GRU", Since: since(1, 3, 7, 14, 22), In: between(3, 6), Out: between(0, 2), infer: recurrent,
		Inputs: takes(Data, Kernel, Kernel, Weight, Setting, Data), macs: recurrentMACs},
	{Name: "LSTM", Since: since(1, 7, 14, 22), In: between(3, 8), Out: between(0, 3), infer: recurrent,
		Inputs: takes(Data, Kernel, Kernel, Weight, Setting, Data, Data, Weight), macs: recurrentMACs},
	{Name: "RNN", Since: since(1, 7, 14, 22), In: between(3, 6), Out: between(0, 2), infer: recurrent,
		Inputs: takes(Data, Kernel, Kernel, Weight, Setting, Data), macs: recurrentMACs},
	{Name: "RotaryEmbedding", Since: since(23), In: between(3, 4), Out: exactly(1), infer: sameAs(0),
		Inputs: takes(Data, Number, Number, Setting), Axes: AxesKept, macs: free},
})

// otherOps are losses, transforms and what detectors and decoders are made of.
var otherOps = group(Op{
	Class: Computation, Out: exactly(1), Depends: OnContents, Sign: AnySign, Axes: AxesUntold, Batch: BatchMixed, Half: Never,
	Magnitude: Rounds, macs: free, Gives: GivesNumbers,
}, []Op{
	{Name: "DFT", Since: since(17, 20), In: between(1, 3), infer: dft, Inputs: takes(Data, Setting, Setting)},
	{Name: "Det", Since: since(11, 22), In: exactly(1), infer: determinant, Inputs: takes(Data)},
	{Name: "DynamicQuantizeLinear", Since: since(11), In: exactly(1), Out: exactly(3), infer: dynamicQuantize, Inputs: takes(Data), Axes: AxesKept},
	{Name: "ImageDecoder", Since: since(20), In: exactly(1), infer: imageDecoder, Inputs: takes(Data), Sign: NonNegative},
	{Name: "NegativeLogLikelihoodLoss", Since: since(12, 13, 22), In: between(2, 3), infer: crossEntropy, Inputs: takes(Data, Data, Number)},
	{Name: "NonMaxSuppression", Since: since(10, 11), Gives: GivesChoices, In: between(2, 5), infer: nonMaxSuppression,
		Inputs: takes(Data, Data, Setting, Setting, Setting), Sign: NonNegative},
	{Name: "STFT", Since: since(17), In: between(2, 4), infer: stft, Inputs: takes(Data, Setting, Number, Setting)},
	{Name: "SoftmaxCrossEntropyLoss", Since: since(12, 13), In: between(2, 3), Out: between(1, 2), infer: crossEntropy, Inputs: takes(Data, Data, Number)},
})
