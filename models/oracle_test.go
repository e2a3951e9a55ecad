package models

import (
	"encoding/json"
	"errors"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/compiler/onnx"
)

// onnxRuntime returns a Python with onnx and onnxruntime.
func onnxRuntime(t *testing.T) string {
	t.Helper()
	if python := os.Getenv("BNC_ORACLE_PYTHON"); python != "" {
		return python
	}
	if cache, err := os.UserCacheDir(); err == nil {
		if python := filepath.Join(cache, "bnc", "oracle", "bin", "python"); exec.Command(python, "-c", "").Run() == nil {
			return python
		}
	}
	t.Skip("no Python with onnx and onnxruntime: run make deps-oracle or set BNC_ORACLE_PYTHON")
	return ""
}

// pyTorch returns a Python with torchvision.
func pyTorch(t *testing.T) string {
	t.Helper()
	python := os.Getenv("BNC_TORCH_PYTHON")
	if python == "" {
		python = "/usr/bin/python3"
	}
	if exec.Command(python, "-c", "import torchvision").Run() != nil {
		t.Skipf("%s has no torchvision: run make deps-oracle or set BNC_TORCH_PYTHON", python)
	}
	return python
}

// run runs a script of testdata and decodes the JSON it prints, if result is
// not nil.
func run(t *testing.T, result any, python, script string, args ...string) {
	t.Helper()
	out, err := exec.Command(python, append([]string{filepath.Join("testdata", script)}, args...)...).Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			t.Fatalf("%s %s: %v\n%s", script, strings.Join(args, " "), err, exit.Stderr)
		}
		t.Fatal(err)
	}
	if result == nil {
		return
	}
	if err := json.Unmarshal(out, result); err != nil {
		t.Fatalf("%s: %v in %s", script, err, out)
	}
}

// torchvisionNames are the networks that torchvision has, under its names.
var torchvisionNames = map[string]string{
	"resnet18": "resnet18", "resnet34": "resnet34", "resnet50": "resnet50",
	"resnet101": "resnet101", "resnet152": "resnet152",
	"vgg11": "vgg11", "vgg16": "vgg16", "mobilenetv2": "mobilenet_v2",
}

func TestTensorsAreTorchvisions(t *testing.T) {
	python := pyTorch(t)
	var theirs []string
	for _, name := range torchvisionNames {
		theirs = append(theirs, name)
	}
	var want map[string]map[string][]int64
	run(t, &want, python, "torchvision_tensors.py", theirs...)
	for ours, theirs := range torchvisionNames {
		left := want[theirs]
		for _, v := range build(t, ours, Options{}).Graph.Inits() {
			if shape, ok := left[v.Name()]; !ok || !slices.Equal(shape, v.Init().Dims()) {
				t.Errorf("%s: %s is %v, in torchvision %v", ours, v.Name(), v.Init().Dims(), shape)
			}
			delete(left, v.Name())
		}
		for name := range left {
			t.Errorf("%s: %s is missing", ours, name)
		}
	}
}

// TestOutputsAreTorchvisions runs the same weights here and in PyTorch. None of
// them keeps the value it starts with where that could hide a mistake, as a
// scale of 1 hides a missing scale.
func TestOutputsAreTorchvisions(t *testing.T) {
	runtime, torch := onnxRuntime(t), pyTorch(t)
	// A full VGG has 120 million weights in its dense layers and nothing else
	// that a narrow one lacks. Its last map is 1/32 of the input.
	narrow := func(h, w int) *ir.Model {
		m := ir.NewModel(irVersion, opset)
		n := &net{g: m.Graph}
		vgg([][]int{{8}, {8}, {8, 8}, {8, 8}, {16, 512}}, 64)(n, n.input([3]int{3, h, w}), 10)
		return m
	}
	const narrowVGG = "8,M,8,M,8,8,M,8,8,M,16,512,M"
	cases := []struct {
		name    string
		model   *ir.Model
		network string
	}{
		{"resnet18", build(t, "resnet18", Options{Input: [3]int{3, 64, 64}}), "resnet18"},
		{"resnet50", build(t, "resnet50", Options{Input: [3]int{3, 64, 64}, Classes: 10}), "resnet50"},
		{"mobilenetv2", build(t, "mobilenetv2", Options{Input: [3]int{3, 96, 64}}), "mobilenet_v2"},
		{"vgg 1x2", narrow(32, 64), narrowVGG},
		{"vgg 7x7", narrow(224, 224), narrowVGG},
		{"vgg 8x14", narrow(256, 448), narrowVGG},
		{"vgg 9x7", narrow(288, 224), narrowVGG},
	}
	dir := t.TempDir()
	models, pairs := []string{"--keep"}, []string{}
	for _, c := range cases {
		randomise(c.model)
		path := filepath.Join(dir, c.name)
		if err := onnx.Save(t.Context(), path+".onnx", c.model, onnx.SaveOptions{}); err != nil {
			t.Fatal(err)
		}
		models, pairs = append(models, path+".onnx"), append(pairs, c.network, path+".npz")
	}
	run(t, nil, runtime, "run.py", models...)
	var got []struct{ Difference, Spread float64 }
	run(t, &got, torch, "torchvision_run.py", pairs...)
	for i, g := range got {
		t.Logf("%s: the images' logits are %.3g apart, the engines' %.3g", cases[i].name, g.Spread, g.Difference)
		// float32 sums of up to 25088 terms in another order, through up to 53
		// layers; a wrong pad, stride or constant gives 0.01 and more.
		if !(g.Difference <= 1e-4*g.Spread) {
			t.Errorf("%s: logits differ by %g, those of two images by %g", cases[i].name, g.Difference, g.Spread)
		}
	}
}

// randomise replaces what the vectors of a model start with (scales, shifts and
// running statistics of normalisations, biases), and makes the weights of dense
// layers large enough for what they add to be seen.
func randomise(m *ir.Model) {
	n := &net{g: ir.NewGraph("random"), seed: 5}
	wide, narrow := uniform(0.5), normal(0.1)
	around1 := func(rng *rand.PCG) float32 { return 1 + wide(rng) }
	for _, v := range m.Graph.Inits() {
		var fill filler
		dims := v.Init().Dims()
		switch kind := v.Name()[strings.LastIndex(v.Name(), ".")+1:]; {
		case len(dims) == 4:
			continue
		case len(dims) == 2:
			fill = he(int(dims[1]))
		case kind == "weight" || kind == "running_var":
			fill = around1
		default:
			fill = narrow
		}
		size := make([]int, len(dims))
		for i, d := range dims {
			size[i] = int(d)
		}
		m.Graph.SetInit(v, n.param(v.Name(), fill, size...).Init())
	}
}

// TestUntrainedNetworksTellImagesApart: without training a network is no good,
// but commands are tried on it, so its logits must be numbers of a usual size
// that depend on the image. The shallowest and the deepest of each family.
func TestUntrainedNetworksTellImagesApart(t *testing.T) {
	runtime := onnxRuntime(t)
	dir := t.TempDir()
	var names, models []string
	for _, c := range []struct {
		name string
		size int
	}{{"resnet18", 64}, {"resnet152", 64}, {"resnet20", 28}, {"resnet110", 28}, {"vgg11", 32}, {"mobilenetv2", 64}} {
		if c.name == "vgg11" && testing.Short() { // a file of 500 MB
			continue
		}
		info, err := Lookup(c.name)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, c.name+".onnx")
		m := build(t, c.name, Options{Seed: 1, Input: [3]int{info.Input[0], c.size, c.size}})
		if err := onnx.Save(t.Context(), path, m, onnx.SaveOptions{}); err != nil {
			t.Fatal(err)
		}
		names, models = append(names, c.name), append(models, path)
	}
	var got []struct {
		Finite              bool
		Largest, Difference float64
	}
	run(t, &got, runtime, "run.py", models...)
	for i, g := range got {
		t.Logf("%s: largest logit %.3g, difference %.3g", names[i], g.Largest, g.Difference)
		if !g.Finite || g.Largest < 0.01 || g.Largest > 100 || g.Difference < g.Largest/10 {
			t.Errorf("%s: largest logit %g, difference %g, finite %v", names[i], g.Largest, g.Difference, g.Finite)
		}
	}
}
