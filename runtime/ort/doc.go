// Package ort runs ONNX files with ONNX Runtime, through
// github.com/yalue/onnxruntime_go.
//
// It finds the shared library and bnc's op library, opens sessions on the
// execution providers that are there, and turns tensors of package tensor
// into ONNX Runtime's values and back without copying where that is possible.
//
//	s, err := ort.Open("cloud.onnx", ort.Options{})
//	defer s.Close()
//	out, err := s.Run(ctx, ort.Feed{"payload": payload})
//	logits, err := out.Tensor("logits")
//
// ONNX Runtime is one library and one environment per process; the first
// Open (or Load) loads it and it stays until the process ends.
package ort
