package bench

import (
	"context"
	"errors"
	"image"
	"image/color"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/bottlenet/bnc/internal/fault"
	"github.com/bottlenet/bnc/internal/rttest"
	"github.com/bottlenet/bnc/runtime/bundle"
	"github.com/bottlenet/bnc/runtime/client"
	"github.com/bottlenet/bnc/runtime/data"
	"github.com/bottlenet/bnc/runtime/feed"
	"github.com/bottlenet/bnc/runtime/imagein"
	"github.com/bottlenet/bnc/runtime/oip"
	"github.com/bottlenet/bnc/runtime/ort"
	"github.com/bottlenet/bnc/runtime/serve"
	"github.com/bottlenet/bnc/runtime/tensor"
)

// scene is a picture with slow colours and hard edges.
func scene(w, h int) image.Image {
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			img.SetRGBA(x, y, color.RGBA{uint8(x * 255 / w), uint8(y * 255 / h), uint8((x/9 + y/13) % 5 * 60), 255})
		}
	}
	return img
}

// TestCodedImages: what crosses is a file of the codec for the pixels that the model takes of
// a photograph; the cloud's answer is what the model says of that file's pixels, which were
// written as PNG and are resized no more.
func TestCodedImages(t *testing.T) {
	rttest.Library(t)
	path := rttest.Data("whole.onnx")
	p := imagein.Preprocess{Color: imagein.RGB, Resize: 40, Crop: [2]int{32, 32}, Scale: 1, Mean: []float64{120, 110, 100}, Std: []float64{60, 61, 62}}
	photo := scene(70, 90)
	b := &bench{
		o:          Options{InputCodec: []string{"avif", "avif-fast", "webp", "jpeg"}, Quality: []int{20}},
		photos:     &Photos{items: []data.Item{{Image: photo}}},
		prepare:    func(*imagein.Preprocess) feed.Chooser { return feed.Always(&p) },
		serverName: bundle.Name,
	}
	var err error
	if b.sending, err = b.senders([]string{path}); err != nil {
		t.Fatal(err)
	}
	address, stop, err := serve.Start(t.Context(), map[string]string{"whole": path}, b.decoding)
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	remote, err := client.RemoteOptions{Cloud: "grpc://" + address}.Dial(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer remote.Close()
	model, err := bundle.OpenRunner(path, ort.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer model.Close()
	says := func(p imagein.Preprocess, img image.Image) []float32 {
		feeder, err := feed.New(model.Inputs(), feed.Always(&p))
		if err != nil {
			t.Fatal(err)
		}
		x, err := feeder.Image(t.Context(), img)
		if err != nil {
			t.Fatal(err)
		}
		r, err := model.Run(t.Context(), ort.Feed{feeder.Input(): x})
		if err != nil {
			t.Fatal(err)
		}
		logits, err := r.Outputs.Tensor("logits")
		if err != nil {
			t.Fatal(err)
		}
		return tensor.Slice[float32](logits)
	}
	// Sessions may divide sums among threads otherwise: logits are of the size of 1.
	alike := func(a, b []float32) bool {
		return slices.EqualFunc(a, b, func(x, y float32) bool { return math.Abs(float64(x-y)) < 1e-5 })
	}
	original := says(p, photo)
	unscaled := p
	unscaled.Resize = 0
	for _, s := range b.sending[path] {
		pixels, err := s.Pixels(photo)
		if err != nil {
			t.Fatal(err)
		}
		file, err := s.Encode(pixels)
		if err != nil {
			t.Fatal(err)
		}
		img, err := s.Decode(file)
		if err != nil {
			t.Fatal(err)
		}
		written := filepath.Join(t.TempDir(), "decoded.png")
		out, err := os.Create(written)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(png.Encode(out, img), out.Close()); err != nil {
			t.Fatal(err)
		}
		if img, err = imagein.DecodeFile(written); err != nil {
			t.Fatal(err)
		}
		r, err := remote.Infer(t.Context(), asked("whole", mediaType(s), file))
		if err != nil {
			t.Fatal(err)
		}
		got := tensor.Slice[float32](r.Output("logits"))
		if want := says(unscaled, img); !alike(got, want) {
			t.Errorf("%s: the cloud says %v, the model of the same pixels %v", s, got, want)
		}
		if alike(got, original) {
			t.Errorf("%s: the cloud says the same as of the photograph as it is", s)
		}
		times, n, err := b.coded(path, s, remote).run(t.Context(), 0)
		if err != nil || n != len(file) || times.Mobile <= 0 || times.Total != times.Mobile+times.Link+times.Cloud {
			t.Errorf("%s: %d bytes cross, expected %d; %+v (%v)", s, n, len(file), times, err)
		}
		if _, err := remote.Infer(t.Context(), asked("whole", mediaType(s), file[:len(file)/2])); oip.CauseOf(err) != oip.Invalid || !strings.Contains(err.Error(), mediaType(s)) {
			t.Errorf("%s: half of a file: %v", s, err)
		}
	}
}

// asked asks a model of a file.
func asked(model, input string, file []byte) *oip.Request {
	return &oip.Request{Model: model, Inputs: []oip.Tensor{{Name: input, Value: tensor.Of([]int64{int64(len(file))}, file)}}}
}

// told is a service that notes what it is asked and has computed for 5 ms.
type told struct {
	oip.Service
	asked *oip.Request
}

func (s *told) Infer(_ context.Context, r *oip.Request) (*oip.Response, error) {
	s.asked = r
	return &oip.Response{Params: oip.Params{oip.ParamQueue: 3.0, oip.ParamCompute: 5.0}}, nil
}

// TestDecodingCounts: decoding is part of what the cloud computes, and other requests pass as
// they are.
func TestDecodingCounts(t *testing.T) {
	path := rttest.Data("whole.onnx")
	b := &bench{
		o:          Options{InputCodec: []string{"jpeg"}},
		prepare:    func(*imagein.Preprocess) feed.Chooser { return feed.Always(nil) },
		serverName: bundle.Name,
	}
	var err error
	if b.sending, err = b.senders([]string{path}); err != nil {
		t.Fatal(err)
	}
	s := b.sending[path][0]
	file, err := s.Encode(scene(32, 32))
	if err != nil {
		t.Fatal(err)
	}
	service := &told{}
	cloud := b.decoding(service)
	r, err := cloud.Infer(t.Context(), asked("whole", "image/jpeg", file))
	if err != nil {
		t.Fatal(err)
	}
	if r.Params[oip.ParamCompute].(float64) <= 5 || r.Params[oip.ParamQueue] != 3.0 {
		t.Errorf("%v: expected more than 5 ms of computing", r.Params)
	}
	if in := service.asked.Inputs[0]; in.Name != s.Feeder().Input() || in.Value.DType != tensor.Float32 || !slices.Equal(in.Value.Shape, []int64{1, 3, 32, 32}) {
		t.Errorf("the model is given %s %v", in.Name, in.Value)
	}
	for _, other := range []*oip.Request{asked("whole", serve.ImageInput, file), asked("whole", "image/avif", file), asked("other", "image/jpeg", file)} {
		if _, err := cloud.Infer(t.Context(), other); err != nil || service.asked != other {
			t.Errorf("%s of %s: %v, %v", other.Inputs[0].Name, other.Model, service.asked, err)
		}
	}
}

// TestSent: codecs and qualities are one each, or one of either; what cannot be is told.
func TestSent(t *testing.T) {
	for _, c := range []struct {
		codecs    []string
		qualities []int
		cloud     string
		want      string // or the option that is at fault
	}{
		{nil, nil, "", ""},
		{[]string{"avif"}, nil, "", "avif of quality 75"},
		{[]string{"avif", "jpeg"}, []int{55, 80}, "", "avif of quality 55, jpeg of quality 80"},
		{[]string{"avif", "jpeg"}, []int{60}, "", "avif of quality 60, jpeg of quality 60"},
		{[]string{"webp"}, []int{1, 100}, "", "webp of quality 1, webp of quality 100"},
		{[]string{"gif"}, nil, "", "option input_codec"},
		{[]string{"png"}, nil, "", "option input_codec"},
		{[]string{"avif"}, nil, "grpc://h:1", "option input_codec"},
		{[]string{"avif"}, []int{0}, "", "option quality"},
		{[]string{"avif"}, []int{101}, "", "option quality"},
		{[]string{"avif", "jpeg"}, []int{1, 2, 3}, "", "option quality"},
		{nil, []int{50}, "", "option quality"},
	} {
		all, err := Options{InputCodec: c.codecs, Quality: c.qualities, RemoteOptions: client.RemoteOptions{Cloud: c.cloud}}.sent()
		var names []string
		for _, s := range all {
			names = append(names, s.String())
		}
		got := strings.Join(names, ", ")
		if err != nil {
			if unfit := (*fault.UsageError)(nil); !errors.As(err, &unfit) {
				t.Errorf("%v: %v", c, err)
			}
			got = err.Error()[:min(len(err.Error()), len(c.want))]
		}
		if got != c.want {
			t.Errorf("%v: %s, expected %s (%v)", c, got, c.want, err)
		}
	}
	b := &bench{o: Options{InputCodec: []string{"jpeg"}}}
	unfit := (*fault.UsageError)(nil)
	if _, err := b.senders([]string{rttest.Data("graph-static")}); !errors.As(err, &unfit) || !strings.Contains(err.Error(), "whole model") {
		t.Errorf("bundles only: %v", err)
	}
}
