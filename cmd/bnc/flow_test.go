package main

import (
	"context"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/bottlenet/bnc/compiler/onnx"
	"github.com/bottlenet/bnc/compiler/onnxpb"
	"github.com/bottlenet/bnc/runtime/bundle"
	"github.com/bottlenet/bnc/runtime/ort"
	"github.com/bottlenet/bnc/runtime/tensor"
	"google.golang.org/protobuf/proto"
)

// batchOf draws n images of 3 x 32 x 32.
func batchOf(n int64, seed uint64) ort.Feed {
	r := rand.New(rand.NewPCG(11, seed))
	v := make([]float32, n*3*32*32)
	for i := range v {
		v[i] = float32(r.NormFloat64())
	}
	return ort.Feed{"x": tensor.Of([]int64{n, 3, 32, 32}, v)}
}

// same compares the two on a batch of n.
func same(t *testing.T, got, want *bundle.Runner, n int64) {
	t.Helper()
	feed := batchOf(n, 1)
	other := runOn(t, want, batchOf(n, 2))
	if message := differ(runOn(t, want, feed), runOn(t, got, feed), other, true); message != "" {
		t.Error(message)
	}
}

// TestInputShapeBehindTheCut cuts networks whose last Reshape reads Shape(input): as
// exporters write it for a dynamic batch. Behind the cut the input is gone.
func TestInputShapeBehindTheCut(t *testing.T) {
	const head = `<ir_version: 8, opset_import: ["" : 17]>
	net (float[BATCH,3,32,32] x) => (float[BATCH,4] y)
	<float[4,3,1,1] w = {1,2,3, -4,5,6, 7,-8,9, 1,0,2}, int64[1] zero = {0}, int64[1] rest = {-1}> {
		a = Conv <strides = [2,2]> (x, w)
		b = Relu (a)
		p = GlobalAveragePool (b)
		shape = Shape (x)
		n = Gather (shape, zero)
		target = Concat <axis = 0> (n, rest)
		y = Reshape (p, target)
	}`
	for _, c := range []struct {
		dim     string
		batches []int64
		shape   bool // Shape is left on the cloud side
	}{{"batch", []int64{1, 3}, true}, {"2", []int64{2}, false}} {
		path := fromText(t, strings.ReplaceAll(head, "BATCH", c.dim), nil)
		whole := open(t, path)
		for _, flags := range [][]string{{"--plain"}, {"--c", "2"}} {
			dir := filepath.Join(t.TempDir(), "pair")
			mustBnc(t, append([]string{"split", path, "--after", "b", "-o", dir}, flags...)...)
			pair, reference := open(t, dir), whole
			if flags[0] != "--plain" {
				reference = open(t, filepath.Join(dir, "bottlenet.onnx"))
			}
			for _, n := range c.batches {
				same(t, pair, reference, n)
			}
			m, err := onnx.Load(filepath.Join(dir, "cloud.onnx"))
			if err != nil {
				t.Fatal(err)
			}
			found := false
			for _, n := range m.Graph.Nodes() {
				found = found || n.Op == "Shape"
			}
			if found != c.shape {
				t.Errorf("batch %s %v: Shape in the cloud graph is %v", c.dim, flags, found)
			}
		}
	}
}

// TestShapeThatIsLost has a size behind the cut that the cut tensor cannot tell.
func TestShapeThatIsLost(t *testing.T) {
	path := fromText(t, `<ir_version: 8, opset_import: ["" : 17]>
	net (float[batch,3,height,32] x) => (float[batch,4,height,1] y)
	<float[4,3,1,1] w = {1,2,3, -4,5,6, 7,-8,9, 1,0,2}, int64[1] two = {2}, int64[2] front = {1,1}, int64[1] back = {1}> {
		a = Conv (x, w)
		b = Relu (a)
		p = GlobalAveragePool (b)
		e = Exp (p)
		shape = Shape (x)
		h = Gather (shape, two)
		target = Concat <axis = 0> (front, h, back)
		y = Expand (e, target)
	}`, nil)
	mustBnc(t, "split", path, "--after", "b", "--plain", "-o", filepath.Join(t.TempDir(), "b"))
	_, stderr, code := tryBnc(t, "split", path, "--after", "e", "--plain", "-o", filepath.Join(t.TempDir(), "e"))
	if code != exitUnusable || !strings.Contains(stderr, "these tensors would cross: e, x") {
		t.Errorf("exit code %d: %s", code, stderr)
	}
}

// TestSeveralInputsAndOutputs: outputs that are computed before the cut leave
// with the mobile graph, every output keeps its name and place.
func TestSeveralInputsAndOutputs(t *testing.T) {
	path := fromText(t, `<ir_version: 8, opset_import: ["" : 17]>
	net (float[batch,3,32,32] x, float[batch,1] gain) => (float[batch,2,16,16] late, float[batch,1] small, float[batch,3,16,16] early, int64[4] size)
	<float[3,3,1,1] w = {1,2,3, -4,5,6, 7,-8,9}, float[2,3,1,1] v = {1,2,3, 4,-5,6}> {
		a = Conv <strides = [2,2]> (x, w)
		early = Sigmoid (a)
		b = Relu (a)
		size = Shape (b)
		late = Conv (b, v)
		small = Neg (gain)
	}`, nil)
	whole := open(t, path)
	feed := batchOf(2, 1)
	feed["gain"] = tensor.Of([]int64{2, 1}, []float32{3, 4})
	for _, flags := range [][]string{{"--plain"}, {"--c", "3", "--s", "1"}} {
		dir := filepath.Join(t.TempDir(), "pair")
		mustBnc(t, append([]string{"split", path, "--after", "b", "-o", dir}, flags...)...)
		pair := open(t, dir)
		if got := pair.Outputs(); !slices.Equal(got, []string{"late", "small", "early", "size"}) {
			t.Errorf("%v: outputs %v", flags, got)
		}
		m, err := onnx.Load(filepath.Join(dir, "mobile.onnx"))
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, p := range m.Graph.Outputs() {
			names = append(names, p.Value.Name())
		}
		if !slices.Equal(names[1:], []string{"small", "early", "size"}) && !slices.Equal(names[len(names)-3:], []string{"small", "early", "size"}) {
			t.Errorf("%v: the mobile graph has the outputs %v", flags, names)
		}
		want, err := whole.Run(context.Background(), feed)
		if err != nil {
			t.Fatal(err)
		}
		got, err := pair.Run(context.Background(), feed)
		if err != nil {
			t.Fatal(err)
		}
		for i, w := range want.Outputs {
			if flags[0] != "--plain" && w.Name == "late" {
				continue // behind the bottleneck
			}
			a, _ := w.Tensor.Floats()
			b, _ := got.Outputs[i].Tensor.Floats()
			for k := range a {
				if d := a[k] - b[k]; d > 1e-5 || d < -1e-5 { // float32, sums of three products
					t.Errorf("%v: output %s differs by %g", flags, w.Name, d)
					break
				}
			}
		}
	}
}

// TestRandomNodesStayOnOneSide: a copy on each side would draw other numbers.
func TestRandomNodesStayOnOneSide(t *testing.T) {
	path := fromText(t, `<ir_version: 8, opset_import: ["" : 17]>
	net (float[1,3,32,32] x) => (float[1,3,32,32] y) {
		noise = RandomNormal <shape = [1,3,32,32]> ()
		a = Relu (x)
		b = Add (a, noise)
		c = Exp (b)
		y = Add (c, noise)
	}`, nil)
	if cuts := inspected(t, path).Cuts; len(cuts) != 0 {
		t.Errorf("cuts %v, though the noise goes around each", cuts)
	}
}

// TestNewerThanTheRuntime: the target brings IR and operator set down.
func TestNewerThanTheRuntime(t *testing.T) {
	path := fromText(t, imageNet, func(m *onnxpb.ModelProto) {
		m.IrVersion = proto.Int64(13)
		m.OpsetImport[0].Version = proto.Int64(21)
	})
	dir := filepath.Join(t.TempDir(), "pair")
	mustBnc(t, "split", path, "--after", "a", "--c", "3", "--target", "tx2", "-o", dir)
	m, err := onnx.Load(filepath.Join(dir, "mobile.onnx"))
	if err != nil {
		t.Fatal(err)
	}
	if m.IRVersion() > 7 || m.Opset("") > 13 {
		t.Errorf("IR %d, operator set %d", m.IRVersion(), m.Opset(""))
	}
}
