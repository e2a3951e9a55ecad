// Package onnxpb holds the protocol buffer messages of the ONNX format,
// generated from onnx.proto (onnx-ml.proto of the ONNX 1.23.2 release,
// Apache-2.0). Only packages that read or write ONNX files use it.
package onnxpb

//go:generate protoc --go_out=. --go_opt=paths=source_relative --go_opt=Monnx.proto=github.com/bottlenet/bnc/compiler/onnxpb onnx.proto
