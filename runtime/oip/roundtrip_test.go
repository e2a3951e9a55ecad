package oip

import (
	"bytes"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/bottlenet/bnc/runtime/oip/oippb"
	"github.com/bottlenet/bnc/runtime/tensor"
)

// randomTensor returns a tensor of any shape of up to four dimensions, some of
// them 0, with any bits: NaN, infinities and the ends of the ranges included.
func randomTensor(r *rand.Rand, d tensor.DType) *tensor.Tensor {
	shape := make([]int64, r.IntN(5))
	for i := range shape {
		shape[i] = r.Int64N(5)
	}
	t, err := tensor.New(d, shape...)
	if err != nil {
		panic(err)
	}
	for i := range t.Strings {
		b := make([]byte, r.IntN(6))
		for j := range b {
			b[j] = byte(r.Uint32())
		}
		t.Strings[i] = string(b)
	}
	for i := range t.Data {
		if t.Data[i] = byte(r.Uint32()); d == tensor.Bool {
			t.Data[i] &= 1
		}
	}
	special := []float64{math.NaN(), math.Inf(1), math.Inf(-1), 0, math.Copysign(0, -1), math.MaxFloat32, math.SmallestNonzeroFloat32, 0.1}
	for i := range t.Len() {
		switch {
		case r.IntN(3) > 0:
		case d == tensor.Float32:
			tensor.Slice[float32](t)[i] = float32(special[r.IntN(len(special))])
		case d == tensor.Float64:
			tensor.Slice[float64](t)[i] = special[r.IntN(len(special))]
		}
	}
	return t
}

// randomParams returns parameters of every type.
func randomParams(r *rand.Rand) Params {
	all := Params{
		"flag": r.IntN(2) == 1, "whole": int64(r.Uint64()), "part": r.NormFloat64(),
		"float that is whole": float64(r.IntN(9)), "text": "ü\"\\\n", "largest": int64(math.MaxInt64),
	}
	for name := range all {
		if r.IntN(2) == 0 {
			delete(all, name)
		}
	}
	if len(all) == 0 {
		return nil
	}
	return all
}

// randomTensors returns a tensor of each of the element types, or of a few.
func randomTensors(r *rand.Rand, kind string, types []tensor.DType) []Tensor {
	var out []Tensor
	for i, d := range types {
		if r.IntN(3) > 0 {
			out = append(out, Tensor{fmt.Sprint(kind, i), randomTensor(r, d), randomParams(r)})
		}
	}
	return out
}

func allTypes() []tensor.DType {
	var out []tensor.DType
	for _, row := range datatypes {
		out = append(out, row.dtype)
	}
	return out
}

// sameTensors compares to the bit.
func sameTensors(t *testing.T, got, want []Tensor) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d tensors, want %d", len(got), len(want))
	}
	for i, g := range got {
		w := want[i]
		if g.Name != w.Name || !maps.Equal(g.Params, w.Params) {
			t.Errorf("%s %v, want %s %v", g.Name, g.Params, w.Name, w.Params)
		}
		if g.Value.DType != w.Value.DType || !slices.Equal(g.Value.Shape, w.Value.Shape) {
			t.Fatalf("%s: %v, want %v", g.Name, g.Value, w.Value)
		}
		if err := g.Value.Validate(); err != nil {
			t.Errorf("%s: %v", g.Name, err)
		}
		if !bytes.Equal(g.Value.Data, w.Value.Data) || !slices.Equal(g.Value.Strings, w.Value.Strings) {
			t.Errorf("%s: contents differ: %v, want %v", g.Name, g.Value, w.Value)
		}
	}
}

// finite makes numbers that JSON does not have 0.
func finite(x *tensor.Tensor) {
	values, _ := x.Floats()
	for i, v := range values {
		if x.DType.IsFloat() && (math.IsNaN(v) || math.IsInf(v, 0)) {
			clear(x.Data[i*x.DType.Size():][:x.DType.Size()])
		}
	}
}

func TestRequestRoundTrip(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		want := &Request{
			Model: "m", Version: "3", ID: "id-7", Params: randomParams(r),
			Inputs:  randomTensors(r, "in", allTypes()),
			Outputs: []RequestedOutput{{"a", randomParams(r)}, {"b", nil}},
		}
		header, body, err := encodeRequest(want)
		if err != nil {
			t.Fatal(err)
		}
		rest, err := DecodeREST("m", "3", header, body)
		if err != nil {
			t.Fatalf("%v\n%s", err, body)
		}
		for i := range rest.Outputs { // what encodeRequest asks for on top
			if rest.Outputs[i].Params[paramBinary] != true {
				t.Errorf("output %s is not asked for as bytes", rest.Outputs[i].Name)
			}
			rest.Outputs[i].Params = without(rest.Outputs[i].Params, paramBinary)
		}
		rest.Params = without(rest.Params, paramAllBinary)
		sameRequest(t, rest, want)

		m, err := requestToProto(want)
		if err != nil {
			t.Fatal(err)
		}
		wire, err := proto.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		arrived := &oippb.ModelInferRequest{}
		if err := proto.Unmarshal(wire, arrived); err != nil {
			t.Fatal(err)
		}
		overGRPC, err := RequestFromProto(arrived)
		if err != nil {
			t.Fatal(err)
		}
		sameRequest(t, overGRPC, want)
	}
}

// without returns p without a parameter, nil where none is left.
func without(p Params, name string) Params {
	if delete(p, name); len(p) == 0 {
		return nil
	}
	return p
}

func sameRequest(t *testing.T, got, want *Request) {
	t.Helper()
	sameTensors(t, got.Inputs, want.Inputs)
	g, w := *got, *want
	g.Inputs, w.Inputs = nil, nil
	if !reflect.DeepEqual(g, w) {
		t.Errorf("request %+v, want %+v", g, w)
	}
}

func TestResponseRoundTrip(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	inJSON := slices.DeleteFunc(allTypes(), func(d tensor.DType) bool { _, ok := jsonForms[d]; return !ok })
	for round := range 300 {
		types := allTypes()
		form := []string{"json", "binary", "mixed"}[round%3]
		if form == "json" {
			types = inJSON
		}
		want := &Response{Model: "m", Version: "1", ID: "x", Params: randomParams(r), Outputs: randomTensors(r, "out", types)}
		request := &Request{Params: Params{paramAllBinary: form == "binary"}}
		for _, o := range want.Outputs {
			if form != "binary" {
				finite(o.Value)
			}
			for i, s := range o.Value.Strings {
				if form != "binary" {
					o.Value.Strings[i] = fmt.Sprintf("%q <&> \u2028", s) // what JSON can hold
				}
			}
			if _, ok := jsonForms[o.Value.DType]; form == "mixed" && (!ok || r.IntN(2) == 0) {
				request.Outputs = append(request.Outputs, RequestedOutput{o.Name, Params{paramBinary: true}})
			}
		}
		header, body, err := EncodeREST(want, request)
		if err != nil {
			t.Fatal(err)
		}
		got, err := decodeResponse(header, body)
		if err != nil {
			t.Fatalf("%v\n%s", err, body)
		}
		sameResponse(t, got, want)

		m, err := ResponseToProto(want)
		if err != nil {
			t.Fatal(err)
		}
		if got, err = responseFromProto(m); err != nil {
			t.Fatal(err)
		}
		sameResponse(t, got, want)
	}
}

func sameResponse(t *testing.T, got, want *Response) {
	t.Helper()
	sameTensors(t, got.Outputs, want.Outputs)
	g, w := *got, *want
	g.Outputs, w.Outputs = nil, nil
	if !reflect.DeepEqual(g, w) {
		t.Errorf("response %+v, want %+v", g, w)
	}
}

func TestMetadataRoundTrip(t *testing.T) {
	want := &ModelMetadata{
		Name: "m", Versions: []string{"1"}, Platform: "onnx",
		Inputs:     []Port{{"payload", "UINT8", []int64{-1}}},
		Outputs:    []Port{{"logits", "FP32", []int64{-1, 1000}}, {"rank0", "FP32", nil}},
		Properties: map[string]string{"bnc_pair": "12ab"},
	}
	if got := metadataFromProto(MetadataToProto(want)); !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
}
