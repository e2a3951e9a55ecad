package bundle_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"image"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/bottlenet/bnc/internal/rttest"
	"github.com/bottlenet/bnc/ops"
	"github.com/bottlenet/bnc/runtime/bundle"
	"github.com/bottlenet/bnc/runtime/imagein"
	"github.com/bottlenet/bnc/runtime/ort"
	"github.com/bottlenet/bnc/runtime/tensor"
)

// photo returns a batch of n pictures for the test network: gradients that
// differ from image to image.
func photo(n int) *tensor.Tensor {
	values := make([]float32, n*3*32*32)
	for i := range values {
		image, place := i/(3*32*32), i%(3*32*32)
		values[i] = float32(math.Sin(float64(place)*0.01*float64(image+1)) + 0.3*float64(image))
	}
	return tensor.Of([]int64{int64(n), 3, 32, 32}, values)
}

func openRunner(t *testing.T, name string) *bundle.Runner {
	t.Helper()
	r, err := bundle.OpenRunner(rttest.Data(name), ort.Options{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

func run(t *testing.T, r *bundle.Runner, input *tensor.Tensor) bundle.Result {
	t.Helper()
	result, err := r.Run(t.Context(), ort.Feed{"input": input})
	if err != nil {
		t.Fatal(err)
	}
	return result
}

func values(t *testing.T, results ort.Results, name string) []float32 {
	t.Helper()
	x, err := results.Tensor(name)
	if err != nil {
		t.Fatal(err)
	}
	return tensor.Slice[float32](x)
}

// apart returns the largest difference of two rows of numbers.
func apart(t *testing.T, a, b []float32) float64 {
	t.Helper()
	if len(a) != len(b) {
		t.Fatalf("%d and %d values", len(a), len(b))
	}
	worst := 0.0
	for i := range a {
		worst = max(worst, math.Abs(float64(a[i]-b[i])))
	}
	return worst
}

// TestPlainIsTheWholeModel: cloud(mobile(x)) must be model(x), with the
// original's outputs in the original's order.
func TestPlainIsTheWholeModel(t *testing.T) {
	rttest.Library(t)
	whole, plain := openRunner(t, "whole.onnx"), openRunner(t, "plain")
	if whole.Split() || !plain.Split() || !slices.Equal(whole.Outputs(), plain.Outputs()) {
		t.Errorf("outputs %v and %v", whole.Outputs(), plain.Outputs())
	}
	for _, n := range []int{1, 3, 2, 1} { // the buffers for the cut are used again
		x := photo(n)
		want, got := run(t, whole, x), run(t, plain, x)
		if want.Where != bundle.WhereMobile || got.Where != bundle.WhereSplit || want.PayloadBytes != 0 {
			t.Errorf("where %s and %s", want.Where, got.Where)
		}
		if cut := n * 4 * 8 * 8 * 4; got.PayloadBytes != cut {
			t.Errorf("payload of %d bytes, the cut tensor has %d", got.PayloadBytes, cut)
		}
		for i, out := range want.Outputs {
			if got.Outputs[i].Name != out.Name {
				t.Errorf("output %d is %s, want %s", i, got.Outputs[i].Name, out.Name)
			}
			// Two sessions may choose other memory layouts, and so another order
			// of sums, for the same convolution: a few units in the last place.
			if d := apart(t, values(t, got.Outputs, out.Name), values(t, want.Outputs, out.Name)); d > 1e-5 {
				t.Errorf("%s is %g apart", out.Name, d)
			}
		}
		if s := got.Timings; s.Total < s.Mobile+s.Cloud || s.Mobile <= 0 || s.Cloud <= 0 || s.Link != 0 {
			t.Errorf("timings %+v", s)
		}
	}
}

// TestPlacesOfTheCodecAgree: the payload and the outputs must not depend on
// where the codec runs, and stay near the network without it.
func TestPlacesOfTheCodecAgree(t *testing.T) {
	rttest.Plugin(t)
	plain := openRunner(t, "plain")
	x := photo(3)
	reference := values(t, run(t, plain, x).Outputs, "logits")
	for _, limits := range []string{bundle.RangeStatic, bundle.RangeDynamic} {
		var payloads [][]byte
		var logits [][]float32
		for _, at := range []string{bundle.AtGraph, bundle.AtDeviceHost, bundle.AtHost} {
			dir := at + "-" + limits
			r := openRunner(t, dir)
			if m := r.Meta(); m.CodecAt != at || m.Dynamic() != (limits == bundle.RangeDynamic) || m.Plain() {
				t.Errorf("%s: metadata %+v", dir, m)
			}
			result := run(t, r, x)
			if names := []string{result.Outputs[0].Name, result.Outputs[1].Name}; !slices.Equal(names, []string{"logits", "brightness"}) {
				t.Errorf("%s: outputs %v", dir, names)
			}
			logits = append(logits, values(t, result.Outputs, "logits"))

			b, err := bundle.Open(rttest.Data(dir))
			if err != nil {
				t.Fatal(err)
			}
			crossing, rebuilt := halves(t, b, x)
			payload := crossing[bundle.PayloadName]
			payloads = append(payloads, payload.Data)
			if result.PayloadBytes != len(payload.Data) {
				t.Errorf("%s: %d bytes crossed, the payload has %d", dir, result.PayloadBytes, len(payload.Data))
			}
			if d := apart(t, values(t, rebuilt, "logits"), logits[len(logits)-1]); d != 0 {
				t.Errorf("%s: the halves by themselves are %g apart from the runner", dir, d)
			}
		}
		for i := range payloads {
			if !bytes.Equal(payloads[i], payloads[0]) {
				t.Errorf("%s: payload %d differs from the first", limits, i)
			}
			if d := apart(t, logits[i], logits[0]); d != 0 {
				t.Errorf("%s: logits %d are %g apart from the first", limits, i, d)
			}
		}
		sizes, err := bundle.RecordSizes(payloads[0])
		if err != nil || len(sizes) != 3 {
			t.Errorf("%s: records %v, %v", limits, sizes, err)
		}
		// The features span about 2; quality 60 errs by some 1% of that for each
		// feature, and a logit averages 64 places of 36 weights of about 0.5.
		if d := apart(t, logits[0], reference); d == 0 || d > 0.2 {
			t.Errorf("%s: %g apart from the network without codec", limits, d)
		}
	}
}

// halves runs the two halves as two processes would.
func halves(t *testing.T, b *bundle.Bundle, x *tensor.Tensor) (crossing ort.Feed, outputs ort.Results) {
	t.Helper()
	mobile, err := b.OpenMobile(ort.Options{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer mobile.Close()
	cloud, err := b.OpenCloud(ort.Options{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer cloud.Close()
	crossing, early, err := mobile.Run(t.Context(), ort.Feed{"input": x})
	if err != nil {
		t.Fatal(err)
	}
	late, err := cloud.Run(t.Context(), crossing)
	if err != nil {
		t.Fatal(err)
	}
	if x.Shape[0] == 1 && !b.Meta.Plain() {
		payload := crossing[bundle.PayloadName]
		row, err := payload.Reshape(1, int64(len(payload.Data)))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := cloud.Run(t.Context(), ort.Feed{bundle.PayloadName: row}); err != nil {
			t.Errorf("a payload of rank 2: %v", err)
		}
	}
	return crossing, b.Arrange(early, late)
}

func TestPayloadOfRankTwo(t *testing.T) {
	rttest.Plugin(t)
	for _, dir := range []string{"graph-static", "device-host-dynamic", "host-dynamic"} {
		b, err := bundle.Open(rttest.Data(dir))
		if err != nil {
			t.Fatal(err)
		}
		halves(t, b, photo(1))
	}
}

func TestDamagedPayload(t *testing.T) {
	rttest.Library(t)
	refuses(t, "host-static")
	rttest.Plugin(t)
	refuses(t, "graph-static")
}

// refuses sends payloads that no encoder wrote to a bundle's cloud half.
func refuses(t *testing.T, name string) {
	t.Helper()
	b, err := bundle.Open(rttest.Data(name))
	if err != nil {
		t.Fatal(err)
	}
	cloud, err := b.OpenCloud(ort.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer cloud.Close()
	for _, payload := range [][]byte{{}, {200}, {3, 1, 2}, {0}} {
		_, err := cloud.Run(t.Context(), ort.Feed{bundle.PayloadName: tensor.Of([]int64{int64(len(payload))}, payload)})
		var bad *ort.InputError
		if !errors.As(err, &bad) || bad.Input != "payload" {
			t.Errorf("%s, payload % x: %v is no InputError", name, payload, err)
		}
	}
	if _, err := cloud.Run(t.Context(), ort.Feed{bundle.PayloadName: tensor.Of([]int64{1}, []float32{1})}); err == nil {
		t.Errorf("%s: a payload of floats was taken", name)
	}
}

// TestConcurrentRuns hammers one runner with different images; each must get
// its own answer.
func TestConcurrentRuns(t *testing.T) {
	rttest.Library(t)
	r := openRunner(t, "plain")
	inputs := photo(8)
	one := func(i int) *tensor.Tensor {
		const size = 3 * 32 * 32 * 4
		x, err := tensor.FromBytes(tensor.Float32, []int64{1, 3, 32, 32}, inputs.Data[i*size:(i+1)*size])
		if err != nil {
			t.Fatal(err)
		}
		return x
	}
	var want [8][]float32
	for i := range want {
		want[i] = values(t, run(t, r, one(i)).Outputs, "logits")
	}
	var wg sync.WaitGroup
	for i := range want {
		x := one(i)
		wg.Go(func() {
			for range 50 {
				result, err := r.Run(t.Context(), ort.Feed{"input": x})
				if err != nil {
					t.Error(err)
					return
				}
				logits, err := result.Outputs.Tensor("logits")
				if err != nil || !slices.Equal(tensor.Slice[float32](logits), want[i]) {
					t.Errorf("image %d got another one's answer (%v)", i, err)
				}
			}
		})
	}
	wg.Wait()
}

func TestMetadata(t *testing.T) {
	b, err := bundle.Open(rttest.Data("graph-static"))
	if err != nil {
		t.Fatal(err)
	}
	m := b.Meta
	if m.Cut != "cut1" || m.Tensor != "features" || !slices.Equal(m.Channels, []int{4}) || !slices.Equal(m.Stride, []int{1}) || m.Bits != 8 || m.Quality != 60 ||
		!slices.Equal(m.Tile, [][2]int{{16, 16}}) || !slices.Equal(m.Grid, [][2]int{{2, 2}}) || m.Lo[0] != 0 || m.Hi[0] != 2 || !m.Backbone ||
		m.SourceSHA256 != strings.Repeat("ab", 32) || m.Pair != strings.Repeat("33", 32) {
		t.Errorf("%+v", m)
	}
	if m.Label(2) != "cat" || m.Label(9) != "" || m.Label(-1) != "" {
		t.Errorf("labels %v", m.Labels)
	}
	layout, err := imagein.LayoutOf(b.Mobile.Inputs[0])
	if err != nil {
		t.Fatal(err)
	}
	if _, err := imagein.New(*m.Preprocess, layout); err != nil {
		t.Error(err)
	}
	if m.Preprocess.Crop != [2]int{32, 32} || imagein.Default(layout, image.Pt(32, 32)).Crop != m.Preprocess.Crop {
		t.Errorf("preprocess %+v", m.Preprocess)
	}
	if ort.Domain != ops.Domain {
		t.Errorf("the op library's domain is %q, package ort looks for %q", ops.Domain, ort.Domain)
	}
}

func TestParseMetaRefuses(t *testing.T) {
	good := map[string]any{"format": 1, "part": "cloud", "codec": "jpeg", "codec_at": "host", "range": "static",
		"pair": "x", "tile": []int{8, 8}, "quality": 20, "c": "full", "future": true}
	props := func(change map[string]any) map[string]string {
		all := map[string]string{"unrelated": "text"}
		for _, m := range []map[string]any{good, change} {
			for key, v := range m {
				text, err := json.Marshal(v)
				if err != nil {
					t.Fatal(err)
				}
				all["bnc."+key] = string(text)
			}
		}
		return all
	}
	if m, err := bundle.ParseMeta(props(nil)); err != nil || m.Channels[0] != 0 {
		t.Errorf("%+v, %v", m, err)
	}
	if m, err := bundle.ParseMeta(map[string]string{"bnc.labels": `["a"]`}); err != nil || m.Part != "" || m.Label(0) != "a" {
		t.Errorf("a whole model with labels: %+v, %v", m, err)
	}
	for key, change := range map[string]map[string]any{
		"bnc.format":   {"format": 2},
		"bnc.part":     {"part": "middle"},
		"bnc.codec_at": {"codec_at": "space"},
		"bnc.range":    {"range": "none"},
		"bnc.pair":     {"pair": ""},
		"bnc.tile":     {"tile": []int{0, 8}},
		"bnc.quality":  {"quality": "high"},
		"bnc.labels":   {"labels": 3},
	} {
		if _, err := bundle.ParseMeta(props(change)); err == nil || !strings.Contains(err.Error(), key) {
			t.Errorf("%v: error %v does not name %s", change, err, key)
		}
	}
}

// mix makes a bundle of one half each of two bundles.
func mix(t *testing.T, mobile, cloud string) string {
	t.Helper()
	dir := t.TempDir()
	for name, from := range map[string]string{"mobile.onnx": mobile, "cloud.onnx": cloud} {
		content, err := os.ReadFile(rttest.Data(from, name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestOpenRefuses(t *testing.T) {
	var other *bundle.PairError
	_, err := bundle.Open(mix(t, "graph-static", "graph-dynamic"))
	if !errors.As(err, &other) || !strings.Contains(err.Error(), strings.Repeat("33", 32)) || !strings.Contains(err.Error(), strings.Repeat("22", 32)) {
		t.Errorf("%v", err)
	}
	if _, err := bundle.Open(mix(t, "graph-static", "host-static")); err == nil || !strings.Contains(err.Error(), "disagree") {
		t.Errorf("halves with the codec in different places: %v", err)
	}
	dir := mix(t, "plain", "plain")
	if err := os.Rename(filepath.Join(dir, "cloud.onnx"), filepath.Join(dir, "mobile.onnx")); err != nil {
		t.Fatal(err)
	}
	if _, err := bundle.Open(dir); err == nil || !strings.Contains(err.Error(), "bnc.part") {
		t.Errorf("the cloud half as mobile.onnx: %v", err)
	}
	if bundle.IsBundle(dir) || !bundle.IsBundle(rttest.Data("plain")) {
		t.Error("IsBundle does not see what is there")
	}
	if _, err := bundle.OpenRunner(t.TempDir(), ort.Options{}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("an empty folder: %v", err)
	}
	b, err := bundle.Open(rttest.Data("plain"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Joined(); err == nil || !strings.Contains(err.Error(), "plain") {
		t.Errorf("the joined network of a plain pair: %v", err)
	}
}
