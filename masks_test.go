package bnc

import (
	"encoding/json"
	"math"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bottlenet/bnc/internal/rttest"
	"github.com/bottlenet/bnc/runtime/search"
)

// shapes writes a small segmenter of three classes, the last axis of maps that have half of its
// input's rows and columns, one of a single mask, and pictures with masks: a disc and a square
// on noise, each with a line around it that does not count.
const shapes = `
import os, sys
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from PIL import Image
rng = np.random.default_rng(3)
dir = sys.argv[1]
def conv(x, y, c, k, size, stride, weights):
    w = (rng.standard_normal((k, c, size, size)) * (2 / (size * size * c)) ** 0.5).astype(np.float32)
    weights += [numpy_helper.from_array(w, y + ".w"), numpy_helper.from_array(np.zeros(k, np.float32), y + ".b")]
    return helper.make_node("Conv", [x, y + ".w", y + ".b"], [y], pads=[size // 2] * 4, strides=[stride, stride])
def value(name, *dims):
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", *dims])
def save(name, k, end, output):
    weights = []
    nodes = [conv("x", "a", 3, 12, 3, 2, weights), helper.make_node("Relu", ["a"], ["f"]), conv("f", "b", 12, 16, 5, 1, weights), helper.make_node("Relu", ["b"], ["g"])]
    nodes += [conv("g", "z", 16, k, 5, 1, weights), *end, helper.make_node("GlobalAveragePool", ["g"], ["m"]), helper.make_node("Flatten", ["m"], ["mean"])]
    graph = helper.make_graph(nodes, "g", [value("x", 3, 32, 32)], [output, value("mean", 16)], weights)
    m = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(m)
    onnx.save(m, os.path.join(dir, name))
save("classes.onnx", 3, [helper.make_node("Transpose", ["z"], ["zt"], perm=[0, 2, 3, 1]), helper.make_node("Softmax", ["zt"], ["p"], axis=3)], value("p", 16, 16, 3))
save("mask.onnx", 1, [helper.make_node("Sigmoid", ["z"], ["p"])], value("p", 1, 16, 16))
y, x = np.mgrid[:32, :32]
for part, n in (("train", 96), ("val", 24)):
    for folder in ("images", "masks"):
        os.makedirs(os.path.join(dir, "set", folder, part))
    for i in range(n):
        mask, image = np.zeros((32, 32), np.uint8), rng.normal(90, 25, (32, 32, 3))
        for at, kind in ((8, 1), (24, 2)):
            cy, r = rng.integers(6, 26), rng.integers(4, 7)
            far = np.hypot(y - cy, x - at) if kind == 1 else np.maximum(abs(y - cy), abs(x - at))
            image[far <= r] += (100, 40, -60) if kind == 1 else (-60, 40, 100)
            mask[(far > r) & (far <= r + 1)] = 255
            mask[far <= r] = kind
        if i % 2:
            image, mask = image[:, ::-1], mask[:, ::-1]
        name = "%03d.png" % i
        Image.fromarray(image.clip(0, 255).astype(np.uint8)).save(os.path.join(dir, "set", "images", part, name))
        Image.fromarray(mask).save(os.path.join(dir, "set", "masks", part, name))
`

// iou is mean IoU as numpy has it of what ONNX Runtime says: of classes by the largest score
// of each place, over all images, pixels of 255 left out, each place of a map being the pixel
// in its middle.
const iou = `
import json, os, sys
import numpy as np
import onnxruntime
from PIL import Image
s, root = onnxruntime.InferenceSession(sys.argv[1]), sys.argv[2]
both, either, there = np.zeros(3), np.zeros(3), np.zeros(3)
for name in sorted(os.listdir(os.path.join(root, "images", "val"))):
    x = np.asarray(Image.open(os.path.join(root, "images", "val", name))).transpose(2, 0, 1)[None] / 255
    said = s.run(["p"], {"x": ((x - 0.5) / 0.25).astype(np.float32)})[0][0].argmax(-1)
    truth = np.asarray(Image.open(os.path.join(root, "masks", "val", name)))[1::2, 1::2]
    said, truth = said[truth != 255], truth[truth != 255]
    for k in range(3):
        both[k] += ((said == k) & (truth == k)).sum()
        either[k] += ((said == k) | (truth == k)).sum()
        there[k] += (truth == k).sum()
print(json.dumps(float((both[there > 0] / either[there > 0]).mean())))
`

// TestTrainByMasks: labels that are masks teach a segmenter and a bundle of it, whose mean IoU
// is what numpy finds of the written model's answers; of the bundle the other output is taught,
// too; classes that the model has not are told.
func TestTrainByMasks(t *testing.T) {
	rttest.Plugin(t)
	dir := t.TempDir()
	rttest.Python(t, shapes, dir)
	set, written := filepath.Join(dir, "set"), filepath.Join(dir, "trained.onnx")
	how := ImageOptions{}
	how.Scale, how.Mean, how.Std = new(1/255.0), []float64{0.5, 0.5, 0.5}, []float64{0.25, 0.25, 0.25}
	r, err := Train(t.Context(), filepath.Join(dir, "classes.onnx"), TrainOptions{
		Data: set, Epochs: 6, Batch: 8, Optimizer: "adam", LR: 0.005, Output: written, ImageOptions: how,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("mean IoU %.3f, at the start %.3f", *r.Labelled, *r.Start.Labelled)
	var found float64
	if err := json.Unmarshal(rttest.Python(t, iou, written, set), &found); err != nil {
		t.Fatal(err)
	}
	// A place of 24 x 256 that rounding moves to another class is less than a thousandth.
	if math.Abs(found-*r.Labelled) > 1e-3 || r.Primary.Name != "miou" {
		t.Errorf("epochs were judged by %s, %v; numpy finds a mean IoU of %v", r.Primary.Name, *r.Labelled, found)
	}
	if *r.Start.Labelled > 0.4 || *r.Labelled < 0.7 { // 1/3 for the ground alone, 2/3 without one of the shapes
		t.Errorf("mean IoU was %v and is %v", *r.Start.Labelled, *r.Labelled)
	}

	bundle := filepath.Join(dir, "bundle")
	if _, err := Split(t.Context(), written, SplitOptions{After: "f", Channels: []Channels{4}, Stride: []int{2}, Out: bundle, Calibrate: set}); err != nil {
		t.Fatal(err)
	}
	heard := &spoken{}
	b, err := Train(t.Context(), bundle, TrainOptions{Data: set, Epochs: 4, Batch: 8, Freeze: "backbone", Reporter: heard})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("of the bundle %.3f, at the start %.3f", *b.Labelled, *b.Start.Labelled)
	if *b.Labelled < *b.Start.Labelled+0.03 {
		t.Errorf("mean IoU of the bundle was %v and is %v", *b.Start.Labelled, *b.Labelled)
	}
	last := b.Epochs[len(b.Epochs)-1]
	if len(last.Errors) != 1 || last.Errors[0].Output != "mean" || last.Errors[0].Error >= b.Epochs[0].Errors[0].Error {
		t.Errorf("the other output: %v after the first epoch, %v after the last", b.Epochs[0].Errors, last.Errors)
	}
	if text := strings.Join(heard.lines, "\n"); !strings.Contains(text, `the masks are taken for those of output "p"`) {
		t.Errorf("said:\n%s", text)
	}
	_, err = Search(t.Context(), written, SearchOptions{Options: search.Options{Out: filepath.Join(dir, "found"), Strides: []int{2}}, Cuts: []string{"cut2"}, Channels: []Channels{4}, Train: TrainOptions{Data: set}})
	if err == nil || !strings.Contains(err.Error(), "option exhaustive") {
		t.Errorf("a search that screens: %v", err)
	}
	for name, c := range map[string]struct {
		change func(o *TrainOptions)
		want   []string
	}{
		"a class that is not there":            {func(o *TrainOptions) { o.KeepLast = true }, []string{"option data", ".png: its mask", "class 2", "2 classes"}},
		"a class that is not there, judged by": {func(*TrainOptions) {}, []string{".png", "class 2", "2 classes"}},
		"another loss":                         {func(o *TrainOptions) { o.Loss = "mse" }, []string{"option loss mse", "cross-entropy"}},
		"another task":                         {func(o *TrainOptions) { o.Task = "image" }, []string{"labels are masks", "task segment", "task image", "option distill"}},
		"another output":                       {func(o *TrainOptions) { o.Scores = "mean" }, []string{`output "mean"`, "the classes of each place"}},
	} {
		o := TrainOptions{Data: set, Epochs: 1, Batch: 8, Output: filepath.Join(dir, "none.onnx"), ImageOptions: how}
		c.change(&o)
		_, err := Train(t.Context(), filepath.Join(dir, "mask.onnx"), o)
		for _, want := range c.want {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: expected %q in %v", name, want, err)
			}
		}
	}
}
