package task_test

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/bottlenet/bnc/internal/rttest"
	"github.com/bottlenet/bnc/runtime/data"
	"github.com/bottlenet/bnc/runtime/eval"
	"github.com/bottlenet/bnc/runtime/feed"
	"github.com/bottlenet/bnc/runtime/ort"
	"github.com/bottlenet/bnc/runtime/task"
	"github.com/bottlenet/bnc/runtime/tensor"
)

// fixtures writes MNIST-named IDX files of 61 random images of 12 classes, and
// small models of them, into a folder, and prints what ONNX Runtime and numpy
// make of each: classes, top-1 and top-5.
const fixtures = `
import gzip, json, os, struct, sys
import numpy as np, onnx, onnxruntime
from onnx import TensorProto, helper, numpy_helper
out, r = sys.argv[1], np.random.default_rng(5)
n, k = 61, 12
images = r.integers(0, 256, (n, 8, 8), dtype=np.uint8)
labels = np.concatenate([np.arange(k), r.integers(0, k, n - k)]).astype(np.uint8)
os.mkdir(out + "/data")
with gzip.open(out + "/data/t10k-images-idx3-ubyte.gz", "wb") as f:
    f.write(struct.pack(">IIII", 0x803, n, 8, 8) + images.tobytes())
with open(out + "/data/t10k-labels-idx1-ubyte", "wb") as f:
    f.write(struct.pack(">II", 0x801, n) + labels.tobytes())
w = r.normal(size=(64, k)).astype(np.float32) / 8
# the templates are the class means, so that there is something to get right
for c in range(k):
    w[:, c] += (images[labels == c].reshape(-1, 64).mean(0) / 255 - 0.5).astype(np.float32) * 1.5
def model(name, tail, result, batch="n", nodes=()):
    init = [numpy_helper.from_array(w, "w"), numpy_helper.from_array(np.array([-1, 64]), "flat"),
            numpy_helper.from_array(np.array([-1, k, 1, 1]), "square"), numpy_helper.from_array(np.float32(0.5), "step"),
            numpy_helper.from_array(np.uint8(128), "zero"), numpy_helper.from_array(np.float32(0.25), "quarter")]
    g = helper.make_graph([helper.make_node("Reshape", ["x", "flat"], ["f"]), helper.make_node("MatMul", ["f", "w"], ["s"]), *tail],
        name, [helper.make_tensor_value_info("x", TensorProto.FLOAT, [batch, 1, 8, 8])], [result], init)
    m = helper.make_model(g, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(m, f"{out}/{name}.onnx")
    s = onnxruntime.InferenceSession(m.SerializeToString())
    size = n if batch == "n" else 1
    x = (images.astype(np.float64) / 255).astype(np.float32)[:, None]
    if batch != "n":
        x = np.concatenate([x, x])[: -(-n // batch) * batch].reshape(-1, batch, 1, 8, 8)
    else:
        x = x[None]
    y = np.concatenate([s.run(None, {"x": b})[0] for b in x])[:n]
    y = y.reshape(n, -1).astype(np.float64)
    if y.shape[1] == 1:
        return dict(classes=y[:, 0].astype(int).tolist(), top1=float((y[:, 0] == labels).mean()), top5=None)
    order = np.argsort(-y, axis=1, kind="stable")
    return dict(classes=order[:, 0].tolist(), top1=float((order[:, 0] == labels).mean()),
                top5=float((order[:, :5] == labels[:, None]).any(1).mean()))
def info(name, t, *shape): return helper.make_tensor_value_info(name, t, shape)
node = helper.make_node
print(json.dumps({
    "scores": model("scores", [node("Identity", ["s"], ["y"])], info("y", TensorProto.FLOAT, "n", k)),
    "fixed": model("fixed", [node("Softmax", ["s"], ["y"])], info("y", TensorProto.FLOAT, 7, k), batch=7),
    "square": model("square", [node("Reshape", ["s", "square"], ["y"])], info("y", TensorProto.FLOAT, "n", k, 1, 1)),
    "uint8": model("uint8", [node("QuantizeLinear", ["s", "step", "zero"], ["y"])], info("y", TensorProto.UINT8, "n", k)),
    "half": model("half", [node("Cast", ["s"], ["y"], to=TensorProto.FLOAT16)], info("y", TensorProto.FLOAT16, "n", k)),
    "argmax": model("argmax", [node("ArgMax", ["s"], ["y"], axis=1, keepdims=0)], info("y", TensorProto.INT64, "n")),
}))
`

type expected struct {
	Classes    []int
	Top1, Top5 *float64
}

// made writes the fixtures and returns their folder and what is expected.
func made(t *testing.T) (string, map[string]expected) {
	t.Helper()
	rttest.Library(t)
	dir := t.TempDir()
	var want map[string]expected
	if err := json.Unmarshal(rttest.Python(t, fixtures, dir), &want); err != nil {
		t.Fatal(err)
	}
	return dir, want
}

func openSet(t *testing.T, path string) *data.Set {
	t.Helper()
	set, err := data.Open(path, data.Val)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func openModel(t *testing.T, path string) (*ort.Session, *feed.Feeder) {
	t.Helper()
	s, err := ort.Open(path, ort.Options{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	f, err := feed.New(s.Inputs(), feed.Always(nil))
	if err != nil {
		t.Fatal(err)
	}
	return s, f
}

// evaluated runs a set through a model.
func evaluated(ctx context.Context, m eval.Model, f *feed.Feeder, set *data.Set, o eval.Options) (*eval.Result, task.Judge, error) {
	kind, err := task.Open(task.Classify, task.Model{})
	if err != nil {
		return nil, nil, err
	}
	judge, err := kind.Judge(set, task.Outputs{})
	if err != nil {
		return nil, nil, err
	}
	r, err := eval.Run(ctx, m, f, set, judge, o)
	return r, judge, err
}

// TestRatesAgainstNumpy compares classes, top-1 and top-5 with what numpy finds
// in ONNX Runtime's outputs: for scores of several types and shapes, 8-bit ones
// with many ties, and batches that do not divide the set.
func TestRatesAgainstNumpy(t *testing.T) {
	dir, want := made(t)
	set := openSet(t, filepath.Join(dir, "data"))
	for name, w := range want {
		session, feeder := openModel(t, filepath.Join(dir, name+".onnx"))
		for _, batch := range []int{0, 1, 9, 100} {
			seen := 0
			o := eval.BatchOf(session.Inputs()[0], batch)
			o.Step = func(n int) { seen += n }
			r, judge, err := evaluated(t.Context(), eval.Session(session), feeder, set, o)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if r.N != 61 || seen != 61 || r.Bytes != nil {
				t.Errorf("%s: %d images, %d in steps, bytes %v", name, r.N, seen, r.Bytes)
			}
			// Rates are quotients of the same integers: equal.
			got, classes := judge.Values(), task.Classes(judge)
			if !slices.Equal(classes, w.Classes) || got[0].Value != *w.Top1 || w.Top5 != nil && got[1].Value != *w.Top5 {
				t.Errorf("%s, batch %d: %+v, expected %v, %v\nclasses  %v\nexpected %v", name, batch, got, *w.Top1, w.Top5, classes, w.Classes)
			}
		}
	}
	if top1 := *want["scores"].Top1; top1 < 0.2 || top1 > 0.98 { // else nothing is compared
		t.Errorf("the test's model has top-1 %v", top1)
	}
}

// TestUnlabelled gives no rates.
func TestUnlabelled(t *testing.T) {
	dir, _ := made(t)
	if err := os.Remove(filepath.Join(dir, "data", "t10k-labels-idx1-ubyte")); err != nil {
		t.Fatal(err)
	}
	session, feeder := openModel(t, filepath.Join(dir, "scores.onnx"))
	r, judge, err := evaluated(t.Context(), eval.Session(session), feeder, openSet(t, filepath.Join(dir, "data")), eval.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if got := judge.Values(); got != nil || r.N != 61 {
		t.Errorf("%+v of %d images", got, r.N)
	}
}

// TestRefusals: what cannot be used is told apart from what fails.
func TestRefusals(t *testing.T) {
	dir, _ := made(t)
	session, feeder := openModel(t, filepath.Join(dir, "scores.onnx"))
	set := openSet(t, filepath.Join(dir, "data"))
	var unusable *eval.UnusableError

	names := filepath.Join(dir, "data", "classes.txt")
	if err := os.WriteFile(names, []byte("a\nb\nc\nd\ne\nf\ng\nh\ni\nj\nk\nl\nm\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	wide, err := data.Open(filepath.Join(dir, "data"), data.Val)
	if err == nil {
		_, _, err = evaluated(t.Context(), eval.Session(session), feeder, wide, eval.Options{})
	}
	var count *data.ClassCountError
	if !errors.As(err, &unusable) || !errors.As(err, &count) || count.Classes != 13 || count.Outputs != 12 {
		t.Errorf("13 classes for 12 outputs: %v", err)
	}

	broken := set.Map(func(i int, item data.Item) (data.Item, error) {
		if i == 40 {
			return item, errors.New("torn")
		}
		return item, nil
	})
	_, _, err = evaluated(t.Context(), eval.Session(session), feeder, broken, eval.Options{Batch: 8})
	if !errors.As(err, &unusable) || !strings.Contains(err.Error(), set.Name(40)) {
		t.Errorf("an item that cannot be read: %v", err)
	}

	nan := func(ctx context.Context, f ort.Feed) (ort.Results, []int, error) {
		y := tensor.Of([]int64{1, 12}, make([]float32, 12))
		tensor.Slice[float32](y)[3] = float32(math.NaN())
		return ort.Results{{Name: "y", Value: ort.Value{Tensor: y}}}, nil, nil
	}
	_, _, err = evaluated(t.Context(), nan, feeder, set, eval.Options{Batch: 1})
	if !errors.As(err, &unusable) || !strings.Contains(err.Error(), "NaN") {
		t.Errorf("NaN: %v", err)
	}
	_, _, err = evaluated(t.Context(), nan, feeder, set, eval.Options{Batch: 2})
	if !errors.As(err, &unusable) || !strings.Contains(err.Error(), "batch of 2") {
		t.Errorf("one row for two images: %v", err)
	}

	stopped, stop := context.WithCancel(t.Context())
	stop()
	if _, _, err = evaluated(stopped, eval.Session(session), feeder, set, eval.Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("stopped: %v", err)
	}
}

// TestExtra feeds weights as an input of their own.
func TestExtra(t *testing.T) {
	dir, want := made(t)
	rttest.Python(t, `
import sys, onnx
m = onnx.load(sys.argv[1])
w = next(i for i in m.graph.initializer if i.name == "w")
m.graph.initializer.remove(w)
m.graph.input.append(onnx.helper.make_tensor_value_info("w", 1, [64, 12]))
onnx.save(m, sys.argv[2])
open(sys.argv[3], "wb").write(w.raw_data)
`, filepath.Join(dir, "scores.onnx"), filepath.Join(dir, "open.onnx"), filepath.Join(dir, "w"))
	session, err := ort.Open(filepath.Join(dir, "open.onnx"), ort.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	feeder, err := feed.New(session.Inputs()[:1], feed.Always(nil))
	if err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(filepath.Join(dir, "w"))
	if err != nil {
		t.Fatal(err)
	}
	w, err := tensor.FromBytes(tensor.Float32, []int64{64, 12}, raw)
	if err != nil {
		t.Fatal(err)
	}
	set := openSet(t, filepath.Join(dir, "data"))
	_, judge, err := evaluated(t.Context(), eval.Session(session), feeder, set, eval.Options{Extra: ort.Feed{"w": w}})
	if err != nil {
		t.Fatal(err)
	}
	if got := judge.Values(); got[0].Value != *want["scores"].Top1 || !slices.Equal(task.Classes(judge), want["scores"].Classes) {
		t.Errorf("%+v, expected %v", got, *want["scores"].Top1)
	}
}
