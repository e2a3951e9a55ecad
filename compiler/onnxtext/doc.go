// Package onnxtext reads and writes models in ONNX's text syntax
// (docs/Syntax.md of the onnx repository): what tests are written in, and what
// a dump of a pass shows.
//
//	<ir_version: 8, opset_import: ["" : 17]>
//	net (float[batch, 3, 8, 8] x) => (float[batch, 4, 8, 8] y)
//	<float[4, 3, 1, 1] w = {1, 0, 0, 0, 1, 0, 0, 0, 1, 1, 1, 1}>
//	{
//	  [conv] h = Conv <kernel_shape: ints = [1, 1]> (x, w)
//	  y = Relu (h)
//	}
//
// What [Parse] takes, and what it does where the document is silent, is that of
// onnx.parser, with four additions, which [Print] uses only where the syntax
// has no other words: a quoted domain, operator, attribute or dimension that is
// no identifier, a quoted name of a nested graph, lists of tensors, graphs and
// types as attributes, and the opaque type. Numbers that a type cannot hold and
// tensors with too few or too many elements are refused.
//
// The elements of 16- and 8-bit floating-point tensors are written as the
// integers that have their bits, those of types narrower than a byte as packed
// bytes.
package onnxtext
