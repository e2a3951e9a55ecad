package main

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/compiler/onnx"
	"github.com/bottlenet/bnc/internal/oracletest"
	"github.com/bottlenet/bnc/runtime/ort"
	"github.com/bottlenet/bnc/runtime/tensor"
)

// TestTrainWeightsOfArithmetic: a network whose file computes its weights learns as the one
// that has what ONNX Runtime computes as initializers.
func TestTrainWeightsOfArithmetic(t *testing.T) {
	set := stripes(t, 96, 40)
	path := fromText(t, `<ir_version: 8, opset_import: ["" : 17]>
	net (float[batch,1,12,12] x) => (float[batch,4] y) <`+initsFor("6,1,3,3 v 0 0.5; 6,1,1,1 l 1 0.2; 6 g 1 0.05; 6 b 0 0.05; 4,6 w 0 0.4; 2 c1 0 0.1; 2 c2 0 0.1")+`, int64[2] ax = {1, 2}> {
		n = ReduceL2 <axes = [1, 2, 3]> (v)
		u = Div (v, n)
		k = Mul (u, l)
		s = Unsqueeze (g, ax)
		h = Unsqueeze (b, ax)
		m = Transpose (w)
		j = Concat <axis = 0> (c1, c2)
		a = Conv <strides = [2,2], pads = [1,1,1,1]> (x, k)
		c = Mul (a, s)
		d = Add (c, h)
		r = Relu (d)
		p = GlobalAveragePool (r)
		f = Flatten (p)
		e = MatMul (f, m)
		y = Add (e, j)
	}`, nil)
	m, err := onnx.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	names := strings.Fields("k s h m j")
	asked, plain := m.Clone(), m.Clone()
	for _, name := range names {
		asked.Graph.AddOutput(asked.Graph.Value(name), nil)
	}
	for _, r := range oracletest.Compute(t, asked, ort.Feed{"x": oracletest.Noise(tensor.Float32, 1, 1, 1, 12, 12)})[1:] {
		plain.Graph.Freeze(plain.Graph.Value(r.Name), ir.NewTensor(ir.Float32, r.Tensor.Shape, ir.Memory(r.Tensor.Data)))
	}
	initial := filepath.Join(t.TempDir(), "plain.onnx")
	if err := onnx.Save(t.Context(), initial, plain, onnx.SaveOptions{}); err != nil {
		t.Fatal(err)
	}
	var after [2]map[string]string
	for i, file := range []string{initial, path} {
		out := filepath.Join(t.TempDir(), "trained.onnx")
		trained(t, slices.Concat([]string{file, "--data", set, "--keep-last", "-o", out}, few)...)
		after[i] = initsOf(t, out)
	}
	before := initsOf(t, initial)
	for _, name := range names {
		if after[0][name] == before[name] {
			t.Errorf("%s as an initializer does not learn", name)
		}
		if after[1][name] != after[0][name] {
			t.Errorf("%s, which the file computes, is not what it becomes as an initializer", name)
		}
	}
}

// TestTrainKeepsPositions: a grid that is added to activations stays as it is, and a
// line says so.
func TestTrainKeepsPositions(t *testing.T) {
	grid := make([]string, 36)
	for i := range grid {
		grid[i] = fmt.Sprint(float64(i%6)/6 + float64(i*i%7)/9)
	}
	path := fromText(t, `<ir_version: 8, opset_import: ["" : 17]>
	net (float[batch,1,12,12] x) => (float[batch,4] y) <`+initsFor("6,1,3,3 w1 0 0.5; 6,4 w2 0 0.4; 4 c 0 0.1")+`, float[1,1,6,6] grid = {`+strings.Join(grid, ",")+`}> {
		a = Conv <strides = [2,2], pads = [1,1,1,1]> (x, w1)
		g = Add (a, grid)
		r = Relu (g)
		p = GlobalAveragePool (r)
		f = Flatten (p)
		y = Gemm (f, w2, c)
	}`, nil)
	set, out := stripes(t, 64, 24), filepath.Join(t.TempDir(), "trained.onnx")
	_, stderr, code := tryBnc(t, slices.Concat([]string{"train", path, "--data", set, "--keep-last", "-o", out}, few)...)
	if code != exitDone || !strings.Contains(stderr, `1 constants that are added to activations or multiplied with them stay as they are, "grid" among them`) {
		t.Fatalf("exit code %d\n%s", code, stderr)
	}
	if got := changed(initsOf(t, path), initsOf(t, out)); !slices.Equal(got, []string{"c", "w1", "w2"}) {
		t.Errorf("%v changed", got)
	}
}

// TestTrainBuiltInBatch trains networks whose batch size of 1 cannot be made symbolic,
// one image a step, to tell the stripes; and a bundle of each.
func TestTrainBuiltInBatch(t *testing.T) {
	plugin(t)
	set := stripes(t, 192, 80)
	for _, c := range []struct{ name, inits, front string }{
		{"a range of all images", ``, `q, sc, z = DynamicQuantizeLinear (x) u = DequantizeLinear (q, sc, z)`},
		{"recurrent", `; 1,12,12 wi 0 0.5; 1,12,12 wr 0 0.1`, `t = Reshape (x, rows) o = RNN <hidden_size = 12> (t, wi, wr) u = Reshape (o, image)`},
	} {
		path := fromText(t, `<ir_version: 8, opset_import: ["" : 17]>
		net (float[1,1,12,12] x) => (float[1,4] y) <`+initsFor("8,1,3,3 w1 0 0.5; 8 b1 0.1 0.05; 8,8,3,3 w2 0 0.2; 8 b2 0.1 0.05; 8,4 w3 0 0.4; 4 b3 0 0.05"+c.inits)+`,
			int64[3] rows = {12, 1, 12}, int64[4] image = {1, 1, 12, 12}> {
			`+c.front+`
			a = Conv <strides = [2,2], pads = [1,1,1,1]> (u, w1, b1)
			r = Relu (a)
			d = Conv <pads = [1,1,1,1]> (r, w2, b2)
			s = Relu (d)
			p = GlobalAveragePool (s)
			f = Flatten (p)
			y = Gemm (f, w3, b3)
		}`, nil)
		out := filepath.Join(t.TempDir(), "trained.onnx")
		r := trained(t, path, "--data", set, "--epochs", "8", "--lr", "0.004", "--flip", "off", "-o", out)
		t.Logf("%s: %+v", c.name, r.Epochs[len(r.Epochs)-1])
		// Four classes: chance is 0.25 and, of 80 images, 0.5 is five deviations above.
		if *r.Top1 < 0.5 {
			t.Errorf("%s: top-1 %v", c.name, *r.Top1)
		}
		if again := evaluated(t, out, "--data", set); *again.Top1 != *r.Top1 || again.N != 80 {
			t.Errorf("%s: bnc eval says %v of %d, bnc train %v", c.name, *again.Top1, again.N, *r.Top1)
		}
		dir := splitAt(t, out, "--c", "2", "--s", "1")
		b := trained(t, dir, "--data", set, "--epochs", "2", "--batch", "16", "--distill", "--freeze", "backbone", "--keep-last")
		if b.Epochs[1].Loss >= b.Epochs[0].Loss {
			t.Errorf("%s: the bundle's loss goes from %v to %v", c.name, b.Epochs[0].Loss, b.Epochs[1].Loss)
		}
	}
}
