package main

import (
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/bottlenet/bnc/compiler/onnx"
	"github.com/bottlenet/bnc/compiler/onnxpb"
	"github.com/bottlenet/bnc/runtime/ort"
	"github.com/bottlenet/bnc/runtime/tensor"
	"google.golang.org/protobuf/proto"
)

// More of what breaks ONNX splitters: the corners of the kinds of failure in
// splitters_test.go, and models as converters end and begin them.

// TestCapturedCutTensor: bodies of If and Loop, one in the other, read the cut
// tensor itself and what lies before and behind it.
func TestCapturedCutTensor(t *testing.T) {
	names := plainPairs(t, fromText(t, `<ir_version: 8, opset_import: ["" : 17]>
	net (float[batch,2,4,4] x) => (float[batch,2,4,4] y)
	<float zero = {0}, int64 three = {3}, bool yes = {1}> {
		a = Relu (x)
		b = Exp (a)
		y = Loop (three, yes, b) <body = l (int64 i, bool go, float[batch,2,4,4] v) => (bool go2, float[batch,2,4,4] w) {
			go2 = Identity (go)
			m = ReduceMax <keepdims = 0> (v)
			flag = Greater (m, zero)
			w = If (flag) <then_branch = p () => (float[batch,2,4,4] s) { s = Add (v, b) },
				else_branch = q () => (float[batch,2,4,4] d) { d = Sub (v, b) }>
		}>
	}`, nil))
	if !slices.Equal(names, []string{"a", "b"}) {
		t.Errorf("cuts %v", names)
	}
}

// TestBodyReturnsTheCutTensor: a body whose output is a captured value. ONNX
// Runtime runs no such model, so the files are read instead.
func TestBodyReturnsTheCutTensor(t *testing.T) {
	path := fromText(t, `<ir_version: 8, opset_import: ["" : 17]>
	net (float[1,2,4,4] x) => (float[1,2,4,4] y) <bool flag = {1}> {
		a = Relu (x)
		b = Exp (a)
		c = If (flag) <then_branch = p () => (b) { }, else_branch = q () => (float[1,2,4,4] n) { n = Neg (b) }>
		y = Abs (c)
	}`, nil)
	for _, c := range []struct{ after, cloudReads string }{{"a", "a"}, {"b", "b"}} {
		dir := filepath.Join(t.TempDir(), c.after)
		mustBnc(t, "split", path, "--after", c.after, "--plain", "-o", dir)
		m, err := onnx.Load(filepath.Join(dir, "cloud.onnx"))
		if err != nil {
			t.Fatal(err)
		}
		feeds := m.Graph.Feeds()
		if len(feeds) != 1 || feeds[0].Name() != c.cloudReads {
			t.Errorf("after %s: the cloud graph's inputs are %v", c.after, feeds)
		}
		for _, n := range m.Graph.Nodes() {
			if n.Op != "If" {
				continue
			}
			if got := n.Bodies()[0].Outputs()[0].Value; got != m.Graph.Value("b") {
				t.Errorf("after %s: the body returns %v", c.after, got)
			}
		}
	}
}

// TestMapsAndStrings cuts a classifier as converters write it: it ends in
// strings and in a sequence of maps.
func TestMapsAndStrings(t *testing.T) {
	plugin(t)
	path := fromText(t, `<ir_version: 8, opset_import: ["" : 15, "ai.onnx.ml" : 2]>
	net (float[batch,3,32,32] x) => (string[batch] label, seq(map(string, float[])) probabilities)
	<float[3,3,1,1] w = {1,2,3, -4,5,6, 7,-8,9}, int64[2] shape = {0,-1}, string[3] names = {"cat", "dog", "emu"}> {
		c = Conv <strides = [2,2]> (x, w)
		a = Relu (c)
		p = GlobalAveragePool (a)
		f = Reshape (p, shape)
		s = Softmax (f)
		best = ArgMax <axis = 1, keepdims = 0> (s)
		label = ai.onnx.ml.ArrayFeatureExtractor (names, best)
		probabilities = ai.onnx.ml.ZipMap <classlabels_strings = ["cat", "dog", "emu"]> (s)
	}`, func(m *onnxpb.ModelProto) {
		// ArrayFeatureExtractor gives [1, batch].
		m.Graph.Output[0].Type.GetTensorType().Shape = nil
	})
	whole := open(t, path)
	for _, flags := range [][]string{{"c", "--plain"}, {"s", "--plain"}, {"a", "--c", "2"}} {
		dir := filepath.Join(t.TempDir(), "pair")
		mustBnc(t, append([]string{"split", path, "-o", dir, "--after"}, flags...)...)
		reference := whole
		if flags[1] != "--plain" {
			reference = open(t, filepath.Join(dir, "bottlenet.onnx"))
		}
		pair := open(t, dir)
		want, got := runOn(t, reference, batchOf(2, 1)), runOn(t, pair, batchOf(2, 1))
		for _, name := range []string{"label", "probabilities"} {
			w, _ := want.Find(name)
			g, ok := got.Find(name)
			if message := differValue(w, g); !ok || message != "" {
				t.Errorf("%v: output %q: %s", flags, name, message)
			}
		}
	}
	// Labels that were the same for all images would show nothing.
	first, _ := runOn(t, whole, batchOf(2, 1)).Find("probabilities")
	second, _ := runOn(t, whole, batchOf(2, 2)).Find("probabilities")
	if differValue(first, second) == "" {
		t.Error("two batches have the same probabilities")
	}
}

// differValue compares strings exactly and probabilities to 1e-5: sums of three
// float32 products, in another order, behind a Softmax.
func differValue(a, b ort.Value) string {
	switch {
	case a.Tensor != nil && b.Tensor != nil:
		return differTensor(a.Tensor, b.Tensor)
	case a.Keys != nil && b.Keys != nil:
		if message := differTensor(a.Keys, b.Keys); message != "" {
			return message
		}
		return differTensor(a.Values, b.Values)
	case a.Sequence != nil && len(a.Sequence) == len(b.Sequence):
		for i := range a.Sequence {
			if message := differValue(a.Sequence[i], b.Sequence[i]); message != "" {
				return message
			}
		}
		return ""
	}
	return "other kinds of value"
}

func differTensor(a, b *tensor.Tensor) string {
	if a.DType != b.DType || !slices.Equal(a.Shape, b.Shape) {
		return "other types or shapes"
	}
	if a.DType != tensor.Float32 {
		if !reflect.DeepEqual(a, b) {
			return "other elements"
		}
		return ""
	}
	x, y := tensor.Slice[float32](a), tensor.Slice[float32](b)
	for i := range x {
		if d := math.Abs(float64(x[i] - y[i])); !(d <= 1e-5) {
			return "other numbers"
		}
	}
	return ""
}

// TestIntegerPixels takes a network that begins as TensorFlow's exporter writes
// it: uint8, NHWC, a Cast and a Transpose.
func TestIntegerPixels(t *testing.T) {
	plugin(t)
	path := fromText(t, `<ir_version: 8, opset_import: ["" : 17]>
	net (uint8[batch,32,32,3] x) => (float[batch,16,16,4] y)
	<float[4,3,1,1] w = {1,2,3, -4,5,6, 7,-8,9, 1,0,2}, float scale = {0.0078125}> {
		f = Cast <to = 1> (x)
		s = Mul (f, scale)
		t = Transpose <perm = [0,3,1,2]> (s)
		c = Conv <strides = [2,2]> (t, w)
		a = Relu (c)
		y = Transpose <perm = [0,2,3,1]> (a)
	}`, nil)
	if names := plainPairs(t, path); !slices.Equal(names, []string{"f", "s", "t", "c", "a"}) {
		t.Errorf("cuts %v", names)
	}
	dir := filepath.Join(t.TempDir(), "pair")
	mustBnc(t, "split", path, "--after", "a", "--c", "3", "-o", dir)
	compare(t, open(t, dir), open(t, filepath.Join(dir, "bottlenet.onnx")), 4, 4, true)
	if _, stderr, code := tryBnc(t, "split", path, "--after", "s", "-o", filepath.Join(t.TempDir(), "b")); code != exitUnusable || !strings.Contains(stderr, "--plain") {
		t.Errorf("a bottleneck in NHWC: exit code %d, %s", code, stderr)
	}
}

// TestIRNewerThanTheRuntime: a model that ONNX Runtime is too old for splits all
// the same, and what cannot run says why.
func TestIRNewerThanTheRuntime(t *testing.T) {
	path := fromText(t, imageNet, func(m *onnxpb.ModelProto) { m.IrVersion = proto.Int64(99) })
	dir := filepath.Join(t.TempDir(), "pair")
	mustBnc(t, "split", path, "--after", "a", "--plain", "-o", dir)
	array := filepath.Join(randomSetOf(t), "0.npy")
	for _, args := range [][]string{
		{"run", path, array},
		{"run", dir, array},
		{"split", path, "--after", "a", "--calib", filepath.Dir(array), "-o", filepath.Join(t.TempDir(), "b")},
	} {
		_, stderr, code := tryBnc(t, args...)
		if code != exitUnusable || !strings.Contains(stderr, "99") || !strings.Contains(stderr, ".onnx") {
			t.Errorf("bnc %s: exit code %d, expected %d, the file and the version\n%s", args[0], code, exitUnusable, stderr)
		}
	}
	mustBnc(t, "split", path, "--after", "a", "--target", "tx2", "-o", dir)
	open(t, filepath.Join(dir, "mobile.onnx")) // the lowered half does run
}

// TestWideIntegersTX2: TensorRT 8 reads int64 constants as int32 and clamps them.
// That keeps the meaning of a Slice's bounds and of no other number.
func TestWideIntegersTX2(t *testing.T) {
	const text = `<ir_version: 8, opset_import: ["" : 13]>
	net (float[1,3,32,32] x) => (float[1,4] y)
	<float[4,3,1,1] w = {1,2,3, -4,5,6, 7,-8,9, 1,0,2}, int64[1] start = {START}, int64[1] end = {9223372036854775807}, int64[1] axis = {2}> {
		big = Constant <value = int64[1] {BIG}> ()
		s = Slice (x, start, end, axis)
		best = ArgMax <axis = 1> (s)
		far = Add (best, big)
		back = Sub (far, big)
		f = Cast <to = 1> (back)
		m = Add (s, f)
		c = Conv (m, w)
		a = Relu (c)
		p = GlobalAveragePool (a)
		y = Flatten (p)
	}`
	for _, c := range []struct {
		start, big string
		code       int
	}{
		{"-9223372036854775808", "2147483647", exitDone},
		{"0", "2147483648", exitUnusable},
		{"0", "-2147483649", exitUnusable},
	} {
		path := fromText(t, strings.NewReplacer("START", c.start, "BIG", c.big).Replace(text), nil)
		dir := filepath.Join(t.TempDir(), "pair")
		_, stderr, code := tryBnc(t, "split", path, "--after", "a", "--target", "tx2", "-o", dir)
		if code != c.code || code != exitDone && !(strings.Contains(stderr, "Add") && strings.Contains(stderr, c.big)) {
			t.Errorf("start %s, constant %s: exit code %d, expected %d\n%s", c.start, c.big, code, c.code, stderr)
		}
		mustBnc(t, "split", path, "--after", "a", "--codec-at", "device-host", "-o", dir)
	}
}

// TestNoKernel: a type that ONNX Runtime has no LRN for is the model's fault,
// too: exit code 3.
func TestNoKernel(t *testing.T) {
	path := fromText(t, `<ir_version: 8, opset_import: ["" : 17]>
	net (float[batch,3,32,32] x) => (double[batch,3,32,32] y) {
		d = Cast <to = 11> (x)
		c = LRN <size = 3> (d)
		y = Neg (c)
	}`, nil)
	mustBnc(t, "split", path, "--after", "c", "--plain", "-o", filepath.Join(t.TempDir(), "b"))
	_, stderr, code := tryBnc(t, "run", path, filepath.Join(randomSetOf(t), "0.npy"))
	if code != exitUnusable || !strings.Contains(stderr, "implementation for LRN") {
		t.Errorf("exit code %d, %s", code, stderr)
	}
}

// randomSetOf writes prepared images for imageNet.
func randomSetOf(t *testing.T) string {
	t.Helper()
	return randomSet(t, open(t, fromText(t, imageNet, nil)).Inputs()[0])
}

// TestExternalLocations: what is no regular file inside of the model's folder is
// refused without waiting for it; a link that stays inside is taken.
func TestExternalLocations(t *testing.T) {
	inside := func(location string, make func(path string) error) string {
		t.Helper()
		path := externalise(t, location, 0)
		if err := make(filepath.Join(filepath.Dir(path), location)); err != nil {
			t.Fatal(err)
		}
		return path
	}
	edited := func(key, value string) string {
		t.Helper()
		path := externalise(t, "weights.bin", 0)
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var m onnxpb.ModelProto
		if err := proto.Unmarshal(b, &m); err != nil {
			t.Fatal(err)
		}
		for _, kv := range m.Graph.Initializer[len(m.Graph.Initializer)-1].ExternalData {
			if kv.GetKey() == key {
				kv.Value = proto.String(value)
			}
		}
		if b, err = proto.Marshal(&m); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, b, 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	outside := t.TempDir()
	if err := os.WriteFile(filepath.Join(outside, "secret"), make([]byte, 1<<12), 0o644); err != nil {
		t.Fatal(err)
	}
	link := inside("link.bin", func(path string) error { return os.Symlink("weights.bin", path) })
	mustBnc(t, "split", link, "--after", "a", "--plain", "-o", filepath.Join(t.TempDir(), "b"))
	for name, path := range map[string]string{
		"FIFO":                 inside("pipe", func(path string) error { return syscall.Mkfifo(path, 0o600) }),
		"folder":               inside("sub", func(path string) error { return os.Mkdir(path, 0o755) }),
		"link to a FIFO":       inside("link", symlinkToFIFO),
		"link to a folder":     inside("data/secret", func(path string) error { return os.Symlink(outside, filepath.Dir(path)) }),
		"device":               edited("location", "/dev/zero"),
		"empty location":       edited("location", ""),
		"negative length":      edited("length", "-1"),
		"offset overflows":     edited("offset", "9223372036854775800"),
		"offset past int64":    edited("offset", "18446744073709551616"),
		"length past the end":  edited("length", "9223372036854775807"),
		"length of other size": edited("length", "40"),
		"offset is no number":  edited("offset", "0x10"),
	} {
		stdout, stderr, code := tryBnc(t, "split", path, "--after", "a", "--plain", "-o", filepath.Join(t.TempDir(), "b"))
		if code != exitUnusable || !strings.Contains(stderr, `initializer "`) || stdout != "" {
			t.Errorf("%s: exit code %d\n%s%s", name, code, stdout, stderr)
		}
	}
}

func symlinkToFIFO(path string) error {
	if err := syscall.Mkfifo(path+".pipe", 0o600); err != nil {
		return err
	}
	return os.Symlink(filepath.Base(path)+".pipe", path)
}
