// Package oracle holds the tests of package split that run both halves in ONNX Runtime:
// together they compute what the whole network does.
package oracle
