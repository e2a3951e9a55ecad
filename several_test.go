package bnc

import (
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bottlenet/bnc/internal/rttest"
	"github.com/bottlenet/bnc/runtime/bundle"
	"github.com/bottlenet/bnc/runtime/imagein"
	"github.com/bottlenet/bnc/runtime/profile"
	"github.com/bottlenet/bnc/runtime/tensor"
)

// ofTwo writes two small networks: of two images, whose features are subtracted, and of an
// image and a vector that only its end reads.
const ofTwo = `
import sys
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
rng = np.random.default_rng(1)
def conv(x, name, c, k, stride):
    w = numpy_helper.from_array((rng.standard_normal((k, c, 3, 3)) * (2 / (9 * c)) ** 0.5).astype(np.float32), name + ".w")
    return w, lambda x, y: [helper.make_node("Conv", [x, name + ".w"], [y + "_c"], pads=[1, 1, 1, 1], strides=[stride, stride]), helper.make_node("Relu", [y + "_c"], [y])]
def end(c, extra, tail):
    w = numpy_helper.from_array(rng.standard_normal((c + extra, 5)).astype(np.float32), "end.w")
    return w, tail + [helper.make_node("MatMul", ["v", "end.w"], ["z"]), helper.make_node("Softmax", ["z"], ["p"], axis=1)]
def value(name, *dims):
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", *dims])
def save(path, inputs, nodes, weights):
    g = helper.make_graph(nodes, "g", inputs, [value("p", 5)], weights)
    m = helper.make_model(g, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(m)
    onnx.save(m, path)
def flat(x, y):
    return [helper.make_node("GlobalAveragePool", [x], [x + "_g"]), helper.make_node("Flatten", [x + "_g"], [y])]
w1, first = conv("x", "first", 3, 8, 1)
w2, second = conv("x", "second", 8, 16, 2)
w3, third = conv("x", "third", 16, 16, 1)
we, nodes = end(16, 0, first("a", "fa") + first("b", "fb") + second("fa", "ga") + second("fb", "gb") + [helper.make_node("Sub", ["ga", "gb"], ["d"])] + third("d", "e") + flat("e", "v"))
save(sys.argv[1], [value("a", 3, 16, 16), value("b", 3, 16, 16)], nodes, [w1, w2, w3, we])
we, nodes = end(16, 4, first("a", "f") + second("f", "g") + third("g", "e") + flat("e", "u") + [helper.make_node("Concat", ["u", "t"], ["v"], axis=1)])
save(sys.argv[2], [value("a", 3, 16, 16), value("t", 4)], nodes, [w1, w2, w3, we])
`

// twoInputs are the networks of ofTwo, and a folder of pictures for them.
func twoInputs(t *testing.T) (images, vector, folder string) {
	t.Helper()
	dir := t.TempDir()
	images, vector, folder = filepath.Join(dir, "images.onnx"), filepath.Join(dir, "vector.onnx"), filepath.Join(dir, "set")
	rttest.Python(t, ofTwo, images, vector)
	if err := os.Mkdir(folder, 0o777); err != nil {
		t.Fatal(err)
	}
	for i := range 12 {
		img := image.NewNRGBA(image.Rect(0, 0, 16, 16))
		for p := range 256 {
			x, y := p%16, p/16
			img.SetNRGBA(x, y, color.NRGBA{uint8(x * i * 3), uint8(y * (12 - i) * 2), uint8((x*y + 20*i) % 256), 255})
		}
		f, err := os.Create(filepath.Join(folder, fmt.Sprintf("%02d.png", i)))
		if err != nil {
			t.Fatal(err)
		}
		if err := png.Encode(f, img); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return images, vector, folder
}

// asked are ONNX Runtime's answers, of the model as it is, for pictures prepared with numpy
// by ImageNet's mean and deviation.
const asked = `
import json, sys
import numpy as np
import onnxruntime
from PIL import Image
s = onnxruntime.InferenceSession(sys.argv[1])
def prepared(path):
    if path.endswith(".npy"):
        x = np.load(path)
        return x if x.ndim > 1 and x.shape[0] == 1 else x[None]
    x = np.asarray(Image.open(path).convert("RGB")).transpose(2, 0, 1) / 255
    return ((x - np.array([[[0.485]], [[0.456]], [[0.406]]])) / np.array([[[0.229]], [[0.224]], [[0.225]]]))[None].astype(np.float32)
print(json.dumps([s.run(None, {k: prepared(v) for k, v in feed.items()})[0][0].tolist() for feed in json.loads(sys.argv[2])]))
`

func answersOf(t *testing.T, model string, feeds []map[string]string) (all [][]float64) {
	t.Helper()
	in, err := json.Marshal(feeds)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(rttest.Python(t, asked, model, string(in)), &all); err != nil {
		t.Fatal(err)
	}
	return all
}

// npy writes an array.
func npy(t *testing.T, x *tensor.Tensor) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "x.npy")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := tensor.WriteNPY(f, x); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

// preparedFile is a picture of twoInputs as a model gets it.
func preparedFile(t *testing.T, path string) string {
	t.Helper()
	l := imagein.Layout{Channels: 3, Height: 16, Width: 16, DType: tensor.Float32}
	prep, err := imagein.New(imagein.Default(l, image.Pt(16, 16)), l)
	if err != nil {
		t.Fatal(err)
	}
	img, err := imagein.DecodeFile(path)
	if err != nil {
		t.Fatal(err)
	}
	x, err := prep.One(img)
	if err != nil {
		t.Fatal(err)
	}
	return npy(t, x)
}

// sameScores compares the first output of results.
func sameScores(t *testing.T, what string, r *RunResult, want [][]float64, tolerance float64) {
	t.Helper()
	if len(r.Results) != len(want) {
		t.Fatalf("%s: %d results, expected %d", what, len(r.Results), len(want))
	}
	for i, result := range r.Results {
		for k, v := range tensor.Slice[float32](result.Outputs[0].Tensor) {
			if math.Abs(float64(v)-want[i][k]) > tolerance {
				t.Fatalf("%s: score %d of %s is %v, ONNX Runtime says %v", what, k, result.Input, v, want[i][k])
			}
		}
	}
}

// Images of several inputs are named, and what gets none is given: whole models, plain
// pairs and profiles.
func TestSeveralInputs(t *testing.T) {
	images, vector, folder := twoInputs(t)
	file := func(i int) string { return filepath.Join(folder, fmt.Sprintf("%02d.png", i)) }
	ref, state := preparedFile(t, file(7)), npy(t, tensor.Of([]int64{4}, []float32{1, -2, 0.5, 3}))
	pairs := []map[string]string{{"a": file(1), "b": file(2)}, {"a": file(3), "b": file(3)}, {"a": file(5), "b": file(0)}}
	var named []string
	for _, p := range pairs {
		named = append(named, "b="+p["b"]+",a="+p["a"])
	}
	given := []map[string]string{{"a": file(1), "b": ref}, {"a": file(4), "b": ref}}
	late := []map[string]string{{"a": file(1), "t": state}, {"a": file(4), "t": state}}
	for _, c := range []struct {
		model, cut string
		inputs     []string
		feed       map[string]string
		feeds      []map[string]string
	}{
		{images, "d", named, nil, pairs},
		{images, "d", []string{file(1), file(4)}, map[string]string{"b": ref}, given},
		{vector, "g", []string{file(1), file(4)}, map[string]string{"t": state}, late},
		{vector, "g", []string{"t=" + state + ",a=" + file(1), "t=" + state + ",a=" + file(4)}, nil, late},
	} {
		want := answersOf(t, c.model, c.feeds)
		paths := []string{c.model, filepath.Join(t.TempDir(), "pair")}
		if _, err := Split(t.Context(), c.model, SplitOptions{After: c.cut, Plain: true, Out: paths[1]}); err != nil {
			t.Fatal(err)
		}
		for _, path := range paths {
			r, err := Run(t.Context(), path, c.inputs, RunOptions{FeedOptions: FeedOptions{Feed: c.feed}})
			if err != nil {
				t.Fatalf("%s: %v", path, err)
			}
			// float32 convolutions in another order of sums; ONNX Runtime is the same otherwise.
			sameScores(t, path, r, want, 1e-5)
		}
		p, err := Profile(t.Context(), paths, ProfileOptions{Options: profile.Options{Runs: profile.FewestRuns, Confidence: new(1000.0)}, FeedOptions: FeedOptions{Feed: c.feed}, Images: folder})
		if len(c.feed) == 0 && c.model == vector { // pictures are no vectors
			if KindOf(err) != Data || !strings.Contains(fmt.Sprint(err), "t") {
				t.Errorf("a vector that is not given: %v", err)
			}
			continue
		}
		if err != nil || p.Whole == nil {
			t.Errorf("profile of %s: %+v, %v", c.model, p, err)
		}
	}
}

// What does not fit several inputs is told with what does.
func TestSeveralInputsUsage(t *testing.T) {
	images, vector, folder := twoInputs(t)
	file, state := filepath.Join(folder, "00.png"), npy(t, tensor.Of([]int64{3}, []float32{1, 2, 3}))
	for name, c := range map[string]struct {
		model, input string
		feed         map[string]string
		kind         Kind
		says         string
	}{
		"one of two":      {images, file, nil, Data, "a=FILE,b=FILE"},
		"one named":       {images, "a=" + file, nil, Data, "nothing for input b"},
		"unknown name":    {images, "a=" + file + ",c=" + file, nil, Data, "nothing for input b"},
		"no such file":    {images, "a=" + file + ",b=none.png", nil, Data, "none.png"},
		"feed of no name": {vector, file, map[string]string{"u": state}, Usage, "expected one of a, t"},
		"feed of a shape": {vector, file, map[string]string{"t": state}, Data, "option feed: input t"},
		"feed of nothing": {vector, file, map[string]string{"t": "none.npy"}, Data, "none.npy"},
		"feed of all":     {vector, file, map[string]string{"t": npy(t, tensor.Of([]int64{4}, make([]float32, 4))), "a": preparedFile(t, file)}, Data, "no input"},
	} {
		_, err := Run(t.Context(), c.model, []string{c.input}, RunOptions{FeedOptions: FeedOptions{Feed: c.feed}})
		if KindOf(err) != c.kind || !strings.Contains(fmt.Sprint(err), c.says) {
			t.Errorf("%s: %v (kind %d), expected %q of kind %d", name, err, KindOf(err), c.says, c.kind)
		}
	}
	_, err := Train(t.Context(), images, TrainOptions{Data: folder, Distill: true, Teacher: images, Epochs: 1, Output: filepath.Join(t.TempDir(), "x.onnx")})
	if KindOf(err) != Data || !strings.Contains(err.Error(), "option feed NAME=FILE.npy") {
		t.Errorf("training without a feed: %v", err)
	}
}

// bound makes an initializer of an input: one row for each image.
const bound = `
import sys
import numpy as np
import onnx
from onnx import helper, numpy_helper
m = onnx.load(sys.argv[1])
g, name, row = m.graph, sys.argv[3], np.load(sys.argv[4])
row = row.reshape([1] + [d.dim_value for d in [i for i in g.input if i.name == name][0].type.tensor_type.shape.dim][1:])
inputs, nodes = [i for i in g.input if i.name != name], list(g.node)
del g.input[:], g.node[:]
g.input.extend(inputs)
g.initializer.extend([numpy_helper.from_array(row, "row"), numpy_helper.from_array(np.array(row.shape[1:]), "rest"), numpy_helper.from_array(np.array([0]), "from"), numpy_helper.from_array(np.array([1]), "to")])
g.node.extend([helper.make_node("Shape", ["a"], ["dims"]), helper.make_node("Slice", ["dims", "from", "to"], ["batch"]), helper.make_node("Concat", ["batch", "rest"], ["all"], axis=0), helper.make_node("Expand", ["row", "all"], [name])] + nodes)
onnx.save(m, sys.argv[2])
`

// A bottleneck in a network of two inputs is calibrated, trained and evaluated with one of
// them given, an image or a vector that only the cloud reads, to the same numbers as in a
// network that has it as a constant; its bundle keeps both.
func TestTrainWithFeed(t *testing.T) {
	images, vector, folder := twoInputs(t)
	values := make([]float32, 3*16*16)
	for i := range values {
		values[i] = float32(i%37)/18 - 1
	}
	for _, c := range []struct {
		model, name, cut string
		value            *tensor.Tensor
	}{{images, "b", "d", tensor.Of([]int64{1, 3, 16, 16}, values)}, {vector, "t", "g", tensor.Of([]int64{4}, []float32{1, -2, 0.5, 3})}} {
		file, constant := npy(t, c.value), filepath.Join(t.TempDir(), "constant.onnx")
		rttest.Python(t, bound, c.model, constant, c.name, file)
		given := FeedOptions{Feed: map[string]string{c.name: file}}
		fed, want := trainedWith(t, c.model, c.cut, folder, given), trainedWith(t, constant, c.cut, folder, FeedOptions{})
		if fed.inputs != 2 || want.inputs != 1 {
			t.Errorf("%s: the bundles have %d inputs and %d", c.name, fed.inputs, want.inputs)
		}
		if fed.calibrated != want.calibrated || fed.trained != want.trained || len(fed.losses) != len(want.losses) {
			t.Errorf("%s: agreement %+v, with a constant %+v", c.name, fed, want)
		}
		for i := range fed.losses {
			// Float32 sums in another order; from the second epoch on through a codec that has
			// rounded a level of some tile the other way.
			if diff := math.Abs(fed.losses[i]/want.losses[i] - 1); diff > 1e-3 && i == 0 || diff > 3e-2 {
				t.Errorf("%s: losses %v, with a constant %v", c.name, fed.losses, want.losses)
				break
			}
		}
	}
}

// trainedWithFeed is what is said of a training.
type trainedWithFeed struct {
	calibrated, trained float64 // agreement
	losses              []float64
	inputs              int // of the bundle
}

func trainedWith(t *testing.T, path, cut, folder string, given FeedOptions) trainedWithFeed {
	t.Helper()
	out := filepath.Join(t.TempDir(), "b")
	if _, err := Split(t.Context(), path, SplitOptions{After: cut, Channels: Each[Channels]{8}, Stride: Each[int]{1}, Quality: 90, Calibrate: folder, FeedOptions: given, Out: out}); err != nil {
		t.Fatal(err)
	}
	calibrated, err := Eval(t.Context(), out, EvalOptions{Data: folder, FeedOptions: given})
	if err != nil {
		t.Fatal(err)
	}
	trained, err := Train(t.Context(), out, TrainOptions{Data: folder, Val: folder, Epochs: 3, Batch: 4, Distill: true, Freeze: "backbone", FeedOptions: given})
	if err != nil {
		t.Fatal(err)
	}
	b, err := bundle.Open(out)
	if err != nil {
		t.Fatal(err)
	}
	said := trainedWithFeed{calibrated: *calibrated.Agreement, trained: *trained.Agreement, inputs: len(b.Inputs())}
	for _, e := range trained.Epochs {
		said.losses = append(said.losses, e.Loss)
	}
	if r, err := Run(t.Context(), out, []string{folder}, RunOptions{FeedOptions: given}); err != nil || len(r.Results) != 12 {
		t.Errorf("%s: %+v, %v", out, r, err)
	}
	return said
}
