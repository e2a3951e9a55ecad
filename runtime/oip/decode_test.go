package oip

import (
	"fmt"
	"math"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/bottlenet/bnc/runtime/oip/oippb"
	"github.com/bottlenet/bnc/runtime/tensor"
)

// jsonInput is a request with one input in JSON.
func jsonInput(datatype, shape, data string) string {
	return fmt.Sprintf(`{"inputs":[{"name":"x","datatype":"%s","shape":%s,"data":%s}]}`, datatype, shape, data)
}

func TestJSONData(t *testing.T) {
	for _, c := range []struct {
		datatype, shape, data string
		want                  *tensor.Tensor
	}{
		{"INT32", "[2,3]", "[1,2,3,4,5,6]", tensor.Of([]int64{2, 3}, []int32{1, 2, 3, 4, 5, 6})},
		{"INT32", "[2,3]", " [ [1, 2,3 ],\n[4,5,6]] ", tensor.Of([]int64{2, 3}, []int32{1, 2, 3, 4, 5, 6})},
		{"INT64", "[2]", "[9007199254740993,-9223372036854775808]", tensor.Of([]int64{2}, []int64{1<<53 + 1, math.MinInt64})},
		{"UINT64", "[1]", "[18446744073709551615]", tensor.Of([]int64{1}, []uint64{math.MaxUint64})},
		{"FP64", "[4]", "[NaN, Infinity,-Infinity,1e-320]", tensor.Of([]int64{4}, []float64{math.NaN(), math.Inf(1), math.Inf(-1), 1e-320})},
		{"FP32", "[2]", `["NaN", 0.1]`, tensor.Of([]int64{2}, []float32{float32(math.NaN()), 0.1})},
		{"BOOL", "[3]", "[true,false,1]", tensor.Of([]int64{3}, []bool{true, false, true})},
		{"BYTES", "[2]", `["a\"]", "NaN \u00fc"]`, &tensor.Tensor{DType: tensor.String, Shape: []int64{2}, Strings: []string{`a"]`, "NaN ü"}}},
		{"FP32", "[]", "1.5", tensor.Of(nil, []float32{1.5})},
		{"FP32", "[]", "[1.5]", tensor.Of(nil, []float32{1.5})},
		{"FP32", "[2,0]", "[[],[]]", tensor.Of([]int64{2, 0}, []float32{})},
		{"FP32", "[0,3]", "[]", tensor.Of([]int64{0, 3}, []float32{})},
	} {
		r, err := DecodeREST("m", "", nil, []byte(jsonInput(c.datatype, c.shape, c.data)))
		if err != nil {
			t.Errorf("%s %s: %v", c.datatype, c.data, err)
			continue
		}
		got := r.Input("x")
		if !slices.Equal(got.Shape, c.want.Shape) || string(got.Data) != string(c.want.Data) && !sameNumbers(got, c.want) || !slices.Equal(got.Strings, c.want.Strings) {
			t.Errorf("%s %s: %v %v", c.datatype, c.data, got, got.Data)
		}
	}
}

// TestRESTRefusals holds what makes a request refused and what the message
// must tell the client.
func TestRESTRefusals(t *testing.T) {
	binary := func(datatype, shape string, size int, data string) string {
		return fmt.Sprintf(`{"inputs":[{"name":"x","datatype":"%s","shape":%s,"parameters":{"binary_data_size":%d}}]}|%s`, datatype, shape, size, data)
	}
	for _, c := range []struct{ body, want string }{
		{"", "JSON"},
		{"[]", "body: expected an object"},
		{`{"inputs":7}`, "inputs: expected a list"},
		{`{"inputs":[7]}`, "inputs: expected an object, found a number"},
		{`{"parameters":[]}`, "parameters: expected an object"},
		{`{"inputs":[` + strings.Repeat("{},", maxItems) + `{}]}`, "more than the 4096 items"},
		{`{"outputs":[` + strings.Repeat("{},", maxItems) + `{}]}`, "more than the 4096 items"},
		{`{"parameters":{` + strings.Repeat(`"":1,`, maxItems) + `"":1}}`, "more than the 4096 items"},
		{`{"inputs":[]} {}`, "after top-level value"},
		{`{"id":7}`, "id: expected a string, found a number"},
		{`{"inputs":[{"name":"x","datatype":"INT8","shape":[1.5],"data":[1]}]}`, "shape: expected a whole number"},
		{`{"inputs":[{"name":"x","datatype":"INT8","data":[1]}]}`, `input "x": no shape`},
		{`{"inputs":[{"name":"x","datatype":"INT8","shape":[1]}]}`, `input "x": no data and no binary_data_size`},
		{`{"inputs":[{"datatype":"INT8","shape":[1],"data":[1]}]}`, "input 0 of the request has no name"},
		{`{"inputs":[{"name":"x","datatype":"INT8","shape":[1],"data":[1]},{"name":"x","datatype":"INT8","shape":[1],"data":[1]}]}`, `input "x" is there twice`},
		{`{"inputs":[],"outputs":[{"name":"o"},{"name":"o"}]}`, `output "o" is there twice`},
		{`{"inputs":[],"parameters":{"p":{"a":1}}}`, `request: parameter "p": expected true, false, a number or a string`},
		{jsonInput("FLOAT", "[1]", "[1]"), `input "x": unknown datatype "FLOAT", expected one of BOOL, UINT8`},
		{jsonInput("INT8", "[1]", "[200]"), `input "x": element 0: expected INT8, found "200"`},
		{jsonInput("INT8", "[2]", "[1,2.5]"), `input "x": element 1: expected INT8, found "2.5"`},
		{jsonInput("INT8", "[2]", "[1,null]"), `input "x": element 1: expected INT8, found "null"`},
		{jsonInput("UINT8", "[1]", "[-1]"), `input "x": element 0: expected UINT8, found "-1"`},
		{jsonInput("FP32", "[1]", "[1e39]"), `input "x": element 0: expected FP32, found "1e39"`},
		{jsonInput("INT32", "[1]", "[NaN]"), `input "x": element 0: expected INT32`},
		{jsonInput("BYTES", "[1]", "[1]"), `input "x": element 0: expected BYTES, found "1"`},
		{jsonInput("BOOL", "[1]", `["true"]`), `input "x": element 0: expected BOOL`},
		{jsonInput("FP16", "[1]", "[1]"), `input "x": FP16 cannot be given in JSON: send it as binary data`},
		{jsonInput("INT8", "[-1]", "[1]"), "dimension 0 of shape [-1] is negative"},
		{jsonInput("INT8", "[3]", "[1,2]"), "found one of 2"},
		{jsonInput("INT8", "[2]", "[1,2,3]"), "found a longer one"},
		{jsonInput("INT8", "[2,2]", "[[1,2],[3]]"), "found one of 1 before element 3"},
		{jsonInput("INT8", "[2,2]", "[[1,2],3,[4]]"), "expected a list of 2 before element 2"},
		{jsonInput("INT8", "[2,2]", "[[1,2,3],[4]]"), "longer one before element 2"},
		{jsonInput("INT8", "[1]", "[[1]]"), "element 0: expected INT8"},
		{jsonInput("INT8", "[1]", `{"a":1}`), "expected a list of 1"},
		{jsonInput("INT8", "[1000000000000]", "[1]"), "holds 1000000000000 elements, found fewer"},
		{jsonInput("INT8", "[9223372036854775807,9223372036854775807]", "[1]"), "more elements than this machine can address"},
		{jsonInput("INT8", "["+strings.Repeat("1,", 100)+"1]", "[1]"), "a shape of 101 dimensions"},
		{jsonInput(strings.Repeat("A", 1<<20), "[1]", "[1]"), `AAA"..., expected one of`},
		{binary("FP32", "[2]", 8, "1234567"), "up to the 7 that are left"},
		{binary("FP32", "[2]", 8, "123456789"), "1 bytes are left over"},
		{binary("FP32", "[2]", 4, "1234"), `input "x": shape [2] of FP32 holds 2 elements of 4 bytes, found 4 bytes`},
		{binary("FP32", "[2]", -1, ""), "expected a number of bytes up to the 0"},
		{binary("BOOL", "[2]", 2, "\x01\x02"), `input "x": element 1: BOOL is a byte 0 or 1, found 2`},
		{binary("BYTES", "[2]", 5, "\x01\x00\x00\x00a"), "holds 2 elements of BYTES"},
		{binary("BYTES", "[2]", 8, "\x04\x00\x00\x00aaaa"), "element 1 of 2: expected the 4 bytes of its length, found 0"},
		{binary("BYTES", "[1]", 5, "\xff\xff\xff\xffa"), "element 0 of 1: expected 4294967295 bytes, found 1"},
		{binary("BYTES", "[1]", 6, "\x01\x00\x00\x00ab"), "1 bytes are left over behind the 1 elements"},
		{binary("BYTES", "[4611686018427387904]", 4, "\x00\x00\x00\x00"), "holds 4611686018427387904 elements"},
		{`{"inputs":[{"name":"x","datatype":"INT8","shape":[1],"data":[1],"parameters":{"binary_data_size":1}}]}|1`, "found data and binary_data_size"},
	} {
		header := http.Header{}
		body := c.body
		if object, rest, divided := strings.Cut(c.body, "|"); divided {
			header.Set(HeaderLength, fmt.Sprint(len(object)))
			body = object + rest
		}
		_, err := DecodeREST("m", "", header, []byte(body))
		refused(t, c.body, err, Invalid, c.want)
	}
	for length, want := range map[string]string{"x": `found "x"`, "-1": `found "-1"`, "99": "the body has only 13 bytes"} {
		_, err := DecodeREST("m", "", http.Header{HeaderLength: {length}}, []byte(`{"inputs":[]}`))
		refused(t, length, err, Invalid, want)
	}
	_, err := DecodeREST("m", "", http.Header{HeaderLength: {"0"}}, []byte("raw"))
	refused(t, "no JSON", err, Unsupported, "without a JSON object")
	_, err = DecodeREST("m", "", http.Header{"Content-Encoding": {"gzip"}}, []byte("raw"))
	refused(t, "gzip", err, Unsupported, "gzip")
}

// refused checks an error's cause and that its message says want and is short
// enough for a header.
func refused(t *testing.T, what string, err error, cause Cause, want string) {
	t.Helper()
	switch {
	case err == nil:
		t.Errorf("%.200s: no error, want %q", what, want)
	case CauseOf(err) != cause || !strings.Contains(err.Error(), want) || len(err.Error()) > 1000:
		t.Errorf("%.200s: %v: %.1000v, want %v: %q", what, CauseOf(err), err, cause, want)
	}
}

func TestUnknownFieldsAreIgnored(t *testing.T) {
	r, err := DecodeREST("m", "", nil, []byte(`{"new":{"a":[1]},"parameters":{"p":null},
		"inputs":[{"name":"x","datatype":"INT8","shape":[1],"data":[1],"new":2,"parameters":null}]}`))
	if err != nil || tensor.Slice[int8](r.Input("x"))[0] != 1 {
		t.Errorf("%v, %v", r, err)
	}
}

func TestOutputsThatJSONCannotHold(t *testing.T) {
	half, err := tensor.New(tensor.Float16, 1)
	if err != nil {
		t.Fatal(err)
	}
	for want, value := range map[string]*tensor.Tensor{
		`output "o" is FP16`:       half,
		`output "o": element 0 is`: {DType: tensor.String, Shape: []int64{1}, Strings: []string{"\xff"}},
	} {
		r := &Response{Outputs: []Tensor{{Name: "o", Value: value}}}
		_, _, err := EncodeREST(r, &Request{})
		refused(t, want, err, Invalid, want)
		if _, _, err := EncodeREST(r, &Request{Outputs: []RequestedOutput{{"o", Params{paramBinary: true}}}}); err != nil {
			t.Errorf("binary: %v", err)
		}
	}
	_, _, err = EncodeREST(&Response{}, &Request{Params: Params{paramAllBinary: "yes"}})
	refused(t, paramAllBinary, err, Invalid, `expected true or false, found "yes"`)
}

// TestTypedContents has an element of every type at the end of its range.
func TestTypedContents(t *testing.T) {
	type contents = oippb.InferTensorContents
	request := func(datatype string, shape []int64, c *contents) *oippb.ModelInferRequest {
		return &oippb.ModelInferRequest{Inputs: []*oippb.ModelInferRequest_InferInputTensor{
			{Name: "x", Datatype: datatype, Shape: shape, Contents: c}}}
	}
	one := []int64{1}
	for datatype, c := range map[string]struct {
		contents *contents
		want     *tensor.Tensor
	}{
		"BOOL":   {&contents{BoolContents: []bool{true}}, tensor.Of(one, []bool{true})},
		"INT8":   {&contents{IntContents: []int32{-128}}, tensor.Of(one, []int8{-128})},
		"INT16":  {&contents{IntContents: []int32{-32768}}, tensor.Of(one, []int16{-32768})},
		"INT32":  {&contents{IntContents: []int32{math.MinInt32}}, tensor.Of(one, []int32{math.MinInt32})},
		"INT64":  {&contents{Int64Contents: []int64{math.MinInt64}}, tensor.Of(one, []int64{math.MinInt64})},
		"UINT8":  {&contents{UintContents: []uint32{255}}, tensor.Of(one, []uint8{255})},
		"UINT16": {&contents{UintContents: []uint32{65535}}, tensor.Of(one, []uint16{65535})},
		"UINT32": {&contents{UintContents: []uint32{math.MaxUint32}}, tensor.Of(one, []uint32{math.MaxUint32})},
		"UINT64": {&contents{Uint64Contents: []uint64{math.MaxUint64}}, tensor.Of(one, []uint64{math.MaxUint64})},
		"FP32":   {&contents{Fp32Contents: []float32{0.1}}, tensor.Of(one, []float32{0.1})},
		"FP64":   {&contents{Fp64Contents: []float64{0.1}}, tensor.Of(one, []float64{0.1})},
		"BYTES":  {&contents{BytesContents: [][]byte{{0, 255}}}, &tensor.Tensor{DType: tensor.String, Shape: one, Strings: []string{"\x00\xff"}}},
	} {
		r, err := RequestFromProto(request(datatype, one, c.contents))
		if err != nil {
			t.Errorf("%s: %v", datatype, err)
			continue
		}
		sameTensors(t, r.Inputs, []Tensor{{Name: "x", Value: c.want}})
	}
	raw := request("INT8", one, nil)
	raw.RawInputContents = [][]byte{{1}, {2}}
	both := request("INT8", one, &contents{IntContents: []int32{1}})
	both.RawInputContents = [][]byte{{1}}
	for want, m := range map[string]*oippb.ModelInferRequest{
		"element 0: expected -128 to 127, found 128":              request("INT8", one, &contents{IntContents: []int32{128}}),
		"element 1: expected 0 to 255, found 256":                 request("UINT8", []int64{2}, &contents{UintContents: []uint32{0, 256}}),
		"UINT8 is expected in uint_contents, found int_contents":  request("UINT8", one, &contents{IntContents: []int32{1}}),
		"FP32 is expected in fp32_contents, found bytes_contents": request("FP32", one, &contents{Fp32Contents: []float32{1}, BytesContents: [][]byte{{}}}),
		"FP16 has no typed contents":                              request("FP16", one, &contents{}),
		"shape [1] holds 1 elements, found 0 in fp32_contents":    request("FP32", one, nil),
		"shape [1099511627776] holds 1099511627776 elements":      request("FP32", []int64{1 << 40}, &contents{Fp32Contents: []float32{1}}),
		"raw_input_contents: expected one item for each of the 1": raw,
		`input "x": found contents and raw_input_contents`:        both,
		`input "x": unknown datatype ""`:                          request("", one, nil),
		"dimension 0 of shape [-1] is negative":                   request("INT8", []int64{-1}, nil),
	} {
		_, err := RequestFromProto(m)
		refused(t, want, err, Invalid, want)
	}
}

// sameNumbers compares to the bit but for NaN.
func sameNumbers(a, b *tensor.Tensor) bool {
	if !a.DType.IsFloat() {
		return false
	}
	x, _ := a.Floats()
	y, _ := b.Floats()
	return slices.EqualFunc(x, y, func(x, y float64) bool {
		return math.IsNaN(x) && math.IsNaN(y) || math.Float64bits(x) == math.Float64bits(y)
	})
}
