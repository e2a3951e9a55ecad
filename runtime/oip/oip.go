// Package oip speaks the Open Inference Protocol v2 (KServe, Triton): its
// messages as Go values, their two forms (REST with JSON and the binary tensor
// extension; gRPC), and clients for both.
//
// Service is what a server offers and what a client gives access to, so that a
// remote server and one in the same process are used in the same way.
//
//	remote, err := oip.Dial("http://127.0.0.1:8000", oip.DialOptions{})
//	defer remote.Close()
//	out, err := remote.Infer(ctx, &oip.Request{Model: "resnet50-rb1-c1-s2", Inputs: ...})
//
// Sources: kserve/open-inference-protocol (specification/protocol) and
// triton-inference-server/server (docs/protocol/extension_binary_data.md).
package oip

import (
	"context"

	"github.com/bottlenet/bnc/runtime/tensor"
)

// Service is the protocol: a server's answers. Errors are *Error where the
// protocol has something to say about them.
type Service interface {
	Live(ctx context.Context) error  // nil where the server runs
	Ready(ctx context.Context) error // nil where it takes requests
	Metadata(ctx context.Context) (*ServerMetadata, error)
	// ModelReady and ModelMetadata take version "" for the model's only one.
	ModelReady(ctx context.Context, model, version string) error
	ModelMetadata(ctx context.Context, model, version string) (*ModelMetadata, error)
	Infer(ctx context.Context, r *Request) (*Response, error)
}

// ServerMetadata is what a server says about itself.
type ServerMetadata struct {
	Name       string   `json:"name"`
	Version    string   `json:"version"`
	Extensions []string `json:"extensions"`
}

// ModelMetadata is what a server says about a model.
type ModelMetadata struct {
	Name       string            `json:"name"`
	Versions   []string          `json:"versions,omitempty"`
	Platform   string            `json:"platform"`
	Inputs     []Port            `json:"inputs"`
	Outputs    []Port            `json:"outputs"`
	Properties map[string]string `json:"properties,omitempty"`
}

// Port is an input or output of a model. Datatype is the protocol's name of the
// element type ("UINT8", "FP32"); a dimension that may have any size is -1.
type Port struct {
	Name     string  `json:"name"`
	Datatype string  `json:"datatype"`
	Shape    []int64 `json:"shape"`
}

// Params are parameters of a request, response or tensor: bool, int64, float64
// or string each.
type Params map[string]any

// Tensor is a named tensor of a request or response.
type Tensor struct {
	Name   string
	Value  *tensor.Tensor
	Params Params
}

// RequestedOutput is an output that a request asks for. A request without any
// asks for all.
type RequestedOutput struct {
	Name   string
	Params Params
}

// Request is one inference.
type Request struct {
	Model, Version string // Version may be ""
	ID             string // the client's own; the response repeats it
	Params         Params
	Inputs         []Tensor
	Outputs        []RequestedOutput
}

// Input returns the input of that name, nil if there is none.
func (r *Request) Input(name string) *tensor.Tensor {
	for _, t := range r.Inputs {
		if t.Name == name {
			return t.Value
		}
	}
	return nil
}

// Response answers a Request.
type Response struct {
	Model, Version string
	ID             string
	Params         Params
	Outputs        []Tensor
}

// Output returns the output of that name, nil if there is none.
func (r *Response) Output(name string) *tensor.Tensor {
	for _, t := range r.Outputs {
		if t.Name == name {
			return t.Value
		}
	}
	return nil
}

// Names of parameters that bnc's server and client exchange. Other servers pass
// over those that they do not know.
const (
	// ParamPair in a request is the bnc.pair of the mobile half that made the
	// payload (string). In a model's properties it is the cloud half's.
	ParamPair = "bnc_pair"
	// ParamTimeout in a request is how long the client waits, in microseconds
	// (int64): Triton's name. With gRPC the call's own deadline counts too.
	ParamTimeout = "timeout"
	// ParamQueue and ParamCompute in a response are how long the request waited
	// and how long its batch was computed, in milliseconds (float64).
	ParamQueue   = "bnc_queue_ms"
	ParamCompute = "bnc_compute_ms"
)
