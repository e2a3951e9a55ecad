package bnc

import (
	"image"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bottlenet/bnc/internal/rttest"
	"github.com/bottlenet/bnc/runtime/imagein"
	"github.com/bottlenet/bnc/runtime/task"
)

// foreign rewrites a model as others write theirs: weights in Constant nodes, and metadata
// of Ultralytics'.
const foreign = `
import json, sys
import onnx
from onnx import helper
m = onnx.load(sys.argv[1])
g = m.graph
constants = [helper.make_node("Constant", [], [w.name], value=w) for w in g.initializer]
nodes = constants + list(g.node)
del g.initializer[:], g.node[:]
g.node.extend(nodes)
helper.set_model_props(m, json.loads(sys.argv[3]))
onnx.save(m, sys.argv[2])
`

// foreignModel is a ResNet-20 for 28 x 28 in grey that another exporter wrote.
func foreignModel(t *testing.T, task string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "foreign.onnx")
	rttest.Python(t, foreign, small(t), path, `{"task": "`+task+`", "names": "{0: 'a', 1: 'b', 2: 'c', 3: 'd', 4: 'e', 5: 'f', 6: 'g', 7: 'h', 8: 'i', 9: 'j'}",
		"imgsz": "[28, 28]", "stride": "1", "batch": "1", "channels": "1", "author": "Ultralytics"}`)
	return path
}

// What a file says of images and classes in Ultralytics' way is taken, where neither
// options nor bnc's own metadata say otherwise.
func TestForeignMetadata(t *testing.T) {
	detector, says := foreignModel(t, "detect"), `{"color":"gray","fit":"letterbox","resize":0,"crop":[28,28],"orient":true,"scale":0.00392156862745098,"mean":[0],"std":[1]}`
	for name, c := range map[string]struct {
		o   imagein.Overrides
		old string // of what it says
		now string
	}{
		"as it says": {},
		"stretched":  {imagein.Overrides{Fit: imagein.FitStretch}, `"letterbox"`, `"stretch"`},
		"cropped":    {imagein.Overrides{Fit: imagein.FitCrop}, `"fit":"letterbox","resize":0`, `"resize":32`},
		"scaled":     {imagein.Overrides{Scale: new(1.0)}, `0.00392156862745098`, `1`},
	} {
		out := filepath.Join(t.TempDir(), "b")
		if _, err := Split(t.Context(), detector, SplitOptions{After: "rb3", Plain: true, Out: out, TaskOptions: TaskOptions{Task: task.Classify}, ImageOptions: ImageOptions{Overrides: c.o}}); err != nil {
			t.Fatal(err)
		}
		meta := metaOf(t, out)
		if want := strings.Replace(says, c.old, c.now, 1); meta["bnc.preprocess"] != want || meta["bnc.labels"] != `["a","b","c","d","e","f","g","h","i","j"]` {
			t.Errorf("%s: %s of %s, expected %s", name, meta["bnc.preprocess"], meta["bnc.labels"], want)
		}
	}
}

// A model whose weights are in Constant nodes is split, calibrated, trained, evaluated and
// run as one whose weights are initializers, to the same numbers, and its bundle says what
// the file said.
func TestForeignWeights(t *testing.T) {
	set, says := pictures(t, 16), imagein.Overrides{Resize: new(28), Mean: []float64{0}, Std: []float64{1}}
	models := []string{foreignModel(t, "classify"), small(t)}
	var agreements []float64
	var scores [][]float64
	for i, model := range models {
		o := SplitOptions{After: "rb3", Channels: []Channels{4}, Stride: []int{1}, Calibrate: set, Out: filepath.Join(t.TempDir(), "b")}
		if i == 1 {
			o.Overrides = says
		}
		if _, err := Split(t.Context(), model, o); err != nil {
			t.Fatal(err)
		}
		trained, err := Train(t.Context(), o.Out, TrainOptions{Data: set, Epochs: 1, Batch: 8, Distill: true})
		if err != nil {
			t.Fatal(err)
		}
		agreements = append(agreements, *trained.Agreement)
		r, err := Run(t.Context(), o.Out, []string{set}, RunOptions{Top: 10})
		if err != nil {
			t.Fatal(err)
		}
		scores = append(scores, nil)
		for _, result := range r.Results {
			for _, c := range result.Top {
				scores[i] = append(scores[i], c.Score)
			}
			if label := result.Top[0].Label; (label == "") != (i == 1) {
				t.Errorf("%s: label %q", model, label)
			}
		}
		if meta := metaOf(t, o.Out); i == 0 && meta["bnc.labels"] != `["a","b","c","d","e","f","g","h","i","j"]` {
			t.Errorf("labels %s", meta["bnc.labels"])
		}
	}
	if agreements[0] != agreements[1] || len(scores[0]) != len(scores[1]) {
		t.Errorf("agreements %v", agreements)
	}
	for i := range scores[0] {
		if diff := math.Abs(scores[0][i] - scores[1][i]); diff > 1e-5 { // of float32, in another order of weights
			t.Fatalf("score %d is %v, with initializers %v", i, scores[0][i], scores[1][i])
		}
	}
}

// oneBox writes a detector as Ultralytics' exports have them, which sees one box whatever
// it is shown: its centre at 32, 32 of 64 x 64 pixels, 20 wide and 10 high, of class 1.
const oneBox = `
import sys
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
head = np.zeros((1, 6, 84), np.float32)
head[0, :, 5] = [32, 32, 20, 10, 0.1, 0.9]
w = [numpy_helper.from_array(head, "head"), numpy_helper.from_array(np.zeros(1, np.float32), "zero"), numpy_helper.from_array(np.array([1, 3, 1]), "shape"), numpy_helper.from_array(np.array([1, 1, 1]), "ones")]
nodes = [helper.make_node("GlobalAveragePool", ["images"], ["m"]), helper.make_node("Reshape", ["m", "shape"], ["r"]), helper.make_node("ReduceMean", ["r"], ["s"], axes=[1], keepdims=1), helper.make_node("Mul", ["s", "zero"], ["n"]), helper.make_node("Add", ["head", "n"], ["output0"])]
value = lambda name, *dims: helper.make_tensor_value_info(name, TensorProto.FLOAT, dims)
m = helper.make_model(helper.make_graph(nodes, "g", [value("images", 1, 3, 64, 64)], [value("output0", 1, 6, 84)], w), opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
helper.set_model_props(m, {"task": "detect", "names": "{0: 'cat', 1: 'dog'}", "imgsz": "[64, 64]", "stride": "32", "batch": "1"})
onnx.save(m, sys.argv[1])
`

// A box of a detector's input, a letterbox by its metadata, is told in pixels of the picture.
func TestForeignBoxes(t *testing.T) {
	dir := t.TempDir()
	path, picture := filepath.Join(dir, "detector.onnx"), filepath.Join(dir, "wide.png")
	rttest.Python(t, oneBox, path)
	f, err := os.Create(picture)
	if err != nil {
		t.Fatal(err)
	}
	if err := png.Encode(f, image.NewGray(image.Rect(0, 0, 128, 64))); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	for fit, want := range map[string][4]float64{
		"":                 {44, 22, 84, 42}, // half the size, with borders of 16 above and below
		imagein.FitStretch: {44, 27, 84, 37},
		imagein.FitCrop:    {55.23, 27.18, 72.77, 35.95}, // brought to 146 x 73, cut out from 41, 4 on
	} {
		r, err := Run(t.Context(), path, []string{picture}, RunOptions{ImageOptions: ImageOptions{Overrides: imagein.Overrides{Fit: fit}}})
		if err != nil {
			t.Fatal(err)
		}
		boxes := r.Results[0].Boxes
		if len(boxes) != 1 || boxes[0].Label != "dog" {
			t.Fatalf("fit %q: %+v, expected one dog", fit, boxes)
		}
		got := [4]float64{boxes[0].X0, boxes[0].Y0, boxes[0].X1, boxes[0].Y1}
		for i := range got {
			if math.Abs(got[i]-want[i]) > 0.01 { // of two digits
				t.Errorf("fit %q: %v, expected %v", fit, got, want)
				break
			}
		}
	}
}
