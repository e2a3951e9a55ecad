package shape

// What rows of the operator table state beside versions and types. The zero value of
// each is "not stated", which a test refuses: nothing is taken for granted of a new
// operator.

// Class says what an operator's outputs are made of.
type Class uint8

const (
	_ Class = iota
	// Elementwise operators compute each element from those at its place in the
	// inputs, which broadcast.
	Elementwise
	// Activation operators are those Elementwise ones that networks put behind
	// convolutions and sums.
	Activation
	// Copy operators hand their first input on, as inference runs them.
	Copy
	// View operators give their first input another shape, and leave its elements in
	// their order.
	View
	// Move operators put elements of their inputs elsewhere; all outputs are made of
	// some of them.
	Move
	// Conversion operators give the numbers of their first input in another type or
	// scale.
	Conversion
	// Computation operators are all others.
	Computation
)

// Depends says what outputs depend on.
type Depends uint8

const (
	_ Depends = iota
	// OnContents: on the inputs and attributes, in every run alike.
	OnContents
	// OnShape: on the shape of the first input only.
	OnShape
	// OnChance: they differ from run to run.
	OnChance
	// OnChanceInTraining: they differ where input training_mode (the third) is true,
	// as Dropout's from operator set 12 on.
	OnChanceInTraining
)

// Role says what an input is to its operator.
type Role uint8

const (
	_ Role = iota
	// Data is what the operator is for: activations.
	Data
	// Kernel is that of a convolution, or a matrix: a weight where it is constant.
	Kernel
	// Weight is a bias, a scale or a slope: a weight where it is constant.
	Weight
	// Statistic is a running mean or variance.
	Statistic
	// Operand is Data in arithmetic that biases and scales are spelt with: where it is
	// constant it may be a weight.
	Operand
	// Number is a setting that has the element type of the data.
	Number
	// Setting says how: sizes, axes, indices, flags. Its type is its own.
	Setting
)

// Sign says whether an operator may give negative numbers, as its first output, and as
// the others where it is a Move.
type Sign uint8

const (
	_ Sign = iota
	// AnySign: it may.
	AnySign
	// NonNegative: it never does.
	NonNegative
	// SignOfInputs: only where one of its inputs of Data, Operands and Numbers does.
	SignOfInputs
	// SignByNode: that takes a look at attributes and types.
	SignByNode
)

// Axes says what the axes of an image are to an operator.
type Axes uint8

const (
	_ Axes = iota
	// AxesKept: they are the same in all inputs and outputs of rank 4.
	AxesKept
	// AxesNCHW: the first input and output are [N,C,H,W] where they have rank 4.
	AxesNCHW
	// AxesNHWC: they are [N,H,W,C].
	AxesNHWC
	// AxesPermuted: attribute perm moves them.
	AxesPermuted
	// AxesUntold: those of inputs tell nothing of those of outputs.
	AxesUntold
)

// Batch says on which condition an operator treats the images of a batch one by one,
// where the batch is an axis of its inputs and of its outputs.
type Batch uint8

const (
	_ Batch = iota
	// BatchAligned: where it is the same axis everywhere, counted from the last one,
	// as broadcasting does. Any input may have it.
	BatchAligned
	// BatchFirst: where only the first input has it.
	BatchFirst
	// BatchLeading: where only the first input has it, as axis 0.
	BatchLeading
	// BatchInOrder: where as many elements are before it in inputs as in outputs.
	BatchInOrder
	// BatchAcross: where only the first input has it, and attribute axis, whose default
	// is in the row, is another one.
	BatchAcross
	// BatchByNode: that takes a look at the node.
	BatchByNode
	// BatchMixed: it may compute one image from others.
	BatchMixed
)

// Half is the first version of ai.onnx's operator set in which runtimes take an
// operator in float16.
type Half int64

const (
	// Never: the operator stays in float32.
	Never Half = -1
	// Always: all versions do.
	Always Half = 1
)

// Magnitude says how large results are where inputs are far from 1: float16 ends at
// 65504 and at 6e-8.
type Magnitude uint8

const (
	_ Magnitude = iota
	// Rounds: the operator reads such numbers rounded to float16.
	Rounds
	// Carries: it is cheap in float32, and its results are as far from 1.
	Carries
	// Settles: it is cheap in float32, and its results are near 1 again: x / sqrt(mean
	// + epsilon), the Softmax of masked scores.
	Settles
	// Widens: results are far from 1 where its inputs are not: squares, exponentials,
	// sums.
	Widens
)

// Gives says what numbers an operator gives, and what is to be known where a network ends
// with it.
type Gives uint8

const (
	_ Gives = iota
	// GivesNumbers: such as follow the numbers of its inputs.
	GivesNumbers
	// GivesShares: of a whole, along attribute axis, or their logarithms.
	GivesShares
	// GivesScores: from 0 to 1, each by itself, as a logistic function does.
	GivesScores
	// GivesUnits: vectors divided by their lengths, where attribute p is 2.
	GivesUnits
	// GivesLengths: those of vectors.
	GivesLengths
	// GivesSteps: whole numbers and truth values, which small changes of its inputs leave as
	// they are.
	GivesSteps
	// GivesAsTyped: the numbers of its input, in steps where its output's type is no float.
	GivesAsTyped
	// GivesChoices: positions, or elements that are chosen by what its inputs hold. (So does
	// a Move whose Settings are computed of activations.)
	GivesChoices
)

func takes(roles ...Role) []Role { return append([]Role{}, roles...) }

// free is the cost of operators that are not made of multiply-adds.
func free(*call, []Type) Dim { return Const(0) }
