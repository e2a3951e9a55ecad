package shape

import "github.com/bottlenet/bnc/compiler/ir"

// functionOps are functions of one number, element by element.
var functionOps = group(Op{
	Class: Elementwise, In: exactly(1), Out: exactly(1), infer: sameAs(0), Inputs: takes(Data), Depends: OnContents, Axes: AxesKept,
	Batch: BatchAligned, Half: Never, Magnitude: Rounds, macs: free, Gives: GivesNumbers,
}, []Op{
	{Name: "Abs", Since: since(1, 6, 13), infer: elementwise(absolute, ir.Undefined), Sign: NonNegative, Half: Always, Magnitude: Carries},
	{Name: "Acos", Since: since(7, 22), Sign: NonNegative},
	{Name: "Acosh", Since: since(9, 22), Sign: NonNegative},
	{Name: "Affine", Since: since(1, 10), Sign: AnySign},
	{Name: "Asin", Since: since(7, 22), Sign: SignOfInputs},
	{Name: "Asinh", Since: since(9, 22), Sign: SignOfInputs},
	{Name: "Atan", Since: since(7, 22), Sign: SignOfInputs},
	{Name: "Atanh", Since: since(9, 22), Sign: SignOfInputs},
	{Name: "Ceil", Since: since(1, 6, 13), Gives: GivesSteps, infer: elementwise(roundUp, ir.Undefined), Sign: SignOfInputs},
	{Name: "Cos", Since: since(7, 22), Sign: AnySign},
	{Name: "Cosh", Since: since(9, 22), Sign: NonNegative, Magnitude: Widens},
	{Name: "Exp", Since: since(1, 6, 13), Sign: NonNegative, Half: Always, Magnitude: Widens},
	{Name: "Floor", Since: since(1, 6, 13), Gives: GivesSteps, infer: elementwise(roundDn, ir.Undefined), Sign: SignOfInputs},
	{Name: "Log", Since: since(1, 6, 13), Sign: AnySign, Half: Always, Magnitude: Settles},
	{Name: "Neg", Since: since(1, 6, 13), infer: elementwise(negate, ir.Undefined), Sign: AnySign, Half: Always, Magnitude: Carries},
	{Name: "ParametricSoftplus", Since: since(1, 10), Sign: AnySign},
	{Name: "Reciprocal", Since: since(1, 6, 13), infer: elementwise(inverse, ir.Undefined), Sign: SignOfInputs, Half: Always, Magnitude: Widens},
	{Name: "Round", Since: since(11, 22), Gives: GivesSteps, infer: elementwise(nearest, ir.Undefined), Sign: SignOfInputs},
	{Name: "Scale", Since: since(1, 10), Sign: AnySign},
	{Name: "ScaledTanh", Since: since(1, 10), Sign: AnySign},
	{Name: "Shrink", Since: since(9), Sign: AnySign},
	{Name: "Sign", Since: since(9, 13), Gives: GivesSteps, Sign: SignOfInputs},
	{Name: "Sin", Since: since(7, 22), Sign: AnySign},
	{Name: "Sinh", Since: since(9, 22), Sign: SignOfInputs, Magnitude: Widens},
	{Name: "Sqrt", Since: since(1, 6, 13), infer: elementwise(root, ir.Undefined), Sign: NonNegative, Half: Always, Magnitude: Carries},
	{Name: "Tan", Since: since(7, 22), Sign: AnySign, Magnitude: Widens},
})

// activationOps are the functions that networks put behind convolutions and sums.
var activationOps = group(Op{
	Class: Activation, In: exactly(1), Out: exactly(1), infer: sameAs(0), Inputs: takes(Data), Depends: OnContents, Axes: AxesKept,
	Batch: BatchAligned, Magnitude: Rounds, macs: free, Gives: GivesNumbers,
}, []Op{
	{Name: "Celu", Since: since(12), Sign: SignOfInputs, Half: Never},
	{Name: "Clip", Since: since(1, 6, 11, 12, 13), In: between(1, 3), infer: clip,
		Inputs: takes(Data, Number, Number), Sign: SignByNode, Batch: BatchFirst, Half: 11, Magnitude: Settles},
	{Name: "Elu", Since: since(1, 6, 22), Sign: SignOfInputs, Half: Always},
	{Name: "Erf", Since: since(9, 13), Sign: SignOfInputs, Half: Always},
	{Name: "Gelu", Since: since(20), Sign: SignOfInputs, Half: Never},
	{Name: "HardSigmoid", Since: since(1, 6, 22), Sign: NonNegative, Half: Always},
	{Name: "HardSwish", Since: since(14, 22), Sign: SignOfInputs, Half: Always},
	{Name: "LeakyRelu", Since: since(1, 6, 16), Sign: SignOfInputs, Half: Always},
	{Name: "Mish", Since: since(18, 22), Sign: SignOfInputs, Half: Never},
	{Name: "PRelu", Since: since(1, 6, 7, 9, 16), In: exactly(2), infer: prelu, Inputs: takes(Data, Weight), Sign: SignOfInputs, Half: Always},
	{Name: "Relu", Since: since(1, 6, 13, 14), Sign: NonNegative, Half: Always, Magnitude: Carries},
	{Name: "Selu", Since: since(1, 6, 22), Sign: AnySign, Half: Always},
	{Name: "Sigmoid", Since: since(1, 6, 13), Gives: GivesScores, Sign: NonNegative, Half: Always, Magnitude: Settles},
	{Name: "Softplus", Since: since(1, 22), Sign: NonNegative, Half: Always},
	{Name: "Softsign", Since: since(1, 22), Sign: SignOfInputs, Half: Never},
	{Name: "Swish", Since: since(24), Sign: SignOfInputs, Half: Never},
	{Name: "Tanh", Since: since(1, 6, 13), Sign: SignOfInputs, Half: Always, Magnitude: Settles},
	{Name: "ThresholdedRelu", Since: since(1, 10, 22), Sign: SignByNode, Half: Never},
})

// arithmeticOps compute with several tensors, which broadcast.
var arithmeticOps = group(Op{
	Class: Elementwise, In: exactly(2), Out: exactly(1), Depends: OnContents, Axes: AxesKept, Batch: BatchAligned, Half: Always,
	Magnitude: Carries, macs: free, Gives: GivesNumbers,
}, []Op{
	{Name: "Add", Since: since(1, 6, 7, 13, 14), infer: elementwise(add, ir.Undefined), Inputs: takes(Operand, Operand), Sign: SignOfInputs},
	{Name: "Div", Since: since(1, 6, 7, 13, 14), infer: elementwise(div, ir.Undefined),
		Inputs: takes(Data, Operand), Sign: SignOfInputs, Magnitude: Settles},
	{Name: "Max", Since: since(1, 6, 8, 12, 13), In: atLeast(1), infer: elementwise(most, ir.Undefined), Inputs: takes(Data), Sign: SignOfInputs, Half: 8},
	{Name: "Mean", Since: since(1, 6, 8, 13), In: atLeast(1), infer: elementwise(opaque, ir.Undefined), Inputs: takes(Data), Sign: SignOfInputs},
	{Name: "Min", Since: since(1, 6, 8, 12, 13), In: atLeast(1), infer: elementwise(least, ir.Undefined), Inputs: takes(Data), Sign: SignOfInputs, Half: 8},
	{Name: "Mod", Since: since(10, 13), infer: modulo, Inputs: takes(Data, Data), Sign: AnySign, Half: Never, Magnitude: Rounds},
	{Name: "Mul", Since: since(1, 6, 7, 13, 14), infer: elementwise(mul, ir.Undefined),
		Inputs: takes(Operand, Operand), Sign: SignOfInputs, Magnitude: Settles},
	{Name: "Pow", Since: since(1, 7, 12, 13, 15), infer: power, Inputs: takes(Data, Number), Sign: SignOfInputs, Magnitude: Widens},
	{Name: "Sub", Since: since(1, 6, 7, 13, 14), infer: elementwise(sub, ir.Undefined), Inputs: takes(Operand, Operand), Sign: AnySign},
	{Name: "Sum", Since: since(1, 6, 8, 13), In: atLeast(1), infer: elementwise(add, ir.Undefined), Inputs: takes(Data), Sign: SignOfInputs},
	{Name: "Where", Since: since(9, 16), In: exactly(3), infer: where, Inputs: takes(Setting, Data, Data), Sign: SignOfInputs},
})

// predicateOps give truth values, bits or characters, which have no fractions.
var predicateOps = group(Op{
	Class: Elementwise, In: exactly(2), Out: exactly(1), Inputs: takes(Data, Data), Depends: OnContents, Sign: NonNegative, Axes: AxesKept,
	Batch: BatchAligned, Half: Never, Magnitude: Rounds, macs: free, Gives: GivesSteps,
}, []Op{
	{Name: "And", Since: since(1, 7), infer: elementwise(and, ir.Bool)},
	{Name: "BitShift", Since: since(11), infer: elementwise(opaque, ir.Undefined)},
	{Name: "BitwiseAnd", Since: since(18), infer: elementwise(opaque, ir.Undefined), Sign: AnySign},
	{Name: "BitwiseNot", Since: since(18), In: exactly(1), infer: sameAs(0), Inputs: takes(Data), Sign: AnySign},
	{Name: "BitwiseOr", Since: since(18), infer: elementwise(opaque, ir.Undefined), Sign: AnySign},
	{Name: "BitwiseXor", Since: since(18), infer: elementwise(opaque, ir.Undefined), Sign: AnySign},
	{Name: "Equal", Since: since(1, 7, 11, 13, 19), infer: elementwise(equal, ir.Bool)},
	{Name: "Greater", Since: since(1, 7, 9, 13), infer: elementwise(more, ir.Bool)},
	{Name: "GreaterOrEqual", Since: since(12, 16), infer: elementwise(moreOrEqual, ir.Bool)},
	{Name: "IsInf", Since: since(10, 20), In: exactly(1), infer: shapeOf(ir.Bool), Inputs: takes(Data)},
	{Name: "IsNaN", Since: since(9, 13, 20), In: exactly(1), infer: shapeOf(ir.Bool), Inputs: takes(Data)},
	{Name: "Less", Since: since(1, 7, 9, 13), infer: elementwise(less, ir.Bool)},
	{Name: "LessOrEqual", Since: since(12, 16), infer: elementwise(lessOrEqual, ir.Bool)},
	{Name: "Not", Since: since(1), In: exactly(1), infer: elementwise(not, ir.Bool), Inputs: takes(Data)},
	{Name: "Or", Since: since(1, 7), infer: elementwise(or, ir.Bool)},
	{Name: "RegexFullMatch", Since: since(20), In: exactly(1), infer: shapeOf(ir.Bool), Inputs: takes(Data)},
	{Name: "StringConcat", Since: since(20), infer: elementwise(opaque, ir.String), Sign: AnySign},
	{Name: "Xor", Since: since(1, 7), infer: elementwise(opaque, ir.Bool)},
})
