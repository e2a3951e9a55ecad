// Package bnc is the BottleNet compiler as a library: it divides an ONNX CNN at a
// learnable bottleneck into a mobile and a cloud graph, trains the pair, and finds the
// cut that serves best.
//
// Every function takes a context, that ends it, and options: plain structs that can be
// written as JSON, whose zero values are the defaults. Results are values; nothing is
// printed. Errors are told apart by KindOf, and progress goes to a Reporter.
//
//	_, err := bnc.Split(ctx, "net.onnx", bnc.SplitOptions{After: "rb1", Channels: []bnc.Channels{1}, Stride: []int{2}, Out: "b", Calibrate: "photos"})
//	_, err = bnc.Train(ctx, "b", bnc.TrainOptions{Data: "set", Epochs: 1})
//	result, err := bnc.Eval(ctx, "b", bnc.EvalOptions{Data: "set"})
//
// The package joins the compiler (compiler/, passes/) and what runs ONNX files
// (runtime/), which do not know one another.
package bnc
