package oip

import (
	"fmt"
	"net/http"
	"reflect"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/bottlenet/bnc/runtime/oip/oippb"
	"github.com/bottlenet/bnc/runtime/tensor"
)

// FuzzDecodeREST decodes any body. What is accepted must be sound and small, and
// survive encoding as binary tensors.
func FuzzDecodeREST(f *testing.F) {
	f.Add("", []byte(jsonInput("FP32", "[2,2]", "[[1,NaN],[-Infinity,0.1]]")))
	f.Add("", []byte(jsonInput("BYTES", "[2]", `["a\"", "\u00fc"]`)))
	f.Add("", []byte(jsonInput("INT64", "[9223372036854775807]", "[1]")))
	binary := `{"id":"1","parameters":{"binary_data_output":true},"inputs":[{"name":"x","datatype":"FP16","shape":[1],"parameters":{"binary_data_size":2}},` +
		`{"name":"y","datatype":"BYTES","shape":[1],"parameters":{"binary_data_size":5}}],"outputs":[{"name":"o","parameters":{"binary_data":true}}]}`
	f.Add(fmt.Sprint(len(binary)), []byte(binary+"\x01\x02\x01\x00\x00\x00a"))
	f.Fuzz(func(t *testing.T, length string, body []byte) {
		header := http.Header{}
		if length != "" {
			header.Set(HeaderLength, length)
		}
		r, err := DecodeREST("m", "", header, body)
		if err != nil {
			if c := CauseOf(err); c != Invalid && c != Unsupported {
				t.Fatalf("%v: %v", c, err)
			}
			return
		}
		sound(t, r, len(body))
		// The binary form holds everything, and asks for binary outputs on top.
		header, again, err := encodeRequest(r)
		if err != nil {
			t.Fatal(err)
		}
		second, err := DecodeREST("m", "", header, again)
		if err != nil {
			t.Fatalf("%v\n%q", err, again)
		}
		sameTensors(t, second.Inputs, r.Inputs)
	})
}

// FuzzRequestFromProto decodes any gRPC message likewise.
func FuzzRequestFromProto(f *testing.F) {
	for _, m := range []*oippb.ModelInferRequest{
		{Inputs: []*oippb.ModelInferRequest_InferInputTensor{{Name: "x", Datatype: "UINT8", Shape: []int64{3}}}, RawInputContents: [][]byte{{1, 2, 3}}},
		{Inputs: []*oippb.ModelInferRequest_InferInputTensor{{Name: "x", Datatype: "BYTES", Shape: []int64{1}}}, RawInputContents: [][]byte{{1, 0, 0, 0, 9}}},
		{Inputs: []*oippb.ModelInferRequest_InferInputTensor{{Name: "x", Datatype: "INT8", Shape: []int64{2}, Contents: &oippb.InferTensorContents{IntContents: []int32{1, -128}}}}},
		{Inputs: []*oippb.ModelInferRequest_InferInputTensor{{Name: "x", Datatype: "FP32", Shape: []int64{1 << 62, 4}}}},
	} {
		seed, err := proto.Marshal(m)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, wire []byte) {
		m := &oippb.ModelInferRequest{}
		if proto.Unmarshal(wire, m) != nil {
			return
		}
		r, err := RequestFromProto(m)
		if err != nil {
			if c := CauseOf(err); c != Invalid {
				t.Fatalf("%v: %v", c, err)
			}
			return
		}
		sound(t, r, len(wire))
		again, err := requestToProto(r)
		if err != nil {
			t.Fatal(err)
		}
		second, err := RequestFromProto(again)
		if err != nil {
			t.Fatal(err)
		}
		sameTensors(t, second.Inputs, r.Inputs)
		if len(r.Outputs) != len(second.Outputs) || len(r.Outputs) > 0 && !reflect.DeepEqual(outputNames(r), outputNames(second)) {
			t.Errorf("outputs %v, want %v", second.Outputs, r.Outputs)
		}
	})
}

func outputNames(r *Request) []string {
	var names []string
	for _, o := range r.Outputs {
		names = append(names, o.Name)
	}
	return names
}

// sound checks a request that was made from size bytes: every tensor holds what
// its shape says, and no more memory than the bytes can pay for: of JSON "1," an
// int64, of a packed varint an int64.
func sound(t *testing.T, r *Request, size int) {
	t.Helper()
	total := 0
	for _, in := range r.Inputs {
		if err := in.Value.Validate(); err != nil {
			t.Fatalf("%s: %v", in.Name, err)
		}
		if total += len(in.Value.Data); in.Value.DType == tensor.String {
			total += len(in.Value.Strings)
		}
	}
	if total > 8*size {
		t.Fatalf("%d bytes of tensors from %d", total, size)
	}
}
