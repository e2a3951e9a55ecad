package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/bottlenet/bnc"
	"github.com/bottlenet/bnc/runtime/bundle"
	"github.com/bottlenet/bnc/runtime/data"
	"github.com/bottlenet/bnc/runtime/eval"
	"github.com/bottlenet/bnc/runtime/feed"
	"github.com/bottlenet/bnc/runtime/ort"
	"github.com/bottlenet/bnc/runtime/task"
)

// evaluated runs bnc eval --json.
func evaluated(t *testing.T, args ...string) bnc.EvalResult {
	t.Helper()
	var r bnc.EvalResult
	out := mustBnc(t, append(append([]string{"eval"}, args...), "--json")...)
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return r
}

// splitAt splits a stripeModel and returns the bundle.
func splitAt(t *testing.T, model string, flags ...string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "b")
	mustBnc(t, append([]string{"split", model, "--after", "r", "-o", dir}, flags...)...)
	return dir
}

// deployed classifies a set image by image with the two halves.
func deployed(t *testing.T, dir, dataDir string) (classes, bytes []int) {
	t.Helper()
	set, err := data.Open(dataDir, data.Val)
	if err != nil {
		t.Fatal(err)
	}
	r := open(t, dir)
	f, err := feed.New(r.Inputs(), feed.Always(r.Meta().Preprocess))
	if err != nil {
		t.Fatal(err)
	}
	for i := range set.Len() {
		x, _, err := f.Batch(set, []int{i})
		if err != nil {
			t.Fatal(err)
		}
		out, err := r.Run(context.Background(), ort.Feed{f.Input(): x})
		if err != nil {
			t.Fatal(err)
		}
		top, err := task.Top(out.Outputs, nil, 1)
		if err != nil {
			t.Fatal(err)
		}
		classes = append(classes, top[0][0].Class)
		bytes = append(bytes, out.PayloadBytes)
	}
	return classes, bytes
}

// TestEvalIsWhatIsDeployed: rates and bytes of the joined network, in batches, are
// those of the two halves one image after the other, wherever the codec is.
func TestEvalIsWhatIsDeployed(t *testing.T) {
	plugin(t)
	model, set := stripeModel(t), patterns(t, 150, true)
	whole, _ := deployed(t, model, set)
	if kinds := len(slices.Compact(slices.Sorted(slices.Values(whole)))); kinds < 3 {
		t.Fatalf("the test's network gives %d classes: nothing is compared", kinds)
	}
	for _, flags := range []string{
		"--c 4 --s 1", "--c 8 --s 2 --codec-at device-host --calib " + set, "--c 3 --s 1 --codec-at host --bits 5", "--plain",
		"--c 8 --s 1 --codec transform --quality 90 --calib " + set, "--c 3 --s 2 --codec transform --codec-at host --bits 5",
	} {
		dir := splitAt(t, model, strings.Fields(flags)...)
		classes, bytes := deployed(t, dir, set)
		right, same := 0, 0
		for i, class := range classes {
			if class == i%10 {
				right++
			}
			if class == whole[i] {
				same++
			}
		}
		got := evaluated(t, dir, "--data", set, "--batch", "32", "--teacher", model)
		t.Logf("%s: top-1 %.3f, agreement %.3f, %.1f bytes", flags, *got.Top1, *got.Agreement, got.PayloadBytes.Mean)
		// The halves have their BatchNormalization folded: a value on the edge of two
		// levels of the quantiser may fall to the other, which moves a tile by one level
		// in some pixels, a payload by a byte or two, and an image on the edge of two
		// classes: two of 150 are allowed.
		want := float64(same) / 150
		if got.N != 150 || math.Abs(*got.Top1-float64(right)/150) > 2.0/150+1e-9 || math.Abs(*got.Agreement-want) > 2.0/150+1e-9 {
			t.Errorf("%s: top-1 %v, agreement %v of %d; the halves' are %v, %v", flags, *got.Top1, *got.Agreement, got.N, float64(right)/150, want)
		}
		wrong := 0 // of the whole model
		for i, class := range whole {
			if class != i%10 {
				wrong++
			}
		}
		// The same two of 150.
		if p := got.Paired; p == nil || p.Teacher != 1-float64(wrong)/150 || p.Images != 150 || math.Abs(p.Teacher+p.Difference-*got.Top1) > 1e-9 || p.Interval[0] > p.Difference || p.Interval[1] < p.Difference {
			t.Errorf("%s: paired %+v, top-1 %v", flags, p, *got.Top1)
		}
		const before, all = 14 * 14 * 8 * 25, 14*14*8*25 + 10*8 // of the convolution; and of the classes
		if got.DeviceShare == nil || *got.ModelMACs != all || *got.DeviceMACs < before || *got.DeviceShare != float64(*got.DeviceMACs)/all || flags == "--plain" && *got.DeviceMACs != before {
			t.Errorf("%s: %v of %v multiply-adds on the device: %v, the model has %v", flags, got.DeviceMACs, got.ModelMACs, got.DeviceShare, all)
		}
		sizes := eval.Summarise(bytes)
		if math.Abs(got.PayloadBytes.Mean-sizes.Mean) > 1 || math.Abs(got.PayloadBytes.P95-sizes.P95) > 3 {
			t.Errorf("%s: payload %v, the halves' is %v", flags, *got.PayloadBytes, *sizes)
		}
		if flags == "--plain" && (got.FileBytes != nil || *got.Agreement != 1) {
			t.Errorf("a plain pair: file bytes %v, agreement %v", got.FileBytes, *got.Agreement)
		}
	}
}

// TestEvalSweep: of each codec, another quality is what a bundle split with it gives; bytes grow
// with quality; and the bundle without its bottleneck is as good a teacher as the
// model.
func TestEvalSweep(t *testing.T) {
	plugin(t)
	model, set := stripeModel(t), patterns(t, 60, true)
	for _, codec := range bnc.Codecs() {
		at20 := splitAt(t, model, "--c", "4", "--s", "1", "--codec", codec, "--quality", "20")
		at70 := splitAt(t, model, "--c", "4", "--s", "1", "--codec", codec, "--quality", "70")
		one := evaluated(t, at20, "--data", set, "--quality", "70", "--teacher", model)
		own := evaluated(t, at70, "--data", set)
		if len(one.Sweep) != 1 || len(own.Sweep) != 0 {
			t.Errorf("%s: %d and %d rows, expected 1 and 0", codec, len(one.Sweep), len(own.Sweep))
		}
		if *one.Top1 != *own.Top1 || *one.Top5 != *own.Top5 || *one.PayloadBytes != *own.PayloadBytes || asJSON(t, one.FileBytes) != asJSON(t, own.FileBytes) || *one.Agreement != *own.Agreement {
			t.Errorf("%s: quality 70 instead of 20: %+v\nsplit with it: %+v", codec, one, own)
		}
		plot := filepath.Join(t.TempDir(), "rates.svg")
		swept := evaluated(t, at20, "--data", set, "--quality", "70,5-45:20,1", "--plot", plot)
		own = evaluated(t, at20, "--data", set)
		if *swept.PayloadBytes != *own.PayloadBytes || *swept.Top1 != *own.Top1 {
			t.Errorf("%s: several qualities: %+v, the bundle's own: %+v", codec, swept, own)
		}
		var qualities []int
		points := slices.Clone(swept.Sweep)
		for _, p := range points {
			qualities = append(qualities, p.Quality)
		}
		if !slices.Equal(qualities, []int{70, 5, 25, 45, 1}) || points[0].PayloadBytes != one.PayloadBytes.Mean {
			t.Errorf("%s: rows %+v", codec, points)
		}
		slices.SortFunc(points, func(a, b eval.Point) int { return a.Quality - b.Quality })
		for i, p := range points[1:] {
			if p.PayloadBytes <= points[i].PayloadBytes {
				t.Errorf("%s: quality %d takes %v bytes, %d takes %v", codec, points[i].Quality, points[i].PayloadBytes, p.Quality, p.PayloadBytes)
			}
		}
		svg, err := os.ReadFile(plot)
		if err != nil || strings.Count(string(svg), "(quality ") != 2*6 { // two lines of the five and the bundle's own
			t.Errorf("%s: the plot (%v):\n%s", codec, err, svg)
		}
	}
}

// TestEvalMaxBytes: a pair of many rates in a bound is what bnc run gives image by image, at each
// quality at which it begins, beside the network without its bottleneck; what no image reaches
// bounds nothing.
func TestEvalMaxBytes(t *testing.T) {
	plugin(t)
	set := t.TempDir()
	stripeFolder(t, set, 40, false, []string{"0", "1", "2", "3"})
	dir := splitAt(t, stripeNet(t), strings.Fields("--c 4 --s 1 --codec transform --variable-rate --quality 60 --calib "+set)...)
	free := evaluated(t, dir, "--data", set)
	bound := int(free.PayloadBytes.Mean)
	got := evaluated(t, dir, "--data", set, "--max-bytes", fmt.Sprint(bound), "--quality", "90,30")
	if got.MaxBytes != bound || got.N != 40 || len(got.Sweep) != 2 || got.Agreement == nil {
		t.Errorf("%+v", got)
	}
	for _, p := range got.Sweep {
		var bytes []int
		right := 0
		for _, r := range cloudRuns(t, dir, set, "--rate", fmt.Sprint(p.Quality), "--max-bytes", fmt.Sprint(bound)) {
			bytes = append(bytes, r.PayloadBytes)
			if filepath.Base(filepath.Dir(r.Input)) == fmt.Sprint(r.Top[0].Class) {
				right++
			}
		}
		if want := eval.Summarise(bytes); p.Max > bound || p.PayloadBytes != want.Mean || p.P95 != want.P95 || p.Max != want.Max || *p.Top1 != float64(right)/40 {
			t.Errorf("quality %d in %d bytes: %+v, top-1 %v; bnc run sends %+v, %d of 40 right", p.Quality, bound, p, *p.Top1, want, right)
		}
	}
	if free.PayloadBytes.Max <= bound || got.Sweep[0].PayloadBytes <= got.Sweep[1].PayloadBytes {
		t.Errorf("nothing is bounded: %+v without, %+v", free.PayloadBytes, got.Sweep)
	}
	if text := mustBnc(t, "eval", dir, "--data", set, "--max-bytes", "1000"); !strings.Contains(text, "no record is longer than 1000 bytes") {
		t.Errorf("%s", text)
	}
	// The halves have their BatchNormalization folded: a byte, as in TestEvalIsWhatIsDeployed.
	if wide := evaluated(t, dir, "--data", set, "--max-bytes", "10000"); math.Abs(wide.PayloadBytes.Mean-free.PayloadBytes.Mean) > 1 || wide.PayloadBytes.Max > free.PayloadBytes.Max+3 {
		t.Errorf("%+v in 10,000 bytes, %+v without", wide.PayloadBytes, free.PayloadBytes)
	}
}

// TestEvalInputCodec: PNG changes nothing, JPEG costs more bytes and agreement the
// other way around.
func TestEvalInputCodec(t *testing.T) {
	model, set := stripeModel(t), patterns(t, 60, true)
	whole := evaluated(t, model, "--data", set)
	if whole.PayloadBytes != nil || whole.FileBytes != nil || whole.Agreement != nil {
		t.Errorf("a whole model: %+v", whole)
	}
	png := evaluated(t, model, "--data", set, "--input-codec", "png", "--teacher", model)
	if *png.Top1 != *whole.Top1 || *png.Agreement != 1 || png.PayloadBytes.Mean >= png.FileBytes.Mean {
		t.Errorf("png: %+v", png)
	}
	if png.InputCodec != "png" || png.InputSize != 28 || png.Paired == nil || png.Paired.Difference != 0 || *png.DeviceMACs != 0 || *png.DeviceShare != 0 || png.ImagesSHA256 != whole.ImagesSHA256 {
		t.Errorf("png: %+v", png)
	}
	jpeg := evaluated(t, model, "--data", set, "--input-codec", "jpeg", "--quality", "1,20,90") // its own teacher
	at75 := evaluated(t, model, "--data", set, "--input-codec", "jpeg", "--teacher", model)
	if *jpeg.PayloadBytes != *at75.PayloadBytes || *jpeg.Agreement != *at75.Agreement {
		t.Errorf("several qualities: %+v, 75: %+v", jpeg, at75)
	}
	for _, p := range jpeg.Sweep {
		if p.P95 < p.PayloadBytes/2 || float64(p.Max) < p.P95 || p.Paired == nil || math.Abs(p.Paired.Teacher+p.Paired.Difference-*p.Top1) > 1e-9 {
			t.Errorf("%+v", p)
		}
	}
	s := jpeg.Sweep
	if len(s) != 3 || s[0].PayloadBytes >= s[1].PayloadBytes || s[1].PayloadBytes >= at75.PayloadBytes.Mean || at75.PayloadBytes.Mean >= s[2].PayloadBytes {
		t.Errorf("bytes do not grow with quality: %+v", jpeg)
	}
}

// TestEvalImagesSmaller: AVIF, WebP and JPEG sent with fewer pixels take fewer bytes, and the
// model says less of what it would.
func TestEvalImagesSmaller(t *testing.T) {
	model, set := stripeModel(t), patterns(t, 20, true)
	for _, codec := range []string{"avif", "webp", "jpeg"} {
		whole := evaluated(t, model, "--data", set, "--input-codec", codec, "--quality", "60")
		small := evaluated(t, model, "--data", set, "--input-codec", codec, "--quality", "60", "--input-size", "7")
		if whole.N != 20 || small.PayloadBytes.Mean >= whole.PayloadBytes.Mean || small.FileBytes.Mean <= small.PayloadBytes.Mean {
			t.Errorf("%s: %+v at 28 pixels, %+v at 7", codec, whole.PayloadBytes, small.PayloadBytes)
		}
	}
}

// TestEvalUnlabelled has null instead of rates.
func TestEvalUnlabelled(t *testing.T) {
	model, set := stripeModel(t), patterns(t, 20, false)
	d := document(t, "eval", model, "--data", set, "--teacher", model, "--limit", "7")
	hasKeys(t, "eval", d, "agreement device_macs device_share file_bytes images_sha256 model_macs n payload_bytes primary sweep task top1 top5")
	// Wilson's interval of 7 of 7 begins at 7 / (7 + 1.96^2).
	if p := d["primary"].(map[string]any); p["name"] != "agreement" || p["value"] != 1.0 || math.Abs(p["interval"].([]any)[0].(float64)-0.6457) > 5e-5 || d["task"] != "classify" {
		t.Errorf("%v, task %v", p, d["task"])
	}
	if d["top1"] != nil || d["top5"] != nil || d["agreement"] != 1.0 || d["n"] != 7.0 || d["payload_bytes"] != nil || d["file_bytes"] != nil {
		t.Errorf("%v", d)
	}
}

// TestEvalExitCodes: wrong usage is 2, what cannot be used 3; nothing is written.
func TestEvalExitCodes(t *testing.T) {
	plugin(t)
	model, set := stripeModel(t), patterns(t, 20, true)
	other := filepath.Join(t.TempDir(), "wide.onnx")
	mustBnc(t, "models", "resnet20", "--input", "1x28x28", "--classes", "11", "-o", other)
	dir, plain := splitAt(t, model), splitAt(t, model, "--plain")
	torn := t.TempDir()
	write(t, filepath.Join(torn, "a.png"), []byte("\x89PNG\r\n\x1a\ntorn"))
	mixed := splitAt(t, model, "--quality", "30")
	foreign, err := os.ReadFile(filepath.Join(dir, bundle.JoinedFile))
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(mixed, bundle.JoinedFile), foreign)
	plot := filepath.Join(t.TempDir(), "p.svg")
	for _, c := range []struct {
		args    string
		code    int
		message string
	}{
		{"", 2, "one bundle or model"},
		{"MODEL", 2, "--data"},
		{"MODEL --data SET --batch 0", 2, "--batch"},
		{"MODEL --data SET --limit -1", 2, "--limit"},
		{"MODEL --data SET --input-codec gif", 2, "avif, avif-fast, webp, jpeg, png"},
		{"MODEL --data SET --input-size 14", 2, "--input-codec"},
		{"MODEL --data SET --input-codec avif --input-size 29", 2, "28 pixels"},
		{"MODEL --data SET --input-codec avif --input-size -1", 2, "--input-size"},
		{"MODEL --data SET --quality 20", 2, "--input-codec avif"},
		{"MODEL --data SET --input-codec png --quality 20", 2, "lossless"},
		{"BUNDLE --data SET --quality 0", 2, "1 to 100"},
		{"BUNDLE --data SET --quality 101", 2, "1 to 100"},
		{"BUNDLE --data SET --quality 20,", 2, "1 to 100"},
		{"BUNDLE --data SET --quality 30-20", 2, "1 to 100"},
		{"BUNDLE --data SET --quality 1-9:0", 2, "1 to 100"},
		{"BUNDLE --data SET --quality 5:2", 2, "1 to 100"},
		{"BUNDLE --data SET --quality x", 2, "1 to 100"},
		{"BUNDLE --data SET --input-codec jpeg", 2, "whole model"},
		{"PLAIN --data SET --quality 20", 2, "no codec"},
		{"MODEL --data SET --plot " + plot, 2, "nothing crosses"},
		{"MODEL --data nowhere", 3, "nowhere"},
		{"nowhere.onnx --data SET", 3, "nowhere.onnx"},
		{"MODEL --data TORN", 3, "a.png"},
		{"WIDE --data SET", 3, "10 classes, the model's output is 11 wide"},
		{"MODEL --data SET --teacher nowhere.onnx", 3, "nowhere.onnx"},
		{"MODEL --data SET --teacher WIDE", 3, "11"},
		{"BUNDLE/mobile.onnx --data SET", 3, "give the folder"},
		{"MIXED --data SET", 3, "bnc.pair"},
		{"MODEL --data SET --crop 30x30", 3, "crop"},
	} {
		line := strings.NewReplacer("MODEL", model, "BUNDLE", dir, "PLAIN", plain, "WIDE", other, "SET", set, "TORN", torn, "MIXED", mixed).Replace(c.args)
		stdout, stderr, code := tryBnc(t, append([]string{"eval"}, strings.Fields(line)...)...)
		if code != c.code || !strings.Contains(stderr, c.message) || stdout != "" {
			t.Errorf("bnc eval %s: exit code %d, expected %d with %q\nstdout: %s\nstderr: %s", c.args, code, c.code, c.message, stdout, stderr)
		}
	}
	if _, err := os.Stat(plot); err == nil {
		t.Error("a failed command wrote its plot")
	}
}

// TestEvalPhotos measures networks with real weights: 85.2% of the photographs is
// what Pillow and onnxruntime give (photos' README; one or two photographs more or
// less for a resampling that rounds otherwise), and with the photographs sent as
// JPEG of quality 20 it is 61.4% at 3,900 bytes.
func TestEvalPhotos(t *testing.T) {
	model, val := shared(t, "models/imagenet/mobilenetv2.onnx"), shared(t, "photos/val")
	args := append([]string{model, "--data", val}, photoFlags...)
	whole := evaluated(t, args...)
	if whole.N != 500 || *whole.Top1 < 0.852-0.004 || *whole.Top1 > 0.852+0.004 || *whole.Top5 < *whole.Top1 {
		t.Errorf("whole model: top-1 %v, top-5 %v of %d", *whole.Top1, *whole.Top5, whole.N)
	}
	jpeg := evaluated(t, append(args, "--input-codec", "jpeg", "--quality", "20")...)
	// The encoders' rounding turns some of the photographs that are on the edge.
	if math.Abs(*jpeg.Top1-0.614) > 0.02 || math.Abs(jpeg.PayloadBytes.Mean-3900) > 39 {
		t.Errorf("as JPEG of quality 20: top-1 %v, %v bytes", *jpeg.Top1, jpeg.PayloadBytes.Mean)
	}
	t.Logf("top-1 %.3f, top-5 %.3f; as JPEG of quality 20 %.3f, %.0f bytes", *whole.Top1, *whole.Top5, *jpeg.Top1, jpeg.PayloadBytes.Mean)
	// uint8 in and out, channels last, one image at a time, 1001 classes. Its
	// probabilities have 256 levels: few photographs have two best classes.
	converted := evaluated(t, shared(t, "models/imagenet/mobilenetv2_tf.onnx"), "--data", val, "--limit", "100")
	part := evaluated(t, append(args, "--limit", "100")...)
	if converted.N != 100 || math.Abs(*converted.Top1-*part.Top1) > 0.03 {
		t.Errorf("uint8: top-1 %v of %d, the float model's is %v", *converted.Top1, converted.N, *part.Top1)
	}
}
