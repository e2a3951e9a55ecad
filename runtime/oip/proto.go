package oip

import (
	"fmt"

	"github.com/bottlenet/bnc/runtime/oip/oippb"
	"github.com/bottlenet/bnc/runtime/tensor"
)

// RequestFromProto returns the request of a gRPC message, whose raw contents it
// shares. Contents may be raw or typed; a claimed shape that does not fit them
// is an error (Invalid) that names the tensor.
func RequestFromProto(m *oippb.ModelInferRequest) (*Request, error) {
	r := &Request{
		Model:   m.GetModelName(),
		Version: m.GetModelVersion(),
		ID:      m.GetId(),
		Params:  paramsFromProto(m.GetParameters()),
	}
	var err error
	if r.Inputs, err = tensorsFromProto("input", m.GetInputs(), m.GetRawInputContents()); err != nil {
		return nil, err
	}
	names := make([]string, 0, len(m.GetOutputs()))
	for _, o := range m.GetOutputs() {
		r.Outputs = append(r.Outputs, RequestedOutput{o.GetName(), paramsFromProto(o.GetParameters())})
		names = append(names, o.GetName())
	}
	return r, checkNames("output", names)
}

// ResponseToProto returns the message of a response, with raw contents that
// share the tensors' memory.
func ResponseToProto(r *Response) (*oippb.ModelInferResponse, error) {
	params, err := paramsToProto(r.Params)
	if err != nil {
		return nil, err
	}
	m := &oippb.ModelInferResponse{ModelName: r.Model, ModelVersion: r.Version, Id: r.ID, Parameters: params}
	for _, t := range r.Outputs {
		if params, err = paramsToProto(t.Params); err != nil {
			return nil, err
		}
		m.Outputs = append(m.Outputs, &oippb.ModelInferResponse_InferOutputTensor{
			Name: t.Name, Datatype: Datatype(t.Value.DType), Shape: t.Value.Shape, Parameters: params})
		m.RawOutputContents = append(m.RawOutputContents, toRaw(t.Value))
	}
	return m, nil
}

// requestToProto returns the message of a request, with raw contents that share
// the tensors' memory.
func requestToProto(r *Request) (*oippb.ModelInferRequest, error) {
	params, err := paramsToProto(r.Params)
	if err != nil {
		return nil, err
	}
	m := &oippb.ModelInferRequest{ModelName: r.Model, ModelVersion: r.Version, Id: r.ID, Parameters: params}
	for _, t := range r.Inputs {
		if params, err = paramsToProto(t.Params); err != nil {
			return nil, err
		}
		m.Inputs = append(m.Inputs, &oippb.ModelInferRequest_InferInputTensor{
			Name: t.Name, Datatype: Datatype(t.Value.DType), Shape: t.Value.Shape, Parameters: params})
		m.RawInputContents = append(m.RawInputContents, toRaw(t.Value))
	}
	for _, o := range r.Outputs {
		if params, err = paramsToProto(o.Params); err != nil {
			return nil, err
		}
		m.Outputs = append(m.Outputs, &oippb.ModelInferRequest_InferRequestedOutputTensor{Name: o.Name, Parameters: params})
	}
	return m, nil
}

// responseFromProto is RequestFromProto's counterpart for the client.
func responseFromProto(m *oippb.ModelInferResponse) (*Response, error) {
	r := &Response{
		Model:   m.GetModelName(),
		Version: m.GetModelVersion(),
		ID:      m.GetId(),
		Params:  paramsFromProto(m.GetParameters()),
	}
	var err error
	r.Outputs, err = tensorsFromProto("output", m.GetOutputs(), m.GetRawOutputContents())
	return r, err
}

// protoTensor is an input of a request or an output of a response.
type protoTensor interface {
	GetName() string
	GetDatatype() string
	GetShape() []int64
	GetParameters() map[string]*oippb.InferParameter
	GetContents() *oippb.InferTensorContents
}

// tensorsFromProto returns the tensors of a message: from raw, which holds
// one item each, or where it is empty from their typed contents.
func tensorsFromProto[T protoTensor](kind string, tensors []T, raw [][]byte) ([]Tensor, error) {
	if len(raw) > 0 && len(raw) != len(tensors) {
		return nil, Errorf(Invalid, "raw_%s_contents: expected one item for each of the %d %ss, found %d", kind, len(tensors), kind, len(raw))
	}
	var out []Tensor
	var names []string
	for i, t := range tensors {
		what := label(kind, t.GetName())
		dtype, err := ParseDatatype(t.GetDatatype())
		if err != nil {
			return nil, Errorf(Invalid, "%s: %v", what, err)
		}
		var value *tensor.Tensor
		switch {
		case len(raw) == 0:
			value, err = fromContents(what, dtype, t.GetShape(), t.GetContents())
		case t.GetContents() != nil:
			err = Errorf(Invalid, "%s: found contents and raw_%s_contents, expected one of them", what, kind)
		default:
			value, err = fromRaw(what, dtype, t.GetShape(), raw[i])
		}
		if err != nil {
			return nil, err
		}
		out = append(out, Tensor{t.GetName(), value, paramsFromProto(t.GetParameters())})
		names = append(names, t.GetName())
	}
	return out, checkNames(kind, names)
}

// MetadataToProto returns the message of a model's metadata, with the properties
// as parameters.
func MetadataToProto(m *ModelMetadata) *oippb.ModelMetadataResponse {
	var params map[string]*oippb.InferParameter
	for name, value := range m.Properties {
		if params == nil {
			params = map[string]*oippb.InferParameter{}
		}
		params[name] = &oippb.InferParameter{ParameterChoice: &oippb.InferParameter_StringParam{StringParam: value}}
	}
	return &oippb.ModelMetadataResponse{
		Name: m.Name, Versions: m.Versions, Platform: m.Platform,
		Inputs: portsToProto(m.Inputs), Outputs: portsToProto(m.Outputs), Parameters: params,
	}
}

// metadataFromProto is MetadataToProto's inverse.
func metadataFromProto(m *oippb.ModelMetadataResponse) *ModelMetadata {
	var properties map[string]string
	for name, value := range paramsFromProto(m.GetParameters()) {
		if properties == nil {
			properties = map[string]string{}
		}
		properties[name] = fmt.Sprint(value)
	}
	return &ModelMetadata{
		Name: m.GetName(), Versions: m.GetVersions(), Platform: m.GetPlatform(), Properties: properties,
		Inputs: portsFromProto(m.GetInputs()), Outputs: portsFromProto(m.GetOutputs()),
	}
}

func portsToProto(ports []Port) []*oippb.ModelMetadataResponse_TensorMetadata {
	var out []*oippb.ModelMetadataResponse_TensorMetadata
	for _, p := range ports {
		out = append(out, &oippb.ModelMetadataResponse_TensorMetadata{Name: p.Name, Datatype: p.Datatype, Shape: p.Shape})
	}
	return out
}

func portsFromProto(ports []*oippb.ModelMetadataResponse_TensorMetadata) []Port {
	var out []Port
	for _, p := range ports {
		out = append(out, Port{p.GetName(), p.GetDatatype(), p.GetShape()})
	}
	return out
}
