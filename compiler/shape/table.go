package shape

// table has every operator the compiler knows. Versions, numbers of inputs and
// numbers of outputs are those of ONNX's operator schemas up to operator set 27
// and of ONNX Runtime 1.30's own. Some of ai.onnx were never in a released operator
// set: converters before ONNX 1.5 wrote them and ONNX Runtime still takes them.
var table = index(
	functionOps, activationOps, arithmeticOps, predicateOps,
	copyOps, viewOps, moveOps, conversionOps, shapeOps, sourceOps, randomOps, selectionOps, containerOps, controlOps,
	imageOps, productOps, reduceOps, normalisationOps, sequenceOps, otherOps,
	mlOps, fusedOps, quantisedOps, codecOps,
)

func since(versions ...int64) []int64 { return versions }
