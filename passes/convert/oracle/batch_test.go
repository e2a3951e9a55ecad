//go:build cgo

package oracle

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/compiler/onnx"
	"github.com/bottlenet/bnc/compiler/onnxtext"
	"github.com/bottlenet/bnc/internal/oracletest"
	"github.com/bottlenet/bnc/internal/rttest"
	"github.com/bottlenet/bnc/passes/convert"
	"github.com/bottlenet/bnc/passes/grad"
	"github.com/bottlenet/bnc/passes/opt"
	"github.com/bottlenet/bnc/runtime/ort"
	"github.com/bottlenet/bnc/runtime/tensor"
)

// rowTolerance is how far a row of a batch may be from the image on its own,
// relative to the largest number: float32 sums of up to some ten thousand
// products, which matrix kernels add in another order when there are more rows.
const rowTolerance = 1e-5

// rowsOf returns images number i*n up to (i+1)*n of t.
func rowsOf(t *tensor.Tensor, i, n int64) *tensor.Tensor {
	shape := slices.Clone(t.Shape)
	size := int64(len(t.Data)) / shape[0] * n
	shape[0] = n
	return &tensor.Tensor{DType: t.DType, Shape: shape, Data: t.Data[i*size : (i+1)*size]}
}

// checkBatch runs prepared on three times the images that m has built in, and m
// on a third each: every output has to have the rows that m gives.
func checkBatch(t *testing.T, m, prepared *ir.Model, tolerance float64) {
	t.Helper()
	const times = 3
	feed, parts := ort.Feed{}, [times]ort.Feed{{}, {}, {}}
	for i, v := range m.Graph.Feeds() {
		var shape []int64
		dims, _ := v.Shape()
		for _, d := range dims {
			shape = append(shape, max(d.N, 3))
			if d.Symbol == "" {
				shape[len(shape)-1] = d.N
			}
		}
		built := shape[0]
		shape[0] *= times
		x := oracletest.Noise(tensor.DType(v.DType()), uint64(i+1), shape...)
		feed[v.Name()] = x
		for k := range parts {
			parts[k][v.Name()] = rowsOf(x, int64(k), built)
		}
	}
	got := oracletest.Compute(t, prepared, feed)
	var first []*tensor.Tensor
	for k, part := range parts {
		for i, want := range oracletest.Compute(t, m, part) {
			if got[i].Tensor.Shape[0] != times*want.Tensor.Shape[0] {
				t.Fatalf("output %s is %v, expected %d times the rows of %v", want.Name, got[i].Tensor.Shape, times, want.Tensor.Shape)
			}
			row := rowsOf(got[i].Tensor, int64(k), want.Tensor.Shape[0])
			if d := oracletest.Far(row, want.Tensor); d > tolerance {
				t.Errorf("output %s, row %d: off by %g of its size, tolerance %g", want.Name, k, d, tolerance)
			}
			if k == 0 {
				first = append(first, want.Tensor)
			} else if oracletest.Far(first[i], want.Tensor) <= 2*tolerance {
				t.Errorf("output %s is the same for images 0 and %d: this compares nothing", want.Name, k)
			}
		}
	}
}

// batchGraph is a graph of input x, float [B,4,6,6], and perhaps w; P stands for 36*B, Q
// for 4*B.
type batchGraph struct{ name, weights, graph string }

// fixedBatches are graphs that exporters write for a batch size that is built in.
var fixedBatches = []batchGraph{
	{"a target with -1", ``, `s = Constant <value_ints = [B, -1]> () y = Reshape (x, s)`},
	{"a target without -1", ``, `s = Constant <value_ints = [B, 144]> () y = Reshape (x, s)`},
	{"a target shared with weights", `float[B,144] w`, `s = Constant <value_ints = [B, 144]> () r = Reshape (w, s) q = ReduceMean <axes = [0], keepdims = 1> (r) a = Reshape (x, s) y = Mul (a, q)`},
	{"allowzero", ``, `s = Constant <value_ints = [B, 144]> () y = Reshape <allowzero = 1> (x, s)`},
	{"a channel shuffle", ``, `s = Constant <value_ints = [B, 2, 2, 6, 6]> () r = Constant <value_ints = [B, 4, 6, 6]> ()
		a = Reshape (x, s) b = Transpose <perm = [0, 2, 1, 3, 4]> (a) y = Reshape (b, r)`},
	{"a channel shuffle with -1", ``, `s = Constant <value_ints = [B, 2, -1, 6, 6]> () r = Constant <value_ints = [B, -1, 6, 6]> ()
		a = Reshape (x, s) b = Transpose <perm = [0, 2, 1, 3, 4]> (a) y = Reshape (b, r)`},
	{"squeeze and excite", `float[4,4] w`, `s = Constant <value_ints = [B, 4]> () r = Constant <value_ints = [B, 4, 1, 1]> ()
		p = GlobalAveragePool (x) a = Reshape (p, s) b = Gemm (a, w) c = Reshape (b, r) g = Sigmoid (c) y = Mul (x, g)`},
	{"places as rows and back", `float[4,3] w`, `s = Constant <value_ints = [P, 4]> () r = Constant <value_ints = [B, 6, 6, 3]> ()
		a = Transpose <perm = [0, 2, 3, 1]> (x) b = Reshape (a, s) c = MatMul (b, w) y = Reshape (c, r)`},
	{"places as rows and back, -1 elsewhere", `float[4,3] w`, `s = Constant <value_ints = [-1, 4]> () r = Constant <value_ints = [B, -1, 3]> ()
		a = Transpose <perm = [0, 2, 3, 1]> (x) b = Reshape (a, s) c = MatMul (b, w) y = Reshape (c, r)`},
	{"batch and channels as one", ``, `s = Constant <value_ints = [1, Q, 6, 6]> () r = Constant <value_ints = [B, 4, 6, 6]> () a = Reshape (x, s) b = Relu (a) y = Reshape (b, r)`},
	{"attention", ``, `s = Constant <value_ints = [B, 4, 36]> () a = Reshape (x, s) b = Transpose <perm = [0, 2, 1]> (a) c = MatMul (a, b) d = Softmax (c) y = MatMul (d, a)`},
	{"the batch in the middle", ``, `s = Constant <value_ints = [B, 4, 36]> () r = Constant <value_ints = [4, B, 6, 6]> () a = Reshape (x, s) b = Transpose <perm = [1, 0, 2]> (a)
		c = Relu (b) d = Reshape (c, r) y = Transpose <perm = [1, 0, 2, 3]> (d)`},
	{"a target of Shape and a number", ``, `n = Constant <value_ints = [B]> () i = Constant <value_int = 1> () m = Constant <value_ints = [-1]> () ax = Constant <value_ints = [0]> ()
		h = Shape (x) c = Gather (h, i) d = Unsqueeze (c, ax) s = Concat <axis = 0> (n, d, m) y = Reshape (x, s)`},
	{"a target of Shape", ``, `i = Constant <value_int = 0> () m = Constant <value_ints = [-1]> () ax = Constant <value_ints = [0]> ()
		h = Shape (x) c = Gather (h, i) d = Unsqueeze (c, ax) s = Concat <axis = 0> (d, m) y = Reshape (x, s)`},
	{"Resize to sizes", ``, `s = Constant <value_ints = [B, 4, 9, 12]> () y = Resize (x, , , s)`},
	{"Resize to computed sizes", ``, `s = Constant <value_ints = [9, 12]> () z = Constant <value_ints = [0]> () e = Constant <value_ints = [2]> ()
		h = Shape (x) a = Slice (h, z, e) b = Concat <axis = 0> (a, s) y = Resize (x, , , b)`},
	{"Expand", ``, `s = Constant <value_ints = [B, 4, 6, 6]> () p = GlobalAveragePool (x) y = Expand (p, s)`},
	{"pad, slice, split, concatenate", ``, `p = Constant <value_ints = [0, 0, 1, 1, 0, 0, 1, 1]> () b = Constant <value_ints = [1]> () e = Constant <value_ints = [9]> () ax = Constant <value_ints = [2]> ()
		c = Pad (x, p) d = Slice (c, b, e, ax) f, g = Split <axis = 1> (d) y = Concat <axis = 1> (g, f, f)`},
}

// joinedBatches are such graphs for a batch of one image, which constants join.
var joinedBatches = []batchGraph{
	{"zeros behind the channels", ``, `s = Constant <value_ints = [B, 3, 6, 6]> () z = ConstantOfShape (s) y = Concat <axis = 1> (x, z)`},
	{"a row in front", `float[B,4,1,6] w`, `y = Concat <axis = 2> (w, x)`},
	{"a class token", `float[B,1,4] w`, `s = Constant <value_ints = [B, 4, 36]> () a = Reshape (x, s) b = Transpose <perm = [0, 2, 1]> (a) c = Concat <axis = 1> (w, b) y = Relu (c)`},
	{"the batch in the middle", `float[2,B,36] w`, `s = Constant <value_ints = [B, 4, 36]> () a = Reshape (x, s) b = Transpose <perm = [1, 0, 2]> (a) c = Concat <axis = 0> (b, w) y = Transpose <perm = [1, 0, 2]> (c)`},
}

func TestSymbolicBatchRows(t *testing.T) {
	rttest.Plugin(t)
	for i, c := range slices.Concat(fixedBatches, joinedBatches) {
		for _, size := range []int64{1, 8} {
			if i >= len(fixedBatches) && size > 1 {
				continue // each image of a batch has another constant
			}
			t.Run(fmt.Sprintf("%s, %d", c.name, size), func(t *testing.T) {
				graph := fmt.Sprintf("<ir_version: 8, opset_import: [\"\" : 17]>\ng (float[B,4,6,6] x) => (y) { %s }", c.graph)
				if c.weights != "" {
					graph = strings.Replace(graph, " x)", " x, "+c.weights+")", 1)
				}
				m, err := onnxtext.Parse(strings.NewReplacer("[B", fmt.Sprintf("[%d", size), ", B", fmt.Sprintf(", %d", size), ",B,", fmt.Sprintf(",%d,", size), "[P", fmt.Sprintf("[%d", 36*size),
					"1, Q", fmt.Sprintf("1, %d", 4*size)).Replace(graph))
				if err != nil {
					t.Fatal(err)
				}
				if w := m.Graph.Value("w"); w != nil {
					dims, _ := w.Shape()
					var shape []int64
					for _, d := range dims {
						shape = append(shape, d.N)
					}
					m.Graph.SetInit(w, ir.Float32s(tensor.Slice[float32](oracletest.Noise(tensor.Float32, 9, shape...)), shape...))
					m.Graph.UnlistInput(w)
				}
				prepared := m.Clone()
				oracletest.Apply(t, prepared, convert.SymbolicBatch)
				checkBatch(t, m, prepared, rowTolerance)
			})
		}
	}
}

// randomise gives a model's float32 weights seeded random numbers that keep the
// signal's scale (He et al. 2015): the published light models have constants.
func randomise(t *testing.T, m *ir.Model) {
	oracletest.Apply(t, m, convert.Initializers, opt.FoldConstants)
	r := rand.New(rand.NewPCG(1, 1))
	positive := map[*ir.Value]bool{}
	for _, n := range m.Graph.Nodes() {
		if n.Op == "BatchNormalization" {
			positive[n.Input(1)], positive[n.Input(4)] = true, true // factors and variances
		}
	}
	for _, v := range m.Graph.Inits() {
		dims := v.Init().Dims()
		if v.DType() != ir.Float32 {
			continue
		}
		w := make([]float32, v.Init().Len())
		for i := range w {
			switch {
			case positive[v]:
				w[i] = 0.5 + r.Float32()
			case len(dims) < 2: // biases and means
				w[i] = float32(0.1 * r.NormFloat64())
			default:
				w[i] = float32(r.NormFloat64() * math.Sqrt(2*float64(dims[0])/float64(len(w))))
			}
		}
		m.Graph.SetInit(v, ir.Float32s(w, dims...))
	}
}

// TestPrepareFoundModels takes published models through both passes.
func TestPrepareFoundModels(t *testing.T) {
	rttest.Plugin(t)
	for _, c := range []struct {
		file      string
		random    bool
		tolerance float64
		softmax   bool
		classes   int64
	}{
		// Probabilities as uint8: one step where one lies between two.
		{"imagenet/mobilenetv2_tf.onnx", false, 1, true, 1001},
		{"light/light_densenet121.onnx", true, rowTolerance, false, 1000},
		{"light/light_inception_v1.onnx", true, rowTolerance, true, 1000},
		{"light/light_inception_v2.onnx", true, rowTolerance, true, 1000},
		{"light/light_resnet50.onnx", true, rowTolerance, true, 1000},
		{"light/light_shufflenet.onnx", true, rowTolerance, true, 1000},
		{"light/light_squeezenet.onnx", true, rowTolerance, true, 1000},
	} {
		t.Run(c.file, func(t *testing.T) {
			m, err := onnx.Load(rttest.Shared(t, "models/"+c.file))
			if err != nil {
				t.Fatal(err)
			}
			if c.random {
				randomise(t, m)
			}
			prepared := m.Clone()
			oracletest.Apply(t, prepared, convert.SymbolicBatch, convert.Upgrade(17))
			h, err := grad.Logits(grad.Want{}, prepared)
			if err != nil {
				t.Fatal(err)
			}
			s := h.Scores[0]
			if c.random { // the probabilities of random weights are 0 and 1
				prepared.Graph.SetOutputs(s.Value)
				m.Graph.SetOutputs(m.Graph.Value(s.Value.Name()))
			}
			checkBatch(t, m, prepared, c.tolerance)
			if (s.Softmax != nil) != c.softmax || s.Classes != c.classes {
				t.Errorf("%d classes, softmax %v; expected %d, %v", s.Classes, s.Softmax, c.classes, c.softmax)
			}
		})
	}
}
