// Package oracle holds the tests of package grad that compare it with other engines:
// what ONNX Runtime computes with gradient graphs and training steps against PyTorch,
// onnx's reference implementation and finite differences.
package oracle
