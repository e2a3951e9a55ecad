package oip

import (
	"encoding/json"
	"math"
	"strings"
	"testing"

	"github.com/bottlenet/bnc/runtime/tensor"
)

// Numbers that JSON does not have are refused by name where JSON is asked for,
// and arrive where bytes are.
func TestNonFiniteResponses(t *testing.T) {
	for _, x := range []*tensor.Tensor{
		tensor.Of([]int64{2}, []float32{1, float32(math.NaN())}),
		tensor.Of([]int64{2}, []float64{0, math.Inf(-1)}),
		tensor.Of([]int64{1, 2}, []float32{0, float32(math.Inf(1))}),
	} {
		response := &Response{Model: "m", Outputs: []Tensor{{Name: "good", Value: tensor.Of([]int64{1}, []float32{1e-40})}, {Name: "odd", Value: x}}}
		_, body, err := EncodeREST(response, &Request{})
		if err == nil {
			t.Errorf("%v: written as JSON; is it valid? %v: %s", x, json.Valid(body), body)
			continue
		}
		for _, word := range []string{`"odd"`, "element 1", paramBinary} {
			if CauseOf(err) != Invalid || !strings.Contains(err.Error(), word) {
				t.Errorf("%v: %v, %v: expected %q", x, CauseOf(err), err, word)
			}
		}
		header, body, err := EncodeREST(response, &Request{Outputs: []RequestedOutput{{"odd", Params{paramBinary: true}}}})
		if err != nil {
			t.Fatal(err)
		}
		got, err := decodeResponse(header, body)
		if err != nil {
			t.Fatal(err)
		}
		sameResponse(t, got, response)
	}
}

// Parameters that the server does not know are refused by name, and what is known
// has its type.
func TestCheckParams(t *testing.T) {
	good := &Request{
		Params:  Params{ParamPair: "p", ParamTimeout: int64(5), "priority": int64(1), paramAllBinary: true},
		Inputs:  []Tensor{{Name: "x", Params: Params{"content_type": "np"}}},
		Outputs: []RequestedOutput{{"y", Params{paramBinary: false, ParamClassification: int64(2)}}},
	}
	if err := good.CheckParams(); err != nil {
		t.Error(err)
	}
	for _, c := range []struct {
		r     *Request
		words []string
	}{
		{&Request{Params: Params{"sequence_id": int64(1)}}, []string{"request", `"sequence_id"`, ParamTimeout}},
		{&Request{Params: Params{ParamPair: int64(1)}}, []string{ParamPair, "a string", `"1"`}},
		{&Request{Params: Params{paramAllBinary: "yes"}}, []string{paramAllBinary, "true or false", `"yes"`}},
		{&Request{Inputs: []Tensor{{Name: "x", Params: Params{"shared_memory_region": "r"}}}}, []string{`input "x"`, `"shared_memory_region"`}},
		{&Request{Outputs: []RequestedOutput{{"y", Params{"shared_memory_region": "r"}}}}, []string{`output "y"`, `"shared_memory_region"`, ParamClassification}},
		{&Request{Outputs: []RequestedOutput{{"y", Params{ParamClassification: int64(-1)}}}}, []string{`output "y"`, ParamClassification, "0 or more", `"-1"`}},
		{&Request{Outputs: []RequestedOutput{{"y", Params{ParamClassification: 1.5}}}}, []string{`output "y"`, ParamClassification, `"1.5"`}},
		{&Request{Outputs: []RequestedOutput{{"y", Params{paramBinary: int64(1)}}}}, []string{`output "y"`, paramBinary, "true or false"}},
	} {
		err := c.r.CheckParams()
		if CauseOf(err) != Invalid {
			t.Errorf("%+v: %v", c.r, err)
			continue
		}
		for _, word := range c.words {
			if !strings.Contains(err.Error(), word) {
				t.Errorf("%v: expected %q", err, word)
			}
		}
	}
}
