package oip

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
)

// EncodeREST returns the response to req as the body of a REST answer, and its
// headers. An output is binary where req asks for it: parameter binary_data of
// the output, else binary_data_output of the request. What JSON does not have is
// an error (Invalid): NaN and infinities, FP16, BF16, BYTES that are no UTF-8.
func EncodeREST(r *Response, req *Request) (header http.Header, body []byte, err error) {
	all, _, err := req.Params.bool("request", paramAllBinary)
	if err != nil {
		return nil, nil, err
	}
	binary := map[string]bool{}
	for _, o := range req.Outputs {
		v, given, err := o.Params.bool(label("output", o.Name), paramBinary)
		if err != nil {
			return nil, nil, err
		}
		binary[o.Name] = given && v || !given && all
	}
	head := message{Model: &r.Model, Version: r.Version, ID: r.ID, Params: r.Params}
	return head.encode("outputs", r.Outputs, func(name string) bool {
		if v, named := binary[name]; named {
			return v
		}
		return all
	})
}

// encodeRequest returns the body and headers of a request, all tensors binary
// in both directions.
func encodeRequest(r *Request) (header http.Header, body []byte, err error) {
	head := message{ID: r.ID, Params: r.Params.with(paramAllBinary, true)}
	for _, o := range r.Outputs {
		head.Outputs = append(head.Outputs, requested{o.Name, o.Params.with(paramBinary, true)})
	}
	return head.encode("inputs", r.Inputs, func(string) bool { return true })
}

// message is a request or response without its tensors, as JSON writes it.
type message struct {
	Model   *string     `json:"model_name,omitempty"`
	Version string      `json:"model_version,omitempty"`
	ID      string      `json:"id,omitempty"`
	Params  Params      `json:"parameters,omitempty"`
	Outputs []requested `json:"outputs,omitempty"`
}

// requested is a RequestedOutput, as JSON writes it.
type requested struct {
	Name   string `json:"name"`
	Params Params `json:"parameters,omitempty"`
}

// encode returns a message with its tensors, those binary for which isBinary
// says so, and the headers. The message has a field at least.
func (m message) encode(kind string, tensors []Tensor, isBinary func(name string) bool) (http.Header, []byte, error) {
	object, err := json.Marshal(m)
	if err != nil {
		return nil, nil, Errorf(Internal, "JSON: %v", err)
	}
	var binary [][]byte
	object = append(object[:len(object)-1], fmt.Sprintf(`,%q:[`, kind)...)
	for i, t := range tensors {
		if i > 0 {
			object = append(object, ',')
		}
		params, asBytes := t.Params, isBinary(t.Name)
		if asBytes {
			raw := toRaw(t.Value)
			binary = append(binary, raw)
			params = params.with(paramSize, int64(len(raw)))
		}
		head, err := json.Marshal(struct {
			Name     string  `json:"name"`
			Datatype string  `json:"datatype"`
			Shape    []int64 `json:"shape"`
			Params   Params  `json:"parameters,omitempty"`
		}{t.Name, Datatype(t.Value.DType), append([]int64{}, t.Value.Shape...), params})
		if err != nil {
			return nil, nil, Errorf(Internal, "%s: %v", label("tensor", t.Name), err)
		}
		if object = append(object, head...); asBytes {
			continue
		}
		object = append(object[:len(object)-1], `,"data":`...)
		if object, err = appendJSON(object, label("output", t.Name), t.Value); err != nil {
			return nil, nil, err
		}
		object = append(object, '}')
	}
	object = append(object, "]}"...)
	header := http.Header{"Content-Type": {"application/json"}}
	if binary == nil {
		return header, object, nil
	}
	header.Set("Content-Type", "application/octet-stream")
	header.Set(HeaderLength, strconv.Itoa(len(object)))
	return header, bytes.Join(append([][]byte{object}, binary...), nil), nil
}
