package shape

// copyOps hand their first input on, as inference runs them.
var copyOps = group(Op{
	Class: Copy, In: exactly(1), Out: exactly(1), Inputs: takes(Data), Sign: SignOfInputs, Axes: AxesKept, Half: Always, Magnitude: Carries,
	macs: free, Gives: GivesNumbers,
}, []Op{
	{Name: "Dropout", Since: since(1, 6, 7, 10, 12, 13, 22), In: between(1, 3), Out: between(1, 2), infer: dropout,
		Inputs: takes(Data, Setting, Setting), Depends: OnChanceInTraining, Batch: BatchFirst},
	{Name: "Identity", Since: since(1, 13, 14, 16, 19, 21, 23, 24, 25), infer: identity, Depends: OnContents, Batch: BatchAligned},
})

// viewOps give their first input another shape and leave its elements in order.
var viewOps = group(Op{
	Class: View, In: between(1, 2), Out: exactly(1), Inputs: takes(Data, Setting), Depends: OnContents, Sign: SignOfInputs, Axes: AxesUntold,
	Batch: BatchInOrder, Half: Always, Magnitude: Carries, macs: free, Gives: GivesNumbers,
}, []Op{
	{Name: "Flatten", Since: since(1, 9, 11, 13, 21, 23, 24, 25), In: exactly(1), infer: flatten, Inputs: takes(Data)},
	{Name: "Reshape", Since: since(1, 5, 13, 14, 19, 21, 23, 24, 25), In: exactly(2), infer: reshape},
	{Name: "Squeeze", Since: since(1, 11, 13, 21, 23, 24, 25), infer: squeeze},
	{Name: "Unsqueeze", Since: since(1, 11, 13, 21, 23, 24, 25), infer: unsqueeze},
})

// moveOps put elements of their inputs elsewhere: every output is made of some of them.
var moveOps = group(Op{
	Class: Move, Out: exactly(1), Inputs: takes(Data, Setting), Depends: OnContents, Sign: SignOfInputs, Magnitude: Carries, macs: free, Gives: GivesNumbers,
}, []Op{
	{Name: "CenterCropPad", Since: since(18), In: exactly(2), infer: centerCropPad, Axes: AxesKept, Batch: BatchMixed, Half: Never},
	{Name: "Compress", Since: since(9, 11), Gives: GivesChoices, In: exactly(2), infer: compress, Axes: AxesKept, Batch: BatchMixed, Half: Never},
	{Name: "Concat", Since: since(1, 4, 11, 13), In: atLeast(1), infer: concat, Inputs: takes(Data), Axes: AxesKept, Batch: BatchByNode, Half: Always},
	{Name: "Crop", Since: since(1, 10), In: exactly(1), infer: crop, Inputs: takes(Data), Axes: AxesNCHW, Batch: BatchLeading, Half: Never},
	{Name: "DepthToSpace", Since: since(1, 11, 13), In: exactly(1), infer: depthToSpace,
		Inputs: takes(Data), Axes: AxesNCHW, Batch: BatchLeading, Half: Always},
	{Name: "Expand", Since: since(8, 13), In: exactly(2), infer: expand, Axes: AxesUntold, Batch: BatchFirst, Half: Always},
	{Name: "Gather", Since: since(1, 11, 13), In: exactly(2), infer: gather, Axes: AxesUntold, Batch: BatchAcross, Axis: 0, Half: Always},
	{Name: "GatherElements", Since: since(11, 13), In: exactly(2), infer: gatherElements, Axes: AxesKept, Batch: BatchAcross, Axis: 0, Half: Never},
	{Name: "GatherND", Since: since(11, 12, 13), In: exactly(2), infer: gatherND, Axes: AxesUntold, Batch: BatchMixed, Half: Never},
	{Name: "MaxUnpool", Since: since(9, 11, 22), In: between(2, 3), infer: maxUnpool,
		Inputs: takes(Data, Setting, Setting), Axes: AxesNCHW, Batch: BatchMixed, Half: Never},
	{Name: "OneHot", Since: since(9, 11), In: exactly(3), infer: oneHot,
		Inputs: takes(Setting, Setting, Number), Axes: AxesUntold, Batch: BatchMixed, Half: Never},
	{Name: "Pad", Since: since(1, 2, 11, 13, 18, 19, 21, 23, 24, 25), In: between(1, 4), infer: pad,
		Inputs: takes(Data, Setting, Number, Setting), Sign: AnySign, Axes: AxesKept, Batch: BatchByNode, Half: Always},
	{Name: "ReverseSequence", Since: since(10), In: exactly(2), infer: sameAs(0), Axes: AxesKept, Batch: BatchMixed, Half: Never},
	{Name: "Slice", Since: since(1, 10, 11, 13), In: between(1, 5), infer: slice,
		Inputs: takes(Data, Setting, Setting, Setting, Setting), Axes: AxesKept, Batch: BatchByNode, Half: Always},
	{Name: "SpaceToDepth", Since: since(1, 13), In: exactly(1), infer: spaceToDepth, Inputs: takes(Data), Axes: AxesNCHW, Batch: BatchLeading, Half: Always},
	{Name: "Split", Since: since(1, 2, 11, 13, 18), In: between(1, 2), Out: atLeast(1), infer: split,
		Axes: AxesKept, Batch: BatchAcross, Axis: 0, Half: Always},
	{Name: "TensorScatter", Since: since(24), In: between(2, 3), infer: sameAs(0),
		Inputs: takes(Data, Data, Setting), Axes: AxesKept, Batch: BatchMixed, Half: Never},
	{Name: "Tile", Since: since(1, 6, 13), In: exactly(2), infer: tile, Axes: AxesUntold, Batch: BatchFirst, Half: Always},
	{Name: "Transpose", Since: since(1, 13, 21, 23, 24, 25), In: exactly(1), infer: transpose,
		Inputs: takes(Data), Axes: AxesPermuted, Batch: BatchFirst, Half: Always},
	{Name: "Trilu", Since: since(14), In: between(1, 2), infer: sameAs(0), Axes: AxesKept, Batch: BatchMixed, Half: Never},
})

// conversionOps give the numbers of their first input in another type or scale.
var conversionOps = group(Op{
	Class: Conversion, Out: exactly(1), Inputs: takes(Data, Setting, Setting), Depends: OnContents, Sign: AnySign, Axes: AxesKept,
	Batch: BatchFirst, Half: Never, Magnitude: Rounds, macs: free, Gives: GivesNumbers,
}, []Op{
	{Name: "Cast", Since: since(1, 6, 9, 13, 19, 21, 23, 24, 25), Gives: GivesAsTyped, In: exactly(1), infer: cast, Inputs: takes(Data), Sign: SignByNode, Batch: BatchAligned},
	{Name: "CastLike", Since: since(15, 19, 21, 23, 24, 25), Gives: GivesAsTyped, In: exactly(2), infer: castLike, Inputs: takes(Data, Setting)},
	{Name: "DequantizeLinear", Since: since(10, 13, 19, 21, 23, 24, 25), In: between(2, 3), infer: dequantize},
	{Name: "QuantizeLinear", Since: since(10, 13, 19, 21, 23, 24, 25), In: between(2, 3), infer: quantize},
})

// shapeOps read the shape of their first input alone.
var shapeOps = group(Op{
	Class: Computation, In: exactly(1), Out: exactly(1), Inputs: takes(Data), Depends: OnShape, Sign: NonNegative, Axes: AxesUntold,
	Batch: BatchMixed, Half: Never, Magnitude: Rounds, macs: free, Gives: GivesNumbers,
}, []Op{
	{Name: "EyeLike", Since: since(9, 22), infer: like},
	{Name: "Shape", Since: since(1, 13, 15, 19, 21, 23, 24, 25), infer: shapeRule},
	{Name: "Size", Since: since(1, 13, 19, 21, 23, 24, 25), infer: sizeRule},
})

// sourceOps make tensors of settings.
var sourceOps = group(Op{
	Class: Computation, Out: exactly(1), Depends: OnContents, Sign: AnySign, Axes: AxesUntold, Batch: BatchMixed, Half: Never,
	Magnitude: Rounds, macs: free, Gives: GivesNumbers,
}, []Op{
	{Name: "BlackmanWindow", Since: since(17), In: exactly(1), infer: windowFunction, Inputs: takes(Setting)},
	{Name: "Constant", Since: since(1, 9, 11, 12, 13, 19, 21, 23, 24, 25), In: exactly(0), infer: constant, Inputs: takes()},
	{Name: "ConstantOfShape", Since: since(9, 20, 21, 23, 24, 25), In: exactly(1), infer: constantOfShape, Inputs: takes(Setting)},
	{Name: "GivenTensorFill", Since: since(1, 10), In: between(0, 1), infer: fill, Inputs: takes(Setting)},
	{Name: "HammingWindow", Since: since(17), In: exactly(1), infer: windowFunction, Inputs: takes(Setting)},
	{Name: "HannWindow", Since: since(17), In: exactly(1), infer: windowFunction, Inputs: takes(Setting)},
	{Name: "MelWeightMatrix", Since: since(17), In: exactly(5), infer: melWeights, Inputs: takes(Setting, Setting, Setting, Setting, Setting)},
	{Name: "Range", Since: since(11, 27), In: exactly(3), infer: rangeRule, Inputs: takes(Number, Number, Number)},
})

// randomOps draw numbers.
var randomOps = group(Op{
	Class: Computation, Out: exactly(1), Depends: OnChance, Sign: AnySign, Axes: AxesKept,
	Batch: BatchMixed, Half: Never, Magnitude: Rounds, macs: free, Gives: GivesNumbers,
}, []Op{
	{Name: "Bernoulli", Since: since(15, 22), In: exactly(1), infer: like, Sign: NonNegative, Inputs: takes(Data)},
	{Name: "Multinomial", Since: since(7, 22), In: exactly(1), infer: multinomial, Sign: NonNegative, Inputs: takes(Data)},
	{Name: "RandomNormal", Since: since(1, 22), In: exactly(0), infer: randomOf, Inputs: takes()},
	{Name: "RandomNormalLike", Since: since(1, 22), In: exactly(1), infer: like, Inputs: takes(Data)},
	{Name: "RandomUniform", Since: since(1, 22), In: exactly(0), infer: randomOf, Inputs: takes()},
	{Name: "RandomUniformLike", Since: since(1, 22), In: exactly(1), infer: like, Inputs: takes(Data)},
})

// selectionOps choose, count, order and sum elements by what is in them or in other tensors.
var selectionOps = group(Op{
	Class: Computation, Out: exactly(1), Inputs: takes(Data, Setting), Depends: OnContents, Axes: AxesKept, Batch: BatchMixed, Half: Never,
	Magnitude: Rounds, macs: free, Gives: GivesChoices,
}, []Op{
	{Name: "ArgMax", Since: since(1, 11, 12, 13), In: exactly(1), infer: argReduce, Inputs: takes(Data), Sign: NonNegative, Batch: BatchAcross, Axis: 0},
	{Name: "ArgMin", Since: since(1, 11, 12, 13), In: exactly(1), infer: argReduce, Inputs: takes(Data), Sign: NonNegative, Batch: BatchAcross, Axis: 0},
	{Name: "BitCast", Since: since(26), Gives: GivesAsTyped, In: exactly(1), infer: bitCast, Inputs: takes(Data), Sign: AnySign, Axes: AxesUntold},
	{Name: "CumProd", Since: since(26), Gives: GivesNumbers, In: exactly(2), infer: cumulate, Sign: SignOfInputs, Magnitude: Widens},
	{Name: "CumSum", Since: since(11, 14), Gives: GivesNumbers, In: exactly(2), infer: cumulate, Sign: SignOfInputs, Magnitude: Widens},
	{Name: "NonZero", Since: since(9, 13), In: exactly(1), infer: nonZero, Inputs: takes(Data), Sign: NonNegative, Axes: AxesUntold},
	{Name: "Scatter", Since: since(9, 11), Gives: GivesNumbers, In: exactly(3), infer: scatterElements, Inputs: takes(Data, Setting, Data), Sign: SignOfInputs},
	{Name: "ScatterElements", Since: since(11, 13, 16, 18), Gives: GivesNumbers, In: exactly(3), infer: scatterElements, Inputs: takes(Data, Setting, Data), Sign: SignOfInputs},
	{Name: "ScatterND", Since: since(11, 13, 16, 18), Gives: GivesNumbers, In: exactly(3), infer: scatterND, Inputs: takes(Data, Setting, Data), Sign: SignOfInputs},
	{Name: "TopK", Since: since(1, 10, 11, 24), In: between(1, 2), Out: exactly(2), infer: topK, Sign: SignOfInputs, Batch: BatchAcross, Axis: -1},
	{Name: "Unique", Since: since(11), In: exactly(1), Out: between(1, 4), infer: unique, Inputs: takes(Data), Sign: SignOfInputs, Axes: AxesUntold},
})

// containerOps make and take apart sequences and optional values.
var containerOps = group(Op{
	Class: Computation, Out: exactly(1), Inputs: takes(Data), Depends: OnContents, Sign: AnySign, Axes: AxesUntold, Batch: BatchMixed,
	Half: Never, Magnitude: Rounds, macs: free, Gives: GivesNumbers,
}, []Op{
	{Name: "ConcatFromSequence", Since: since(11), In: exactly(1), infer: concatFromSequence},
	{Name: "Optional", Since: since(15), In: between(0, 1), infer: optional},
	{Name: "OptionalGetElement", Since: since(15, 18), In: exactly(1), infer: optionalGetElement},
	{Name: "OptionalHasElement", Since: since(15, 18), In: between(0, 1), infer: scalarBool},
	{Name: "SequenceAt", Since: since(11), In: exactly(2), infer: sequenceAt, Inputs: takes(Data, Setting)},
	{Name: "SequenceConstruct", Since: since(11), In: atLeast(1), infer: sequenceConstruct},
	{Name: "SequenceEmpty", Since: since(11), In: exactly(0), infer: sequenceEmpty, Inputs: takes()},
	{Name: "SequenceErase", Since: since(11), In: between(1, 2), infer: identity, Inputs: takes(Data, Setting)},
	{Name: "SequenceInsert", Since: since(11), In: between(2, 3), infer: sequenceInsert, Inputs: takes(Data, Data, Setting)},
	{Name: "SequenceLength", Since: since(11), In: exactly(1), infer: scalarInt64},
	{Name: "SplitToSequence", Since: since(11, 24), In: between(1, 2), infer: splitToSequence, Inputs: takes(Data, Setting)},
})

// controlOps have bodies.
var controlOps = group(Op{
	Class: Computation, Out: atLeast(1), Inputs: takes(Data), Depends: OnContents, Sign: AnySign, Axes: AxesUntold, Batch: BatchMixed,
	Half: Never, Magnitude: Rounds, macs: free, Gives: GivesNumbers,
}, []Op{
	{Name: "If", Since: since(1, 11, 13, 16, 19, 21, 23, 24, 25), In: exactly(1), infer: ifRule, Inputs: takes(Setting)},
	{Name: "Loop", Since: since(1, 11, 13, 16, 19, 21, 23, 24, 25), In: atLeast(2), Omits: 2, infer: loop, Inputs: takes(Setting, Setting, Data)},
	{Name: "Scan", Since: since(8, 9, 11, 16, 19, 21, 23, 24, 25), In: atLeast(1), infer: scan},
	{Name: "SequenceMap", Since: since(17), In: atLeast(1), infer: sequenceMap},
})
