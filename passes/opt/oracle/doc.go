// Package oracle holds the tests of package opt that compare with ONNX Runtime what the
// compiler computes itself: folded constants, inferred shapes, merged expressions.
package oracle
