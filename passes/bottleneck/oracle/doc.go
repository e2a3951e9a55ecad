// Package oracle holds the tests of package bottleneck that compare with ONNX Runtime.
package oracle
