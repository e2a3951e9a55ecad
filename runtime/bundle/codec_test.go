package bundle_test

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/bottlenet/bnc/internal/rawcodec"
	"github.com/bottlenet/bnc/internal/rttest"
	"github.com/bottlenet/bnc/runtime/bundle"
	"github.com/bottlenet/bnc/runtime/ort"
	"github.com/bottlenet/bnc/runtime/tensor"
)

// All that the runtime needs to know of a second codec.
func init() { bundle.Register(bundle.Codec{Codec: rawcodec.Codec()}) }

// metadata is of the half of a bundle with "raw" as its codec, but for changes.
func metadata(changes ...string) map[string]string {
	props := map[string]string{"bnc.format": "1", "bnc.part": `"cloud"`, "bnc.pair": `"x"`, "bnc.codec_at": `"host"`, "bnc.range": `"static"`,
		"bnc.tensor": `"features"`, "bnc.tile": "[8,8]", "bnc.codec": `{"name":"raw","parameters":{"key":"AAf/"}}`}
	for i := 0; i < len(changes); i += 2 {
		props["bnc."+changes[i]] = changes[i+1]
	}
	return props
}

func TestCodecOfAFile(t *testing.T) {
	m, err := bundle.ParseMeta(metadata())
	if err != nil {
		t.Fatal(err)
	}
	if len(m.Crossing()) != 1 || m.Codec != "raw" || m.Quality != 0 || m.Plain() || m.Tensor != "features" {
		t.Fatalf("%+v", m)
	}
	one := m.Crossing()[0]
	if key, _ := one.Part.Parameters["key"].([]byte); !bytes.Equal(key, rawcodec.Key) || one.Tensor != "features" || one.Part.Height != 8 || one.Part.Dynamic {
		t.Errorf("%+v", one)
	}
	// JPEG as it is written, and as codecs of more parameters are.
	for _, props := range []map[string]string{
		metadata("codec", `"jpeg"`, "quality", "20"),
		metadata("codec", `{"name":"jpeg","parameters":{"quality":20}}`),
		metadata("codec", `{"name":"jpeg","parameters":{"quality":20}}`, "quality", "20"),
	} {
		m, err := bundle.ParseMeta(props)
		if err != nil {
			t.Errorf("%s: %v", props["bnc.codec"], err)
		} else if quality := m.Crossing()[0].Part.Parameters["quality"]; m.Codec != "jpeg" || m.Quality != 20 || quality != int64(20) {
			t.Errorf("%s: %+v", props["bnc.codec"], m)
		}
	}
}

func TestCodecIsRefused(t *testing.T) {
	for _, test := range []struct {
		changes []string
		want    string
	}{
		{[]string{"codec", `{"name":"wavelet","parameters":{}}`}, `bnc.codec is "wavelet", expected one of jpeg, raw, transform, none`},
		{[]string{"codec", `"wavelet"`}, `bnc.codec is "wavelet", expected one of jpeg, raw, transform, none`},
		{[]string{"codec", `7`}, "bnc.codec"},
		{[]string{"codec", `{"name":"raw"}`}, "key of raw is missing"},
		{[]string{"codec", `{"name":"raw","parameters":{"key":5}}`}, "key of raw"},
		{[]string{"codec", `{"name":"raw","parameters":{"key":"AAf/","speed":1}}`}, "raw has no speed"},
		{[]string{"codec", `{"name":"jpeg","parameters":{"quality":0}}`}, "quality is 0, expected 1..100"},
		{[]string{"codec", `"jpeg"`}, "quality is 0, expected 1..100"},
		{[]string{"codec", `{"name":"jpeg","parameters":{"quality":20}}`, "quality", "30"}, "quality 20, bnc.quality is 30"},
		{[]string{"tile", "[8,65501]"}, "bnc.tile [8 65501]"},
		{[]string{"tensor", `["a","b"]`}, "is of 2 tensors, bnc.tile of 1"},
	} {
		if _, err := bundle.ParseMeta(metadata(test.changes...)); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%v: error is %v, expected one with %q", test.changes, err, test.want)
		}
	}
}

// TestASecondCodec: what the mobile graph computes crosses as it is, xored with the key,
// and the cloud graph gets it back to the bit.
func TestASecondCodec(t *testing.T) {
	rttest.Library(t)
	for _, name := range []string{"host-static", "host-dynamic"} {
		b, err := bundle.Open(rawcodec.Bundle(t, name))
		if err != nil {
			t.Fatal(err)
		}
		x := photo(2)
		crossing, outputs := halves(t, b, x)
		payload := crossing[bundle.PayloadName].Data

		mobile, err := ort.Open(rttest.Data(name, "mobile.onnx"), ort.Options{Threads: 1})
		if err != nil {
			t.Fatal(err)
		}
		defer mobile.Close()
		computed, err := mobile.Run(t.Context(), ort.Feed{"input": x})
		if err != nil {
			t.Fatal(err)
		}
		feed := ort.Feed{}
		for _, port := range b.Cloud.Inputs {
			if feed[port.Name], err = computed.Tensor(port.Name); err != nil {
				t.Fatal(err)
			}
		}
		var want []byte
		for i := range 2 {
			body := slices.Clone(feed["tile"].Data[256*i:][:256])
			for k := range body {
				body[k] ^= rawcodec.Key[k%3]
			}
			if limits := feed["range"]; limits != nil {
				body = append(slices.Clone(limits.Data[8*i:][:8]), body...)
			}
			want = append(append(want, byte(len(body)&127|128), byte(len(body)>>7)), body...)
		}
		if !bytes.Equal(payload, want) {
			t.Errorf("%s: the payload is\n%x, expected\n%x", name, payload, want)
		}
		cloud, err := ort.Open(rttest.Data(name, "cloud.onnx"), ort.Options{Threads: 1})
		if err != nil {
			t.Fatal(err)
		}
		defer cloud.Close()
		direct, err := cloud.Run(t.Context(), feed)
		if err != nil {
			t.Fatal(err)
		}
		if got := values(t, outputs, "logits"); !slices.Equal(got, values(t, direct, "logits")) {
			t.Errorf("%s: logits %v, without the codec %v", name, got, values(t, direct, "logits"))
		}
		if b.Meta.FileBytes([]int{300}) != nil {
			t.Errorf("%s: a codec without a file format has a size of files", name)
		}
		grey, err := b.Meta.GreyPayload()
		if sizes, _ := bundle.RecordSizes(grey); err != nil || len(sizes) != 1 {
			t.Errorf("%s: a grey payload of %d bytes, %v", name, len(grey), err)
		}

		half, err := b.OpenCloud(ort.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer half.Close()
		var bad *ort.InputError
		short := tensor.Of([]int64{3}, []byte{2, 1, 1})
		if _, err := half.Run(t.Context(), ort.Feed{bundle.PayloadName: short}); !errors.As(err, &bad) || !strings.Contains(err.Error(), "takes at least") {
			t.Errorf("%s: a short record: %v", name, err)
		}
	}
}

// TestTwoTensorsCross in a plain pair: cloud(mobile(x)) must be model(x).
func TestTwoTensorsCross(t *testing.T) {
	rttest.Library(t)
	whole, pair := openRunner(t, "two/whole.onnx"), openRunner(t, "two")
	m := pair.Meta()
	if m.Tensor != "features+colours" || !slices.Equal(m.Tensors, []string{"features", "colours"}) || !m.Plain() {
		t.Errorf("%+v", m)
	}
	for _, n := range []int{2, 1, 2, 2} { // the buffers for the cut are used again
		x := photo(n)
		want, got := run(t, whole, x), run(t, pair, x)
		if cut := n * (4*8*8 + 3) * 4; got.PayloadBytes != cut {
			t.Errorf("%d bytes crossed, the tensors have %d", got.PayloadBytes, cut)
		}
		for i, out := range want.Outputs {
			if got.Outputs[i].Name != out.Name {
				t.Errorf("output %d is %s, want %s", i, got.Outputs[i].Name, out.Name)
			}
			if d := apart(t, values(t, got.Outputs, out.Name), values(t, want.Outputs, out.Name)); d > 1e-5 { // as in TestPlainIsTheWholeModel
				t.Errorf("%s is %g apart", out.Name, d)
			}
		}
	}
	b, err := bundle.Open(rttest.Data("two"))
	if err != nil {
		t.Fatal(err)
	}
	if names := b.Crosses(); !slices.Equal(names, []string{"features", "colours"}) {
		t.Errorf("%v crosses", names)
	}
}
