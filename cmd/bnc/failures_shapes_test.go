package main

import (
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/bottlenet/bnc/runtime/model"
	"github.com/bottlenet/bnc/runtime/ort"
)

// agreeAtBatches feeds random inputs with symbolic dimensions of 1 and of 3 and
// demands that the two give the same: to 1e-3 of the difference that two inputs
// make, as the corpus does.
func agreeAtBatches(t *testing.T, pairPath, wholePath string) {
	t.Helper()
	whole, pair := open(t, wholePath), open(t, pairPath)
	r := rand.New(rand.NewPCG(5, 6))
	for _, batch := range []int64{1, 3} {
		feed := func() ort.Feed {
			out := ort.Feed{}
			for _, p := range whole.Inputs() {
				p.Shape = slices.Clone(p.Shape)
				for i, d := range p.Shape {
					if d.Size < 0 {
						p.Shape[i] = model.Dim{Size: batch}
					}
				}
				out[p.Name] = randomInput(t, r, p)[p.Name]
			}
			return out
		}
		x := feed()
		if message := differ(runOn(t, whole, x), runOn(t, pair, x), runOn(t, whole, feed()), false); message != "" {
			t.Errorf("%s, batch %d: %s", filepath.Base(pairPath), batch, message)
		}
	}
}

// splitBothWays splits a model plainly and with a bottleneck and compares the
// one pair with the model, the other with its joined network.
func splitBothWays(t *testing.T, path, cut string) {
	t.Helper()
	plugin(t)
	plain, pair := filepath.Join(t.TempDir(), "plain"), filepath.Join(t.TempDir(), "pair")
	mustBnc(t, "split", path, "--after", cut, "--plain", "-o", plain)
	agreeAtBatches(t, plain, path)
	mustBnc(t, "split", path, "--after", cut, "--c", "2", "--s", "1", "--quality", "100", "-o", pair)
	agreeAtBatches(t, pair, filepath.Join(pair, "bottlenet.onnx"))
}

// TestShapesInBodies: shapes from before the cut that bodies behind it read.
func TestShapesInBodies(t *testing.T) {
	splitBothWays(t, fromText(t, `<ir_version: 8, opset_import: ["" : 17]>
	net (float[N,2,4,4] x) => (float[N,2,4,4] y, int64[4] z) <float zero = {0}> {
		s = Shape (x)
		a = MaxPool <kernel_shape = [1,1]> (x)
		b = Relu (a)
		m = ReduceMax <keepdims = 0> (b)
		k = Greater (m, zero)
		y = If (k) <then_branch = p () => (float[N,2,4,4] t) { n = Neg (b) t = Reshape (n, s) },
			else_branch = q () => (float[N,2,4,4] u) { u = Reshape (b, s) }>
		z = If (k) <then_branch = p2 () => (int64[4] t2) { t2 = Identity (s) }, else_branch = q2 () => (int64[4] u2) { u2 = Neg (s) }>
	}`, nil), "b")
}

// TestShapesAsOutputs: outputs that are shapes of what is before the cut, of the
// cut tensor, of what is behind, and of both sides at once, one of them read on.
func TestShapesAsOutputs(t *testing.T) {
	splitBothWays(t, fromText(t, `<ir_version: 8, opset_import: ["" : 17]>
	net (float[N,2,4,4] x) => (float[N,2,2,2] y, int64[4] before, int64[4] at, int64[4] behind, int64[8] both, int64[8] more, float[L] w)
	<int64[8] ones = {1, 1, 1, 1, 1, 1, 1, 1}, int64[1] rest = {-1}, int64[1] all = {0}> {
		a = MaxPool <kernel_shape = [1,1]> (x)
		b = MaxPool <kernel_shape = [2,2], strides = [2,2]> (a)
		y = Exp (b)
		before = Shape (x)
		at = Shape (a)
		behind = Shape (y)
		both = Concat <axis = 0> (before, behind)
		more = Add (both, ones)
		sum = ReduceSum <keepdims = 1> (more, all)
		flat = Reshape (y, rest)
		w = Pad (flat, widths)
		widths = Concat <axis = 0> (all, sum)
	}`, nil), "a")
}

// TestShapeOnlyBranch: a tensor whose shape alone is read behind it, beside the path of
// the activations.
func TestShapeOnlyBranch(t *testing.T) {
	plugin(t)
	path := fromText(t, `<ir_version: 8, opset_import: ["" : 17]>
	net (float[N,2,4,4] x) => (float[N,32] y) <int64[1] zero = {0}, int64[1] rest = {-1}> {
		a = MaxPool <kernel_shape = [1,1]> (x)
		b = Sigmoid (a)
		s = Shape (b)
		n = Gather (s, zero)
		m = Concat <axis = 0> (n, rest)
		c = Relu (a)
		many = ConstantOfShape (s)
		d = Sub (c, many)
		y = Reshape (d, m)
	}`, nil)
	if names := plainPairs(t, path); !slices.Equal(names, []string{"a", "c", "d"}) {
		t.Errorf("cuts %v, expected a, c and d", names)
	}
	splitBothWays(t, path, "c")
	for _, flag := range []string{"--plain", "--c=1"} {
		dir := filepath.Join(t.TempDir(), "b")
		if _, stderr, code := tryBnc(t, "split", path, "--after", "b", flag, "-o", dir); code != exitUnusable || !strings.Contains(stderr, "shape alone") {
			t.Errorf("split --after b %s: exit code %d, %s", flag, code, stderr)
		}
	}
}

// TestUntypedTensors: a model as ONNX Runtime saves it with all optimisations, which
// says of no inner tensor what it is and keeps blocks of channels in a layout of its own.
// What is listed gives halves that run, and the rest is refused with what to do instead.
func TestUntypedTensors(t *testing.T) {
	path := fromText(t, `<ir_version: 8, opset_import: ["" : 17, "com.microsoft.nchwc" : 1]>
	net (float[1,16,4,4] x) => (float[1,16] y) <`+initsFor("16,16,1,1 w 0 0.5")+`> {
		r = Relu (x)
		i = com.microsoft.nchwc.ReorderInput (r)
		b = com.microsoft.nchwc.Conv <kernel_shape = [1,1], strides = [1,1], pads = [0,0,0,0], dilations = [1,1], group = 1, auto_pad = "NOTSET"> (i, w)
		p = com.microsoft.nchwc.GlobalAveragePool (b)
		o = com.microsoft.nchwc.ReorderOutput <channels = 16> (p)
		y = Flatten (o)
	}`, nil)
	if names := plainPairs(t, path); !slices.Equal(names, []string{"r"}) {
		t.Errorf("cuts %v, expected r", names)
	}
	for _, name := range []string{"i", "b", "p", "o"} {
		dir := filepath.Join(t.TempDir(), "b")
		if _, stderr, code := tryBnc(t, "split", path, "--after", name, "--plain", "-o", dir); code != exitUnusable || !strings.Contains(stderr, "ORT_ENABLE_EXTENDED") {
			t.Errorf("split --after %s: exit code %d, %s", name, code, stderr)
		}
	}
}

// TestNodeNames: ONNX Runtime refuses two nodes of one name, and bnc gives names
// to nodes where the model has none, or has those already, as a pair that is
// divided once more does.
func TestNodeNames(t *testing.T) {
	path := fromText(t, `<ir_version: 8, opset_import: ["" : 17]>
	net (float[N,2,4,4] x) => (float[N,32] y) <int64[1] zero = {0}, int64[1] rest = {-1}, int64[2] both = {0, -1}> {
		["bnc.codec"] a = MaxPool <kernel_shape = [1,1]> (x)
		["bnc.reduce.channel.conv"] b = Relu (a)
		["bnc.encode"] c = Exp (b)
		s = Shape (x)
		n = Gather (s, zero)
		m = Concat <axis = 0> (n, rest)
		["bnc.shape.m"] y = Reshape (c, m)
	}`, nil)
	splitBothWays(t, path, "a")
	splitBothWays(t, path, "b")
	dir := filepath.Join(t.TempDir(), "once")
	mustBnc(t, "split", path, "--after", "c", "--c", "2", "--s", "1", "-o", dir)
	joined := filepath.Join(dir, "bottlenet.onnx")
	plain := filepath.Join(t.TempDir(), "plain")
	mustBnc(t, "split", joined, "--after", "b", "--plain", "-o", plain)
	agreeAtBatches(t, plain, joined)
}
