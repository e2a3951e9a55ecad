// Package ir is the in-memory form of an ONNX model: a [Model] with a [Graph]
// of [Node]s that are joined by [Value]s.
//
// # Invariants
//
//   - A value knows the node that produces it and every use of it; a node knows
//     its inputs and outputs. Both sides change together, through methods only.
//   - Names of values are unique in a graph. A value that a body of an If, Loop
//     or Scan captures is the outer *Value itself, and its uses include those in
//     the bodies; nothing in the body hides its name. What a node in a body
//     computes has a name that no enclosing graph gave before. New names are
//     unique in a graph and all graphs nested in it.
//   - Tensors and attributes are immutable once they are in a model. Clones
//     share them: cloning a model of 2 GB costs what its graph costs.
//   - What the format has and the compiler does not look at (doc strings,
//     metadata, unknown fields, annotations) stays in protocol buffer messages
//     beside the typed fields, so that load and save lose nothing.
//
// [Model.Verify] checks all of this but that nobody writes to a tensor; the pass
// manager calls it after every pass.
//
// The package never reads files: that is compiler/onnx.
package ir
