package serve_test

import (
	"encoding/binary"
	"slices"
	"strings"
	"testing"

	"github.com/bottlenet/bnc/runtime/oip"
	"github.com/bottlenet/bnc/runtime/serve"
	"github.com/bottlenet/bnc/runtime/tensor"
)

// TestBadRequests: each gets the protocol's cause and a message that helps, and
// the model answers as before.
func TestBadRequests(t *testing.T) {
	r, w := open(t, serve.Options{})
	load(t, r, "net", "graph-static")
	load(t, r, "host", "host-dynamic")
	load(t, r, "whole", "whole.onnx")
	load(t, r, "add", "add.onnx")
	good := samples(t, "graph-static", 2)
	p := good[0].payload
	floats := func(shape ...int64) *tensor.Tensor {
		x, err := tensor.New(tensor.Float32, shape...)
		if err != nil {
			t.Fatal(err)
		}
		return x
	}
	with := func(q *oip.Request, change func(*oip.Request)) *oip.Request {
		change(q)
		return q
	}
	pair := func(model string, value any) *oip.Request {
		return with(request(model, p), func(q *oip.Request) { q.Params = oip.Params{oip.ParamPair: value} })
	}
	// A record of the right length that no encoder wrote.
	damaged := append([]byte{40}, make([]byte, 40)...)
	for name, x := range map[string]struct {
		q     *oip.Request
		cause oip.Cause
		words string
	}{
		"model":          {request("ned", p), oip.NotFound, "add, host, net, whole"},
		"version":        {with(request("net", p), func(q *oip.Request) { q.Version = "7" }), oip.NotFound, `"7"`},
		"input":          {ask("net", "image", vector(p...)), oip.Invalid, `payload; found "image"`},
		"inputs":         {ask("host", "image", vector(p...)), oip.Invalid, "payload, or tile and range"},
		"no inputs":      {&oip.Request{Model: "net"}, oip.Invalid, "none"},
		"no tensor":      {ask("net", "payload", nil), oip.Invalid, "payload"},
		"twice":          {with(request("net", p), func(q *oip.Request) { q.Inputs = append(q.Inputs, q.Inputs[0]) }), oip.Invalid, "one tensor"},
		"one of two":     {ask("add", "x", floats(1, 2)), oip.Invalid, "x and y"},
		"dtype":          {ask("net", "payload", vector[int8](1, 2)), oip.Invalid, "UINT8 [L] or [1, L], found INT8 [2]"},
		"rank":           {ask("net", "payload", tensor.Of([]int64{2, 1}, []byte{1, 2})), oip.Invalid, "found UINT8 [2 1]"},
		"broken tensor":  {ask("net", "payload", &tensor.Tensor{DType: tensor.Uint8, Shape: []int64{9}}), oip.Invalid, "payload"},
		"empty":          {request("net", nil), oip.Invalid, "empty"},
		"cut off":        {request("net", p[:len(p)-1]), oip.Invalid, "goes past the end"},
		"cut in second":  {request("net", p, p[:len(p)-1]), oip.Invalid, "goes past the end"},
		"endless varint": {request("net", slices.Repeat([]byte{255}, 20)), oip.Invalid, "goes past the end"},
		"huge varint":    {request("net", binary.AppendUvarint(nil, 1<<63)), oip.Invalid, "goes past the end"},
		"damaged":        {request("net", damaged), oip.Invalid, "payload"},
		"damaged, host":  {request("host", damaged), oip.Invalid, "payload"},
		"empty records":  {request("net", make([]byte, 1<<20)), oip.TooLarge, "4096 images"},
		"pair":           {pair("net", strings.Repeat("44", 32)), oip.Mismatch, strings.Repeat("33", 32)},
		"pair of whole":  {pair("whole", strings.Repeat("44", 32)), oip.Mismatch, "whole model"},
		"pair's type":    {pair("net", int64(3)), oip.Invalid, "string"},
		"output":         {with(request("net", p), func(q *oip.Request) { q.Outputs = []oip.RequestedOutput{{Name: "x"}} }), oip.Invalid, "logits"},
		"output twice":   {with(request("net", p), func(q *oip.Request) { q.Outputs = []oip.RequestedOutput{{Name: "logits"}, {Name: "logits"}} }), oip.Invalid, "twice"},
		"image's size":   {ask("whole", "input", floats(1, 3, 32, 31)), oip.Invalid, "32 31"},
		"image's rank":   {ask("whole", "input", floats(3, 32, 32)), oip.Invalid, "3 32 32"},
		"image's type":   {ask("whole", "input", vector(p...)), oip.Invalid, "float32"},
		"no images":      {ask("whole", "input", floats(0, 3, 32, 32)), oip.Invalid, "one or more"},
		"counts of images": {&oip.Request{Model: "add", Inputs: []oip.Tensor{{Name: "x", Value: floats(1, 2)}, {Name: "y", Value: floats(2, 2)}}},
			oip.Invalid, "n = 1"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := r.Infer(t.Context(), x.q)
			if refused(t, err, x.cause, x.words); got != nil {
				t.Errorf("%+v", got)
			}
		})
	}
	got, err := r.Infer(t.Context(), with(pair("net", strings.Repeat("33", 32)), func(q *oip.Request) { q.Version = "1" }))
	if err != nil || !near(got, good[0]) {
		t.Errorf("%v, %v", got, err)
	}
	if w.causes[len(w.causes)-1] != "" || slices.Contains(w.causes[:len(w.causes)-1], "") {
		t.Errorf("causes %v", w.causes)
	}
}

// FuzzPayload: whatever a payload holds, a request gets an answer or a refusal
// that is its own fault, also beside a good one.
func FuzzPayload(f *testing.F) {
	good := samples(f, "graph-static", 2)
	f.Add(good[0].payload)
	f.Add(slices.Concat(good[0].payload, good[1].payload))
	f.Add([]byte{})
	f.Add([]byte{0, 0, 1, 2})
	f.Add(slices.Repeat([]byte{255}, 11))
	r, _ := open(f, serve.Options{})
	names := []string{"graph-static", "host-static", "graph-dynamic", "host-dynamic"}
	for _, name := range names {
		load(f, r, name, name)
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		for _, name := range names {
			got, err := r.Infer(t.Context(), request(name, payload))
			switch {
			case err == nil && got.Output("logits") == nil:
				t.Errorf("%s: an answer without logits", name)
			case err != nil && oip.CauseOf(err) != oip.Invalid && oip.CauseOf(err) != oip.TooLarge:
				t.Errorf("%s: %v: %v", name, oip.CauseOf(err), err)
			}
		}
	})
}
