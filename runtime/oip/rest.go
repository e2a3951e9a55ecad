package oip

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"github.com/bottlenet/bnc/runtime/tensor"
)

// HeaderLength is the header of a body with binary tensors: the bytes of its
// JSON object, which the tensors follow.
const HeaderLength = "Inference-Header-Content-Length"

// Parameters of the binary extension.
const (
	paramSize      = "binary_data_size"   // of a tensor: its bytes behind the JSON
	paramBinary    = "binary_data"        // of a requested output: as bytes
	paramAllBinary = "binary_data_output" // of a request: all outputs as bytes
)

// restTensor is a tensor's JSON object.
type restTensor struct {
	Name     string          `json:"name"`
	Datatype string          `json:"datatype"`
	Shape    []int64         `json:"shape"`
	Params   jsonParams      `json:"parameters"`
	Data     json.RawMessage `json:"data"`
}

// restOutput is a requested output's JSON object.
type restOutput struct {
	Name   string     `json:"name"`
	Params jsonParams `json:"parameters"`
}

// restRequest is an inference request's JSON object.
type restRequest struct {
	ID      string                `json:"id"`
	Params  jsonParams            `json:"parameters"`
	Inputs  jsonItems[restTensor] `json:"inputs"`
	Outputs jsonItems[restOutput] `json:"outputs"`
}

// restResponse is an inference response's JSON object.
type restResponse struct {
	Model   string                `json:"model_name"`
	Version string                `json:"model_version"`
	ID      string                `json:"id"`
	Params  jsonParams            `json:"parameters"`
	Outputs jsonItems[restTensor] `json:"outputs"`
}

// DecodeREST returns the request that the body of
// POST /v2/models/MODEL[/versions/VERSION]/infer holds: one JSON object, with
// header Inference-Header-Content-Length followed by binary tensors. Tensors
// may share body's memory. Errors are Invalid and name the tensor, Unsupported
// for an encoding of the body.
func DecodeREST(model, version string, header http.Header, body []byte) (*Request, error) {
	object, binary, err := divide(header, body)
	if err != nil {
		return nil, err
	}
	var m restRequest
	if err := decodeObject(object, &m); err != nil {
		return nil, err
	}
	r := &Request{Model: model, Version: version, ID: m.ID}
	if r.Params, err = m.Params.decode("request"); err != nil {
		return nil, err
	}
	if r.Inputs, err = restTensors("input", m.Inputs, binary); err != nil {
		return nil, err
	}
	names := make([]string, 0, len(m.Outputs))
	for _, o := range m.Outputs {
		params, err := o.Params.decode(label("output", o.Name))
		if err != nil {
			return nil, err
		}
		r.Outputs = append(r.Outputs, RequestedOutput{o.Name, params})
		names = append(names, o.Name)
	}
	return r, checkNames("output", names)
}

// decodeResponse is DecodeREST's counterpart for the client.
func decodeResponse(header http.Header, body []byte) (*Response, error) {
	object, binary, err := divide(header, body)
	if err != nil {
		return nil, err
	}
	var m restResponse
	if err := decodeObject(object, &m); err != nil {
		return nil, err
	}
	r := &Response{Model: m.Model, Version: m.Version, ID: m.ID}
	if r.Params, err = m.Params.decode("response"); err != nil {
		return nil, err
	}
	r.Outputs, err = restTensors("output", m.Outputs, binary)
	return r, err
}

// divide returns a body's JSON object and its binary tensors.
func divide(header http.Header, body []byte) (object, binary []byte, err error) {
	if e := header.Get("Content-Encoding"); e != "" && e != "identity" {
		return nil, nil, Errorf(Unsupported, "Content-Encoding %s is not taken: send the body as it is", quote(e))
	}
	text := header.Get(HeaderLength)
	if text == "" {
		return body, nil, nil
	}
	n, err := strconv.ParseUint(text, 10, 63)
	switch {
	case err != nil:
		return nil, nil, Errorf(Invalid, "header %s: expected the bytes of the JSON object, found %s", HeaderLength, quote(text))
	case n == 0:
		return nil, nil, Errorf(Unsupported, "header %s: 0: a body without a JSON object is not taken", HeaderLength)
	case n > uint64(len(body)):
		return nil, nil, Errorf(Invalid, "header %s: %d: the body has only %d bytes", HeaderLength, n, len(body))
	}
	return body[:n], body[n:], nil
}

// decodeObject decodes one JSON object. It takes NaN, Infinity and -Infinity,
// which JSON does not have and Python and Triton write.
func decodeObject(object []byte, into any) error {
	err := json.Unmarshal(object, into)
	if syntax := (*json.SyntaxError)(nil); errors.As(err, &syntax) {
		if quoted, found := quoteNonFinite(object); found {
			err = json.Unmarshal(quoted, into)
		}
	}
	syntax, mistyped := (*json.SyntaxError)(nil), (*json.UnmarshalTypeError)(nil)
	switch {
	case errors.As(err, &syntax):
		return Errorf(Invalid, "JSON, byte %d: %v", syntax.Offset, syntax)
	case errors.As(err, &mistyped):
		return Errorf(Invalid, "JSON: %s: expected %s, found a %s",
			cmp.Or(mistyped.Field, "body"), jsonKinds[mistyped.Type.Kind()], mistyped.Value)
	case err != nil:
		return Errorf(Invalid, "JSON: %v", err)
	}
	return nil
}

// restTensors returns the tensors of a message. binary holds those that are
// not in the JSON, in order and without a gap.
func restTensors(kind string, tensors []restTensor, binary []byte) ([]Tensor, error) {
	var out []Tensor
	var names []string
	for _, t := range tensors {
		what := label(kind, t.Name)
		dtype, err := ParseDatatype(t.Datatype)
		if err != nil {
			return nil, Errorf(Invalid, "%s: %v", what, err)
		}
		if t.Shape == nil {
			return nil, Errorf(Invalid, "%s: no shape, expected a list of dimensions ([] for a scalar)", what)
		}
		params, err := t.Params.decode(what)
		if err != nil {
			return nil, err
		}
		var value *tensor.Tensor
		size, isBinary := params[paramSize]
		switch {
		case isBinary && t.Data != nil:
			err = Errorf(Invalid, "%s: found data and %s, expected one of them", what, paramSize)
		case isBinary:
			n, ok := size.(int64)
			if !ok || n < 0 || n > int64(len(binary)) {
				return nil, Errorf(Invalid, "%s: %s: expected a number of bytes up to the %d that are left behind the JSON object, found %s",
					what, paramSize, len(binary), quote(fmt.Sprint(size)))
			}
			value, err = fromRaw(what, dtype, t.Shape, binary[:n:n])
			binary = binary[n:]
			delete(params, paramSize)
		case t.Data == nil:
			err = Errorf(Invalid, "%s: no data and no %s", what, paramSize)
		default:
			value, err = fromJSON(what, dtype, t.Shape, t.Data)
		}
		if err != nil {
			return nil, err
		}
		out = append(out, Tensor{t.Name, value, params})
		names = append(names, t.Name)
	}
	if len(binary) > 0 {
		return nil, Errorf(Invalid, "%d bytes are left over behind the %ss with %s", len(binary), kind, paramSize)
	}
	return out, checkNames(kind, names)
}
