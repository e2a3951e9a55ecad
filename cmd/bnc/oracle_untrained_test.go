package main

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/bottlenet/bnc/compiler/onnx"
	"github.com/bottlenet/bnc/compiler/survey"
	"github.com/bottlenet/bnc/runtime/bundle"
	"github.com/bottlenet/bnc/runtime/data"
	"github.com/bottlenet/bnc/runtime/feed"
	"github.com/bottlenet/bnc/runtime/ort"
	"github.com/spf13/pflag"
)

// unitWeights returns the initial values of a bottleneck's units by name.
func unitWeights(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	m, err := onnx.Load(filepath.Join(dir, "bottlenet.onnx"))
	if err != nil {
		t.Fatal(err)
	}
	weights := map[string][]byte{}
	for _, v := range m.Graph.Inits() {
		if strings.HasPrefix(v.Name(), "bnc.reduce.") || strings.HasPrefix(v.Name(), "bnc.restore.") {
			b, err := v.Init().Bytes()
			if err != nil {
				t.Fatal(err)
			}
			weights[v.Name()] = b
		}
	}
	return weights
}

// TestSeed demands the same unit weights of a seed wherever the codec runs, and
// others of another seed.
func TestSeed(t *testing.T) {
	model := smallModel(t)
	split := func(flags ...string) map[string][]byte {
		dir := filepath.Join(t.TempDir(), "b")
		mustBnc(t, append([]string{"split", model, "--after", "rb4", "--c", "5", "--restore-width", "4", "-o", dir}, flags...)...)
		return unitWeights(t, dir)
	}
	want := split("--seed", "7")
	if len(want) < 4*5+4 { // four units of a convolution and a normalisation, and the residual branch
		t.Errorf("only %d weights: %v", len(want), want)
	}
	for _, place := range []string{"graph", "device-host", "host"} {
		got := split("--seed", "7", "--codec-at", place)
		for name, b := range want {
			if !bytes.Equal(got[name], b) {
				t.Errorf("%s: %s differs", place, name)
			}
		}
	}
	other := split("--seed", "8")
	for _, name := range []string{"bnc.reduce.channel.weight", "bnc.restore.channel.weight", "bnc.restore.residual.conv1.weight"} {
		if want[name] == nil || bytes.Equal(other[name], want[name]) {
			t.Errorf("%s is missing or the same for two seeds", name)
		}
	}
}

// TestSameBytesCalibrated calibrates twice: the order of floating-point sums must
// not vary.
func TestSameBytesCalibrated(t *testing.T) {
	model := smallModel(t)
	plugin(t)
	set := randomSet(t, open(t, model).Inputs()[0])
	var first []byte
	for range 2 {
		dir := filepath.Join(t.TempDir(), "b")
		mustBnc(t, "split", model, "--after", "rb5", "--c", "6", "--calib", set, "-o", dir)
		var all []byte
		for _, part := range bundleParts {
			b, err := os.ReadFile(filepath.Join(dir, part+".onnx"))
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, b...)
		}
		if first == nil {
			first = all
		} else if !bytes.Equal(all, first) {
			t.Error("two runs wrote different bundles")
		}
	}
}

// TestUncalibratedTells demands of bottlenecks that were neither calibrated nor
// trained, at every residual block, that two photographs give different
// payloads, and a tile of 256 cells or more 16 values or more. The cuts of
// ResNet-50 cannot be negative, those of MobileNetV2 can.
func TestUncalibratedTells(t *testing.T) {
	plugin(t)
	var items []data.Item
	for _, name := range []string{"chelsea.png", "rocket.jpg"} {
		item, err := data.ReadItem(cached(t, "", "photos/"+name, "make deps"))
		if err != nil {
			t.Fatal(err)
		}
		items = append(items, item)
	}
	dir := t.TempDir()
	files := []string{filepath.Join(dir, "resnet50.onnx"), filepath.Join(dir, "mobilenetv2.onnx")}
	for _, f := range files {
		mustBnc(t, "models", stem(f), "-o", f)
	}
	if trained := "../../../shared/models/imagenet/mobilenetv2.onnx"; exists(trained) {
		files = append(files, trained)
	} else {
		t.Logf("without %s", trained)
	}
	for _, file := range files {
		blocks := slices.DeleteFunc(inspected(t, file).Cuts, func(c survey.Cut) bool { return len(c.Aliases) == 0 })
		if len(blocks) < 10 {
			t.Errorf("%s: only %d residual blocks", file, len(blocks))
		}
		for i, c := range blocks {
			t.Run(stem(file)+"/"+c.Aliases[0], func(t *testing.T) {
				dir := filepath.Join(t.TempDir(), "b")
				channels := []string{"1", "2", "5", "10"}[i%4]
				mustBnc(t, "split", file, "--after", c.ID, "--c", channels, "--codec-at", "device-host", "-o", dir)
				tells(t, dir, items)
			})
		}
	}
}

func tells(t *testing.T, dir string, items []data.Item) {
	t.Helper()
	m, _ := halves(t, dir)
	var defaults imageFlags
	defaults.declare(pflag.NewFlagSet("", pflag.ContinueOnError))
	feeder, err := feed.New(m.Session().Inputs(), defaults.chooser(nil))
	if err != nil {
		t.Fatal(err)
	}
	var payloads [][]byte
	for i, item := range items {
		x, err := feeder.One(item)
		if err != nil {
			t.Fatal(err)
		}
		in := ort.Feed{feeder.Input(): x}
		crossing, _, err := m.Run(t.Context(), in)
		if err != nil {
			t.Fatal(err)
		}
		payloads = append(payloads, crossing[bundle.PayloadName].Data)
		out, err := m.Session().Run(t.Context(), in)
		if err != nil {
			t.Fatal(err)
		}
		tile, err := out.Tensor("tile")
		if err != nil {
			t.Fatal(err)
		}
		values := map[byte]bool{}
		for _, v := range tile.Data {
			values[v] = true
		}
		if len(tile.Data) >= 256 && len(values) < 16 {
			t.Errorf("photograph %d: %d values in a tile of %d cells", i, len(values), len(tile.Data))
		}
	}
	// Without the ranges, which differ between any two images.
	if bytes.Equal(payloads[0][12:], payloads[1][12:]) {
		t.Errorf("two photographs give the same payload")
	}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
