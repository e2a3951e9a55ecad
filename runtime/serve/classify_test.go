package serve_test

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/bottlenet/bnc/runtime/oip"
	"github.com/bottlenet/bnc/runtime/serve"
	"github.com/bottlenet/bnc/runtime/tensor"
)

// classes asks for the k largest elements of an output.
func classes(q *oip.Request, output string, k any) *oip.Request {
	q.Outputs = []oip.RequestedOutput{{Name: output, Params: oip.Params{oip.ParamClassification: k}}}
	return q
}

// TestClassification: of [1 5 10 4], the example of the extension's specification,
// the top 2 are 10:2 and 5:1; by hand for every element type.
func TestClassification(t *testing.T) {
	r, _ := open(t, serve.Options{})
	load(t, r, "identity", "identity.onnx")
	inputs := func() []oip.Tensor {
		half := tensor.Of([]int64{4}, []uint16{0x3c00, 0x4500, 0x4900, 0x4400}) // 1 5 10 4
		half.DType = tensor.Float16
		return []oip.Tensor{
			{Name: "float32", Value: vector[float32](1.1, 3.3, 0.5, 2.4)},
			{Name: "float64", Value: vector(math.NaN(), math.Inf(-1), 1e-9, 1e-9)},
			{Name: "float16", Value: half},
			{Name: "int8", Value: vector[int8](-1, -5, -10, -4)},
			{Name: "int16", Value: vector[int16](1, 5, 10, 4)},
			{Name: "int32", Value: vector[int32](1, 5, 10, 4)},
			{Name: "int64", Value: vector[int64](1<<53, 1<<53+1, 0, 1)},
			{Name: "uint8", Value: vector[uint8](1, 5, 250, 4)},
			{Name: "uint16", Value: vector[uint16](1, 5, 10, 4)},
			{Name: "uint32", Value: vector[uint32](1, 5, 10, 4)},
			{Name: "uint64", Value: vector[uint64](1<<63, 1<<63+1, 10, 4)},
			{Name: "bool", Value: vector(true, false, true, false)},
			{Name: "string", Value: &tensor.Tensor{DType: tensor.String, Shape: []int64{4}, Strings: []string{"a", "b", "c", "d"}}},
		}
	}
	for output, want := range map[string][]string{
		"float32_out": {"3.3:1", "2.4:3"},
		"float64_out": {"1e-09:2", "1e-09:3"},
		"float16_out": {"10:2", "5:1"},
		"int8_out":    {"-1:0", "-4:3"},
		"int16_out":   {"10:2", "5:1"},
		"int32_out":   {"10:2", "5:1"},
		"int64_out":   {"9007199254740993:1", "9007199254740992:0"},
		"uint8_out":   {"250:2", "5:1"},
		"uint16_out":  {"10:2", "5:1"},
		"uint32_out":  {"10:2", "5:1"},
		"uint64_out":  {"9223372036854775809:1", "9223372036854775808:0"},
	} {
		got, err := r.Infer(t.Context(), classes(&oip.Request{Model: "identity", Inputs: inputs()}, output, int64(2)))
		if err != nil {
			t.Errorf("%s: %v", output, err)
			continue
		}
		if x := got.Output(output); x.DType != tensor.String || !slices.Equal(x.Shape, []int64{2}) || !slices.Equal(x.Strings, want) {
			t.Errorf("%s: %v %q, expected BYTES [2] %q", output, x, x.Strings, want)
		}
	}
	for _, output := range []string{"bool_out", "string_out"} {
		_, err := r.Infer(t.Context(), classes(&oip.Request{Model: "identity", Inputs: inputs()}, output, int64(2)))
		refused(t, err, oip.Invalid, output, "classification")
	}
	_, err := r.Infer(t.Context(), classes(&oip.Request{Model: "identity", Inputs: inputs()}, "int8_out", int64(-2)))
	refused(t, err, oip.Invalid, "int8_out", "classification", "-2")
}

// TestClassificationOfImages: a row an image, no more than there are classes, with
// the model's labels; what is not known about outputs and requests is refused by name.
func TestClassificationOfImages(t *testing.T) {
	r, _ := open(t, serve.Options{})
	load(t, r, "net", "graph-dynamic")
	good := samples(t, "graph-dynamic", 2)
	for _, k := range []int64{1, 3, 100} {
		got, err := r.Infer(t.Context(), classes(request("net", good[0].payload, good[1].payload), "logits", k))
		if err != nil {
			t.Fatal(err)
		}
		n := int(min(k, 5)) // of 5 classes
		x := got.Output("logits")
		if x.DType != tensor.String || !slices.Equal(x.Shape, []int64{2, int64(n)}) {
			t.Fatalf("found %v, expected BYTES [2 %d]", x, n)
		}
		for i, text := range x.Strings {
			var score float64
			var class int
			var label string
			if _, err := fmt.Sscanf(strings.ReplaceAll(text, ":", " "), "%g %d %s", &score, &class, &label); err != nil {
				t.Fatalf("%q: %v", text, err)
			}
			logits := good[i/n].logits
			better := 0
			for _, v := range logits {
				if v > logits[class] {
					better++
				}
			}
			// near tells why a batch is not the same to the bit.
			if better != i%n || math.Abs(score-float64(logits[class])) > 1e-5 || label != []string{"ant", "bee", "cat", "dog", "eel"}[class] {
				t.Errorf("image %d, place %d: %q of %v", i/n, i%n, text, logits)
			}
		}
	}
	metadata, err := r.Metadata(t.Context())
	if err != nil || !slices.Contains(metadata.Extensions, "classification") {
		t.Errorf("the extension is not told: %v, %v", metadata, err)
	}
	q := request("net", good[0].payload)
	q.Outputs = []oip.RequestedOutput{{Name: "logits", Params: oip.Params{"top": int64(1)}}}
	_, err = r.Infer(t.Context(), q)
	refused(t, err, oip.Invalid, "logits", `"top"`)
	q = request("net", good[0].payload)
	q.Params = oip.Params{"sequence_id": int64(7)}
	_, err = r.Infer(t.Context(), q)
	refused(t, err, oip.Invalid, `"sequence_id"`)
}
