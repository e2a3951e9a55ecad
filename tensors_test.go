package bnc

import (
	"bytes"
	"context"
	"errors"
	"image"
	"image/png"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/compiler/onnx"
	"github.com/bottlenet/bnc/internal/oracletest"
	"github.com/bottlenet/bnc/internal/rttest"
	"github.com/bottlenet/bnc/runtime/bundle"
	"github.com/bottlenet/bnc/runtime/client"
	"github.com/bottlenet/bnc/runtime/imagein"
	"github.com/bottlenet/bnc/runtime/ort"
	"github.com/bottlenet/bnc/runtime/plan"
	"github.com/bottlenet/bnc/runtime/profile"
	"github.com/bottlenet/bnc/runtime/search"
	"github.com/bottlenet/bnc/runtime/tensor"
)

// ownCodecs are those that the op library of make build has: codec_test.go registers another.
var ownCodecs = []string{DefaultCodec, "transform"}

// savedUNet writes a U-Net and returns its path.
func savedUNet(t *testing.T) string {
	t.Helper()
	rttest.Plugin(t)
	return savedModel(t, oracletest.UNet(t, 32))
}

func savedModel(t *testing.T, m *ir.Model) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "net.onnx")
	if err := onnx.Save(t.Context(), path, m, onnx.SaveOptions{}); err != nil {
		t.Fatal(err)
	}
	return path
}

// opened runs what is at path.
func opened(t *testing.T, path string) func(ort.Feed) (bundle.Result, error) {
	t.Helper()
	r, err := bundle.OpenRunner(path, ort.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return func(feed ort.Feed) (bundle.Result, error) { return r.Run(t.Context(), feed) }
}

// halvesOf opens both halves of a bundle.
func halvesOf(t *testing.T, dir string) (*bundle.Mobile, *bundle.Cloud) {
	t.Helper()
	b, err := bundle.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	mobile, err := b.OpenMobile(ort.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { mobile.Close() })
	cloud, err := b.OpenCloud(ort.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cloud.Close() })
	return mobile, cloud
}

// likeItsJoined runs a bundle and its joined network, which is to say the same, bytes
// included. Both compute the same operators: what ONNX Runtime fuses differently in halves
// is 1e-6 of a mask, which in a quantiser is a step at times.
func likeItsJoined(t *testing.T, dir string, x ort.Feed, within float64) bundle.Result {
	t.Helper()
	got, err := opened(t, dir)(x)
	if err != nil {
		t.Fatal(dir, err)
	}
	want, err := opened(t, filepath.Join(dir, bundle.JoinedFile))(x)
	if err != nil {
		t.Fatal(dir, err)
	}
	if d := oracletest.Far(got.Outputs[0].Tensor, want.Outputs[0].Tensor); !(d < within) {
		t.Errorf("%s: the pair is off by %g", dir, d)
	}
	told, err := want.Outputs.Tensor("payload_bytes")
	if err != nil {
		t.Fatal(err)
	}
	steps := 0
	if within > 1e-2 { // float16: of each tensor a few features are on other steps, which is a byte
		steps = 3
	}
	if n := int(tensor.Slice[int64](told)[0]) + beside(x); n < got.PayloadBytes-steps || n > got.PayloadBytes+steps {
		t.Errorf("%s: %d bytes crossed, the joined network tells %d", dir, got.PayloadBytes, n)
	}
	return got
}

// beside is how many bytes travel beside the payload.
func beside(x ort.Feed) int {
	if v := x["vector"]; v != nil {
		return len(v.Data)
	}
	return 0
}

// TestSeveralTensors: a bundle whose three tensors cross in one record, with every codec, wherever
// it is and whatever its halves were lowered to; damaged records are refused.
func TestSeveralTensors(t *testing.T) {
	path, set := savedUNet(t), pictures(t, 6)
	x := ort.Feed{"image": oracletest.Noise(tensor.Float32, 5, 1, 3, 32, 32)}
	common := SplitOptions{After: oracletest.UNetTensors, Channels: []Channels{2, 4, Full}, Stride: []int{2, 1, 1}}
	for _, codec := range ownCodecs {
		payloads := map[string][]byte{} // of ranges that travel, of static ones
		for name, change := range map[string]func(*SplitOptions){
			"graph":       func(*SplitOptions) {},
			"calibrated":  func(o *SplitOptions) { o.Calibrate = set },
			"device-host": func(o *SplitOptions) { o.CodecAt, o.Calibrate = CodecOnDeviceHost, set },
			"host":        func(o *SplitOptions) { o.CodecAt = CodecOnHost },
			"static host": func(o *SplitOptions) { o.CodecAt, o.Calibrate = CodecOnHost, set },
			"tx2":         func(o *SplitOptions) { o.Target = TargetTX2 },
			"fp16":        func(o *SplitOptions) { o.FP16, o.Calibrate = true, set },
		} {
			name = codec + ", " + name
			o := common
			o.Codec, o.Out = codec, filepath.Join(t.TempDir(), name)
			change(&o)
			r, err := Split(t.Context(), path, o)
			if err != nil {
				t.Fatal(name, err)
			}
			if !slices.Equal(r.Tile, [][2]int64{{8, 16}, {16, 16}, {16, 16}}) || !slices.Equal(r.Tensor, []string{"skip1", "skip2", "deep"}) {
				t.Errorf("%s: %v in tiles of %v", name, r.Tensor, r.Tile)
			}
			within := 1e-2
			if o.FP16 { // 11 bits of 24
				within = 1e-1
			}
			likeItsJoined(t, o.Out, x, within)
			mobile, cloud := halvesOf(t, o.Out)
			crossing, _, err := mobile.Run(t.Context(), x)
			if err != nil {
				t.Fatal(err)
			}
			payload := crossing[bundle.PayloadName].Data
			if same := payloads[o.Calibrate]; same == nil && !o.FP16 {
				payloads[o.Calibrate] = payload
			} else if !o.FP16 && !bytes.Equal(payload, same) {
				t.Errorf("%s: %d bytes cross that are others than where the codec is elsewhere", name, len(payload))
			}
			for i, damage := range [][]byte{
				{}, payload[:len(payload)-1], slices.Concat(payload, []byte{1}), slices.Concat(payload[:1], []byte{255}, payload[2:]),
			} {
				var refused *ort.InputError
				if _, err := cloud.Run(t.Context(), ort.Feed{bundle.PayloadName: tensor.Of([]int64{int64(len(damage))}, damage)}); !errors.As(err, &refused) {
					t.Errorf("%s: damage %d: %v, expected that the payload is refused", name, i, err)
				}
			}
		}
	}
	o := common
	o.Channels = []Channels{2, 4}
	if _, err := Split(t.Context(), path, o); KindOf(err) != Usage {
		t.Errorf("two numbers for three tensors: %v", err)
	}
	o.Channels = []Channels{2, 4, 17}
	if _, err := Split(t.Context(), path, o); KindOf(err) != Data {
		t.Errorf("17 channels of 16: %v", err)
	}
}

// TestSeveralTensorsTrained: calibrated later, then trained in place with another quality, by
// its own answers: the files stay a pair that says what its joined network does.
func TestSeveralTensorsTrained(t *testing.T) {
	path, set := savedUNet(t), pictures(t, 8)
	for _, codec := range ownCodecs {
		out := filepath.Join(t.TempDir(), codec)
		if _, err := Split(t.Context(), path, SplitOptions{After: oracletest.UNetTensors, Channels: []Channels{2, 3, 4}, Stride: []int{1}, Codec: codec, RestoreWidth: 2, Out: out}); err != nil {
			t.Fatal(err)
		}
		r, err := Calibrate(t.Context(), out, CalibrateOptions{Data: set})
		if err != nil || len(r.Lo) != 3 || len(r.Hi) != 3 {
			t.Fatalf("%s: %+v, %v", codec, r, err)
		}
		before := metaOf(t, out)
		trained, err := Train(t.Context(), out, TrainOptions{Data: set, Distill: true, Epochs: 2, Batch: 4, ValSplit: new(0.25), Quality: 60, LR: 1e-3, Flip: "off"})
		if err != nil {
			t.Fatal(codec, err)
		}
		after := metaOf(t, out)
		if after["bnc.quality"] != "60" || after["bnc.pair"] == before["bnc.pair"] || after["bnc.c"] != "[2,3,4]" || after["bnc.tensor"] != before["bnc.tensor"] || len(trained.Epochs) == 0 {
			t.Errorf("%s: %+v of %v", codec, trained, after)
		}
		likeItsJoined(t, out, ort.Feed{"image": oracletest.Noise(tensor.Float32, 6, 1, 3, 32, 32)}, 1e-2)
	}
}

// lateVector is a network whose end alone reads its second input, and whose image is needed
// at the end too.
const lateVector = `<ir_version: 8, opset_import: ["" : 17]>
net (float[N,3,16,16] image, float[N,3] vector) => (float[N,3,16,16] y) <float[3,3,1,1] w = {1,-2,0.5, 0.3,1,1, -1,0.2,0.7}, int64[2] axes = {2,3}> {
	a = Conv (image, w)
	b = Relu (a)
	p = MaxPool <kernel_shape = [2,2], strides = [2,2]> (b)
	q = Conv (p, w)
	r = Relu (q)
	mean = GlobalAveragePool (r)
	v = Unsqueeze (vector, axes)
	scale = Mul (mean, v)
	y = Add (image, scale)
}`

// TestLateInputs: an input of the model that only the cloud half reads travels as it is, and
// an image that the end needs crosses too: plain, and with bottlenecks; here and on a server.
func TestLateInputs(t *testing.T) {
	rttest.Plugin(t)
	path := savedModel(t, oracletest.Parse(t, lateVector))
	x := ort.Feed{"image": oracletest.Noise(tensor.Float32, 5, 1, 3, 16, 16), "vector": oracletest.Noise(tensor.Float32, 6, 1, 3)}
	want, err := opened(t, path)(x)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	plain, host, graph, coded := filepath.Join(dir, "plain"), filepath.Join(dir, "host"), filepath.Join(dir, "graph"), filepath.Join(dir, "coded")
	for _, o := range []SplitOptions{
		{After: "r,image", Plain: true, Out: plain}, {After: "r,image", Channels: []Channels{Full}, Stride: []int{1}, CodecAt: CodecOnHost, Out: host},
		{After: "r,image", Channels: []Channels{Full}, Stride: []int{1}, Out: graph},
		{After: "r,image", Channels: []Channels{Full}, Stride: []int{1}, Codec: "transform", VariableRate: true, Out: coded},
	} {
		if _, err := Split(t.Context(), path, o); err != nil {
			t.Fatal(err)
		}
	}
	got, err := opened(t, plain)(x)
	if err != nil {
		t.Fatal(err)
	}
	if d := oracletest.Far(got.Outputs[0].Tensor, want.Outputs[0].Tensor); d > 1e-6 { // a different order of one sum at most
		t.Errorf("the plain pair is off by %g", d)
	}
	for _, dir := range []string{host, graph, coded} {
		got := likeItsJoined(t, dir, x, 1e-2)
		// Noise is what JPEG at quality 20 keeps least of.
		if d := oracletest.Far(got.Outputs[0].Tensor, want.Outputs[0].Tensor); !(d < 0.9) {
			t.Errorf("%s is off by %g", dir, d)
		}
		if _, err := opened(t, dir)(ort.Feed{"image": x["image"]}); err == nil {
			t.Errorf("%s runs without its vector", dir)
		}
	}
	likeServed(t, x, plain, host, graph, coded)
}

// TestImageCrosses: an image that a denoiser's end needs crosses as planes beside what is
// computed of it, calibrated as any other tensor.
func TestImageCrosses(t *testing.T) {
	rttest.Plugin(t)
	path := savedModel(t, oracletest.Parse(t, `<ir_version: 8, opset_import: ["" : 17]>
	net (float[N,3,28,28] image) => (float[N,3,28,28] y) <float[3,3,1,1] w = {1,-2,0.5, 0.3,1,1, -1,0.2,0.7}> {
		a = Conv (image, w)
		b = Relu (a)
		p = MaxPool <kernel_shape = [2,2], strides = [2,2]> (b)
		q = Conv (p, w)
		r = Sigmoid (q)
		scale = GlobalAveragePool (r)
		noise = Mul (image, scale)
		y = Sub (image, noise)
	}`))
	set := pictures(t, 8)
	out := filepath.Join(t.TempDir(), "b")
	o := SplitOptions{After: "r,image", Channels: []Channels{Full}, Stride: []int{1}, Quality: 100, Calibrate: set, Out: out}
	o.Fit, o.Scale, o.Mean, o.Std = imagein.FitStretch, new(1.0/255), []float64{0, 0, 0}, []float64{1, 1, 1}
	if _, err := Split(t.Context(), path, o); err != nil {
		t.Fatal(err)
	}
	values := greyPicture(t, filepath.Join(set, "00.png"))
	x := ort.Feed{"image": tensor.Of([]int64{1, 3, 28, 28}, values)}
	got := likeItsJoined(t, out, x, 1e-2)
	want, err := opened(t, path)(x)
	if err != nil {
		t.Fatal(err)
	}
	// 8 bits and JPEG at quality 100 keep a picture to a few steps of 256.
	if d := oracletest.Far(got.Outputs[0].Tensor, want.Outputs[0].Tensor); !(d < 0.03) {
		t.Errorf("the picture is off by %g", d)
	}
}

// greyPicture is a grey picture as three channels of 0..1.
func greyPicture(t *testing.T, file string) (values []float32) {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	picture, err := png.Decode(f)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		for _, v := range picture.(*image.Gray).Pix {
			values = append(values, float32(v)/255)
		}
	}
	return values
}

// TestSeveralTensorsExported: Triton is told of one payload of any length, or of every tile, and
// of the codec by its name.
func TestSeveralTensorsExported(t *testing.T) {
	path := savedUNet(t)
	for at, input := range map[string]string{
		CodecInGraph: "input {\n  name: \"payload\"\n  data_type: TYPE_UINT8\n  dims: [-1]\n}",
		CodecOnHost:  "input {\n  name: \"tile_2\"\n  data_type: TYPE_UINT8\n  dims: [1, 16, 16]\n}",
	} {
		for _, codec := range ownCodecs {
			out, repository := filepath.Join(t.TempDir(), "b"), filepath.Join(t.TempDir(), "r")
			if _, err := Split(t.Context(), path, SplitOptions{After: oracletest.UNetTensors, Channels: []Channels{4}, Stride: []int{1}, Codec: codec, CodecAt: at, Out: out}); err != nil {
				t.Fatal(err)
			}
			if _, err := ExportTriton(t.Context(), []string{out}, TritonOptions{Repository: repository}); err != nil {
				t.Fatal(err)
			}
			text, err := os.ReadFile(filepath.Join(repository, "b", "config.pbtxt"))
			if err != nil {
				t.Fatal(err)
			}
			for _, want := range []string{input, "key: \"bnc_codec\"\n  value {\n    string_value: \"" + codec + "\""} {
				if !strings.Contains(string(text), want) {
					t.Errorf("%s, %s: expected %s in\n%s", codec, at, want, text)
				}
			}
		}
	}
}

// TestSeveralTensorsMeasured: profiles and searches take cuts of several tensors.
func TestSeveralTensorsMeasured(t *testing.T) {
	path, set := savedUNet(t), pictures(t, 8)
	for _, codec := range ownCodecs {
		p, err := Profile(t.Context(), []string{path}, ProfileOptions{Cuts: []string{oracletest.UNetTensors}, Codec: codec, Options: profile.Options{Runs: 20}})
		if err != nil || len(p.Profile.Cuts) != 2 || p.Profile.Cuts[0].Tensor != "skip1+skip2+deep" || p.Profile.Cuts[0].PayloadBytes <= 3 || p.Profile.Cuts[1].PayloadBytes != 4*(8*16*16+12*8*8+16*4*4) {
			t.Fatalf("%s: %+v, %v", codec, p, err)
		}
		found, err := Search(t.Context(), path, SearchOptions{
			Options: search.Options{Out: filepath.Join(t.TempDir(), "found"), Strides: []int{1}, MaxLoss: new(100.0), Threads: 1}, Cuts: []string{oracletest.UNetTensors}, Channels: []Channels{2},
			Split: SplitOptions{Codec: codec}, Train: TrainOptions{Data: set, Distill: true, Epochs: 1, Batch: 4, ValSplit: new(0.25), Flip: "off"},
		})
		if err != nil || len(found.Candidates) != 1 || found.Candidates[0].Status != plan.StatusTrained {
			t.Fatalf("%s: %+v, %v", codec, found, err)
		}
	}
}

// likeServed serves bundles and runs them with the server, which is to say what they say here.
func likeServed(t *testing.T, x ort.Feed, dirs ...string) {
	t.Helper()
	served := make(chan string, 1)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() {
		ended <- Serve(ctx, dirs, ServeOptions{HTTP: "127.0.0.1:0", GRPC: NoAddress, Ready: func(s Serving) error {
			served <- s.HTTP
			return nil
		}})
	}()
	var address string
	select {
	case address = <-served:
	case err := <-ended:
		t.Fatal(err)
	}
	remote, err := RemoteOptions{Cloud: "http://" + address}.Dial(nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range dirs {
		c, err := client.Open(t.Context(), client.Options{Bundles: []string{dir}, Remote: remote, Probe: -1})
		if err != nil {
			t.Fatal(err)
		}
		local, err := opened(t, dir)(x)
		if err != nil {
			t.Fatal(err)
		}
		far, err := c.Run(t.Context(), x)
		if err != nil {
			t.Fatal(dir, err)
		}
		if d := oracletest.Far(far.Outputs[0].Tensor, local.Outputs[0].Tensor); d != 0 || far.Where != bundle.WhereSplit {
			t.Errorf("%s: what a server computes is off by %g (%s)", dir, d, far.Where)
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// TestSeveralTensorsServed: records of three images and of one, with payloads and with tiles.
func TestSeveralTensorsServed(t *testing.T) {
	path := savedUNet(t)
	var dirs []string
	for _, codec := range ownCodecs {
		for _, at := range []string{CodecInGraph, CodecOnDeviceHost, CodecOnHost} {
			dir := filepath.Join(t.TempDir(), codec+"-"+at)
			if _, err := Split(t.Context(), path, SplitOptions{After: oracletest.UNetTensors, Channels: []Channels{2, 4, 6}, Stride: []int{1}, Codec: codec, CodecAt: at, Out: dir}); err != nil {
				t.Fatal(err)
			}
			dirs = append(dirs, dir)
		}
	}
	for _, images := range []int64{1, 3} {
		likeServed(t, ort.Feed{"image": oracletest.Noise(tensor.Float32, 9, images, 3, 32, 32)}, dirs...)
	}
}
