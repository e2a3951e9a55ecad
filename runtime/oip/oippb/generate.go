// Package oippb holds the protocol buffer messages and the gRPC service of the
// Open Inference Protocol, generated from open_inference_grpc.proto, and the
// messages of one of Triton's extensions, from triton_model_config.proto. Package
// oip converts them; a server implements GRPCInferenceServiceServer.
package oippb

//go:generate protoc --go_out=. --go_opt=paths=source_relative --go_opt=Mopen_inference_grpc.proto=github.com/bottlenet/bnc/runtime/oip/oippb --go-grpc_out=. --go-grpc_opt=paths=source_relative --go-grpc_opt=Mopen_inference_grpc.proto=github.com/bottlenet/bnc/runtime/oip/oippb open_inference_grpc.proto
//go:generate protoc --go_out=. --go_opt=paths=source_relative --go_opt=Mtriton_model_config.proto=github.com/bottlenet/bnc/runtime/oip/oippb triton_model_config.proto
