// Package oracle holds the tests of package convert that compare models before and after
// a conversion in ONNX Runtime, Python's too, of today and of a Jetson TX2, and with
// PyTorch.
package oracle
