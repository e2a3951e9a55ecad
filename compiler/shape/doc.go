// Package shape knows ONNX's operators and what they do to types: the operator
// table, symbolic shape inference, and the cost of each node.
//
// [Infer] gives every value of a model a [Type]: element type, shape with
// symbolic dimensions, and, for the small tensors that shape arithmetic is made
// of, the contents. A dimension is a [Dim]: a polynomial in canonical form, so
// that two dimensions with equal forms are equal for every input the model
// takes. Exporters' chains of Shape, Gather, Concat, Unsqueeze, Slice, Cast and
// arithmetic are evaluated on such polynomials.
//
//	info, err := shape.Infer(m, shape.Options{})
//	t := info.Of(m.Graph.Outputs()[0].Value)
//	fmt.Println(t) // float32[batch,1000]
//
// # Invariants
//
//   - An operator without a row in the table is no error: its outputs have the
//     types the file declares, or unknown ones.
//   - A dimension of a value of known rank is always known: what inference
//     cannot express gets a symbol of its own, see [Atom.Fresh].
//   - Named symbols stand for sizes of at least 1. Sizes that depend on data,
//     like the number of boxes NonMaxSuppression keeps, may be 0.
//   - Contents are followed up to 1024 elements a tensor, which bounds memory;
//     shape arithmetic needs fewer.
//
// The package reads models and never changes them. It uses no cgo and never
// imports runtime/ or ops/.
package shape
