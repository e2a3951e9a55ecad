package serve_test

import (
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/bottlenet/bnc/internal/rttest"
	"github.com/bottlenet/bnc/runtime/bundle"
	"github.com/bottlenet/bnc/runtime/oip"
	"github.com/bottlenet/bnc/runtime/ort"
	"github.com/bottlenet/bnc/runtime/serve"
	"github.com/bottlenet/bnc/runtime/tensor"
)

func TestEveryKindOfModel(t *testing.T) {
	r, _ := open(t, serve.Options{MaxBatch: 2})
	for _, dir := range []string{"graph-static", "graph-dynamic", "device-host-static", "device-host-dynamic", "host-static", "host-dynamic"} {
		load(t, r, dir, dir)
		want := samples(t, dir, 5)
		var all [][]byte
		for _, s := range want {
			all = append(all, s.payload)
		}
		for _, n := range []int{1, 2, 5} { // 5 take three runs
			q := request(dir, all[:n]...)
			q.ID = "an id"
			got, err := r.Infer(t.Context(), q)
			if err != nil {
				t.Fatalf("%s, %d images: %v", dir, n, err)
			}
			if !near(got, want[:n]...) || got.Model != dir || got.Version != "1" || got.ID != "an id" || len(got.Outputs) != 1 {
				t.Errorf("%s, %d images: %+v", dir, n, got)
			}
			queue, ok1 := got.Params[oip.ParamQueue].(float64)
			compute, ok2 := got.Params[oip.ParamCompute].(float64)
			if !ok1 || !ok2 || queue < 0 || compute <= 0 {
				t.Errorf("%s: parameters %v", dir, got.Params)
			}
		}
		row := tensor.Of([]int64{1, int64(len(all[0]))}, all[0])
		if got, err := r.Infer(t.Context(), ask(dir, "payload", row)); err != nil || !near(got, want[0]) {
			t.Errorf("%s, a payload of rank 2: %v, %v", dir, got, err)
		}
	}
}

// TestTiles: where the host decodes, other servers get tiles, and ours takes
// them too.
func TestTiles(t *testing.T) {
	r, _ := open(t, serve.Options{MaxBatch: 2})
	for _, dir := range []string{"host-static", "host-dynamic"} {
		load(t, r, dir, dir)
		session, err := ort.Open(rttest.Data(dir, bundle.MobileFile), ort.Options{Threads: 1})
		if err != nil {
			t.Fatal(err)
		}
		q := &oip.Request{Model: dir}
		tile := concat(t, session, "tile", 3)
		q.Inputs = append(q.Inputs, oip.Tensor{Name: "tile", Value: tile})
		if dir == "host-dynamic" {
			q.Inputs = append(q.Inputs, oip.Tensor{Name: "range", Value: concat(t, session, "range", 3)})
		}
		session.Close()
		got, err := r.Infer(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		want, err := r.Infer(t.Context(), request(dir, payloads(samples(t, dir, 3))...))
		if err != nil {
			t.Fatal(err)
		}
		// The codec at quality 60 stands between the two.
		if a, b := got.Output("logits"), want.Output("logits"); !slices.Equal(a.Shape, b.Shape) || apart(a, b) == 0 || apart(a, b) > 0.2 {
			t.Errorf("%s: tiles give %v, payloads %v", dir, tensor.Slice[float32](a), tensor.Slice[float32](b))
		}
	}
}

// concat runs a mobile half on n images and joins one of its outputs.
func concat(t *testing.T, session *ort.Session, output string, n int) *tensor.Tensor {
	t.Helper()
	all := &tensor.Tensor{}
	for i := range n {
		out, err := session.Run(t.Context(), ort.Feed{"input": picture(i)})
		if err != nil {
			t.Fatal(err)
		}
		one, err := out.Tensor(output)
		if err != nil {
			t.Fatal(err)
		}
		all.DType, all.Shape = one.DType, slices.Clone(one.Shape)
		all.Data = append(all.Data, one.Data...)
	}
	all.Shape[0] = int64(n)
	return all
}

func payloads(list []sample) (all [][]byte) {
	for _, s := range list {
		all = append(all, s.payload)
	}
	return all
}

// apart returns the largest difference of two tensors of one size.
func apart(a, b *tensor.Tensor) (worst float64) {
	x, y := tensor.Slice[float32](a), tensor.Slice[float32](b)
	for i := range x {
		worst = max(worst, math.Abs(float64(x[i]-y[i])))
	}
	return worst
}

// TestPlainAndWhole: a plain bundle takes the cut tensor, and any ONNX file is
// served with its own inputs.
func TestPlainAndWhole(t *testing.T) {
	r, _ := open(t, serve.Options{MaxBatch: 2})
	load(t, r, "plain", "plain")
	load(t, r, "whole", "whole.onnx")
	session, err := ort.Open(rttest.Data("plain", bundle.MobileFile), ort.Options{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	features, err := r.Infer(t.Context(), ask("plain", "features", concat(t, session, "features", 3)))
	if err != nil {
		t.Fatal(err)
	}
	images := &tensor.Tensor{DType: tensor.Float32, Shape: []int64{3, 3, 32, 32}}
	for i := range 3 {
		images.Data = append(images.Data, picture(i).Data...)
	}
	q := ask("whole", "input", images)
	whole, err := r.Infer(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	a, b := features.Output("logits"), whole.Output("logits")
	// As for near: two sessions, and runs of other sizes.
	if !slices.Equal(a.Shape, []int64{3, 5}) || !slices.Equal(b.Shape, a.Shape) || apart(a, b) > 1e-5 {
		t.Errorf("the pair gives %v, the whole model %v", a, b)
	}
	if len(whole.Outputs) != 2 || whole.Outputs[1].Name != "brightness" || !slices.Equal(whole.Outputs[1].Value.Shape, []int64{3}) {
		t.Errorf("%+v", whole.Outputs)
	}
	q.Outputs = []oip.RequestedOutput{{Name: "brightness"}}
	if some, err := r.Infer(t.Context(), q); err != nil || len(some.Outputs) != 1 || !slices.Equal(some.Outputs[0].Value.Data, whole.Outputs[1].Value.Data) {
		t.Errorf("%+v, %v", some, err)
	}
}

func TestMetadata(t *testing.T) {
	r, _ := open(t, serve.Options{})
	load(t, r, "net", "host-dynamic")
	load(t, r, "whole", "whole.onnx")
	got, err := r.ModelMetadata(t.Context(), "net", "1")
	if err != nil {
		t.Fatal(err)
	}
	want := &oip.ModelMetadata{
		Name: "net", Versions: []string{"1"}, Platform: "onnxruntime_onnx",
		Inputs:  []oip.Port{{Name: "payload", Datatype: "UINT8", Shape: []int64{-1}}},
		Outputs: []oip.Port{{Name: "logits", Datatype: "FP32", Shape: []int64{-1, 5}}},
		Properties: map[string]string{"bnc_pair": strings.Repeat("22", 32), "cut": "cut1", "codec": "jpeg", "codec_at": "host",
			"quality": "60", "range": "dynamic", "tile": "16x16", "source_sha256": strings.Repeat("ab", 32)},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%+v", got)
	}
	if got, err = r.ModelMetadata(t.Context(), "whole", ""); err != nil || got.Properties["bnc_pair"] != "" ||
		!reflect.DeepEqual(got.Inputs, []oip.Port{{Name: "input", Datatype: "FP32", Shape: []int64{-1, 3, 32, 32}}}) {
		t.Errorf("%+v, %v", got, err)
	}
	if names := r.Models(); !slices.Equal(names, []string{"net", "whole"}) {
		t.Errorf("%v", names)
	}
	for _, err := range []error{r.Live(t.Context()), r.Ready(t.Context()), r.ModelReady(t.Context(), "net", ""), r.ModelReady(t.Context(), "net", "1")} {
		if err != nil {
			t.Error(err)
		}
	}
	refused(t, r.ModelReady(t.Context(), "ned", ""), oip.NotFound, "ned", "net, whole")
	refused(t, r.ModelReady(t.Context(), "net", "2"), oip.NotFound, "2", `"1"`)
	r.Remove("net")
	r.Remove("net")
	refused(t, r.ModelReady(t.Context(), "net", ""), oip.NotFound)
	if server, err := r.Metadata(t.Context()); err != nil || server.Name != "bnc" || server.Version == "" {
		t.Errorf("%+v, %v", server, err)
	}
}

func TestRefusesToLoad(t *testing.T) {
	r, _ := open(t, serve.Options{})
	load(t, r, "net", "graph-static")
	for name, words := range map[string]string{"": "1 to 255", ".net": "hidden", "a/b": "separators", `a\b`: "separators", "a\nb": "control", "..": "hidden"} {
		if err := r.Load(name, rttest.Data("graph-static")); err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("name %q: %v does not say %s", name, err, words)
		}
	}
	for _, x := range []struct{ path, words string }{
		{"nowhere", "no such file"}, {"make_models.py", ""}, {"zipmap.onnx", "maps"}, {"noinput.onnx", "no inputs"}, {".", "mobile.onnx"},
	} {
		if err := r.Load("net", rttest.Data(x.path)); err == nil || !strings.Contains(err.Error(), x.words) {
			t.Errorf("%s: %v does not say %s", x.path, err, x.words)
		}
	}
	want := samples(t, "graph-static", 1)
	if got, err := r.Infer(t.Context(), request("net", want[0].payload)); err != nil || !near(got, want[0]) {
		t.Errorf("the model did not stay: %v, %v", got, err)
	}
}
