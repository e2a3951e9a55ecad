//go:build cgo

package oracle

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/internal/oracletest"
	"github.com/bottlenet/bnc/internal/rttest"
	"github.com/bottlenet/bnc/passes/bottleneck"
	"github.com/bottlenet/bnc/passes/grad"
	"github.com/bottlenet/bnc/runtime/feed"
	"github.com/bottlenet/bnc/runtime/ort"
	"github.com/bottlenet/bnc/runtime/tensor"
	"github.com/bottlenet/bnc/runtime/train"
)

// options are those of a training of labels, at a rate.
func options(t *testing.T) grad.BuildOptions {
	return grad.BuildOptions{
		Loss: grad.Loss{Kind: grad.CrossEntropy}, Opt: grad.Optimizer{Kind: grad.SGD, Momentum: 0.9}, Rate: 0.05, Freeze: "none", Batch: 12, Images: 96, Original: true,
		Compute: func(_ context.Context, m *ir.Model) (map[string]*ir.Tensor, error) {
			values := map[string]*ir.Tensor{}
			for _, r := range oracletest.Compute(t, m, ort.Feed{m.Graph.Feeds()[0].Name(): tensor.Of([]int64{1}, []float32{0})}) {
				values[r.Name] = ir.NewTensor(ir.Float32, r.Tensor.Shape, ir.Memory(r.Tensor.Data))
			}
			return values, nil
		},
		Fit:    func(*grad.Scores) error { return nil },
		Notice: t.Logf,
	}
}

// lesson opens what Build makes of a student and a teacher.
func lesson(t *testing.T, student, teacher *ir.Model, o grad.BuildOptions) *train.Trainer {
	t.Helper()
	p, err := grad.Build(t.Context(), student, teacher, o)
	if err != nil {
		t.Fatal(err)
	}
	var measuring *ort.Session
	if p.Statistics != nil {
		measuring = oracletest.Open(t, p.Statistics, ort.Options{})
	}
	trainer, err := train.NewTrainer(oracletest.Open(t, p.Step, ort.Options{}), measuring, p.Initial)
	if err != nil {
		t.Fatal(err)
	}
	return trainer
}

// drawnBatch is a batch of 12 images of 12 x 12, of four classes.
func drawnBatch() *feed.Batch {
	b := &feed.Batch{X: oracletest.Normal(rand.New(rand.NewPCG(8, 1)), 12, 1, 12, 12)}
	for i := range int64(12) {
		b.Labels = append(b.Labels, i%4)
	}
	return b
}

// learnt trains a network for five steps and returns what became of the constants that
// learn, by the node and input that reads them.
func learnt(t *testing.T, m *ir.Model) map[string][]float32 {
	t.Helper()
	oracletest.Apply(t, m, grad.Learnable...)
	o := options(t)
	trainer := lesson(t, m, nil, o)
	for range 5 {
		if _, err := trainer.Step(t.Context(), drawnBatch(), o.Rate); err != nil {
			t.Fatal(err)
		}
	}
	if err := trainer.Measure(t.Context(), &fewBatches{drawnBatch().X}); err != nil {
		t.Fatal(err)
	}
	weights, by := trainer.Params(), map[string][]float32{}
	for _, n := range m.Graph.Nodes() {
		for i, v := range n.Inputs() {
			if v != nil && weights[v.Name()] != nil {
				by[fmt.Sprint(n.Output(0).Name(), ".", i)] = weights[v.Name()]
			}
		}
	}
	return by
}

// learnAlike demands that two forms of one network learn the same, to the bit: the
// operators of their steps are the same.
func learnAlike(t *testing.T, got, want map[string][]float32, constants int) {
	t.Helper()
	if len(want) != constants || len(got) != len(want) {
		t.Errorf("%d and %d constants learn, expected %d", len(got), len(want), constants)
	}
	for at, w := range want {
		if !slices.Equal(got[at], w) {
			t.Errorf("%s became %v, expected %v", at, got[at], w)
		}
	}
}

// stripesNet is a small network with two normalisations.
const stripesNet = `<ir_version: 8, opset_import: ["" : 17]>
net (float[batch,1,12,12] x) => (float[batch,4] y) <INITS> {
	a = Conv <strides = [2,2], pads = [1,1,1,1]> (x, w1)
	n = BatchNormalization (a, NORM1)
	r = Relu (n)
	c = Conv <pads = [1,1,1,1]> (r, w2)
	m = BatchNormalization (c, NORM2)
	q = Relu (m)
	p = GlobalAveragePool (q)
	f = Flatten (p)
	y = Gemm <transB = 1> (f, w3, b3)
}`

var stripesInits = []constant{{"w1", []int64{6, 1, 3, 3}}, {"w2", []int64{6, 6, 3, 3}}, {"w3", []int64{4, 6}}, {"b3", []int64{4}}}

// normalised is stripesNet with arrays of their own for the normalisations.
var (
	normalised      = strings.NewReplacer("NORM1", "g1, b1, mean1, var1", "NORM2", "g2, b2, mean2, var2").Replace(stripesNet)
	normalisedInits = slices.Concat(stripesInits, []constant{
		{"g1", []int64{6}}, {"b1", []int64{6}}, {"mean1", []int64{6}}, {"var1", []int64{6}},
		{"g2", []int64{6}}, {"b2", []int64{6}}, {"mean2", []int64{6}}, {"var2", []int64{6}},
	})
)

// TestBuildMerged: that arrays were merged because they were equal at the start, as
// exporters do, changes nothing of what a network learns.
func TestBuildMerged(t *testing.T) {
	ones, zeros := "{1,1,1,1,1,1}", "{0,0,0,0,0,0}"
	var by []map[string][]float32
	for _, c := range []struct{ norm1, norm2, arrays string }{
		{"g1, b1, mean1, var1", "g2, b2, mean2, var2", "float[6] g1 = ONE, float[6] b1 = ZERO, float[6] mean1 = ZERO, float[6] var1 = ONE, float[6] g2 = ONE, float[6] b2 = ZERO, float[6] mean2 = ZERO, float[6] var2 = ONE"},
		{"one, zero, zero, one", "one, zero, zero, one", "float[6] one = ONE, float[6] zero = ZERO"},
	} {
		text := strings.NewReplacer("NORM1", c.norm1, "NORM2", c.norm2, "INITS", strings.NewReplacer("ONE", ones, "ZERO", zeros).Replace(c.arrays)+", INITS").Replace(stripesNet)
		by = append(by, learnt(t, networkOf(t, text, stripesInits)))
	}
	learnAlike(t, by[1], by[0], 12)
}

// TestBuildFunctions: a network that is written with functions learns as the one without.
func TestBuildFunctions(t *testing.T) {
	called := `<ir_version: 8, opset_import: ["" : 17, "my" : 1]>
	net (float[batch,1,12,12] x) => (float[batch,4] y) <INITS> {
		r = my.Block <strides = [2,2]> (x, w1, g1, b1, mean1, var1)
		q = my.Block (r, w2, g2, b2, mean2, var2)
		p = GlobalAveragePool (q)
		f = Flatten (p)
		y = Gemm <transB = 1> (f, w3, b3)
	}
	<domain: "my", opset_import: ["" : 17]> Block <strides: ints = [1,1]> (x, w, g, b, m, v) => (r) {
		a = Conv <strides: ints = @strides, pads = [1,1,1,1]> (x, w)
		n = BatchNormalization (a, g, b, m, v)
		r = Relu (n)
	}`
	var by [2]map[string][]float32
	for i, text := range []string{normalised, called} {
		by[i] = map[string][]float32{}
		m := networkOf(t, text, normalisedInits)
		for at, w := range learnt(t, m) { // tensors within functions have names of their own
			for _, n := range m.Graph.Nodes() {
				if rest, ok := strings.CutPrefix(at, n.Output(0).Name()+"."); ok {
					by[i][n.Input(int(rest[0]-'0')).Name()] = w
				}
			}
		}
	}
	learnAlike(t, by[1], by[0], 12)
}

// TestBuildComputedWeights: a network whose file computes its weights learns as the one
// that has what ONNX Runtime computes as initializers.
func TestBuildComputedWeights(t *testing.T) {
	m := networkOf(t, `<ir_version: 8, opset_import: ["" : 17]>
	net (float[batch,1,12,12] x) => (float[batch,4] y) <int64[2] ax = {1, 2}, INITS> {
		n = ReduceL2 <axes = [1, 2, 3]> (w)
		u = Div (w, n)
		k = Mul (u, gl)
		s = Unsqueeze (g, ax)
		h = Unsqueeze (b, ax)
		m = Transpose (w2)
		j = Concat <axis = 0> (b1, b2)
		a = Conv <strides = [2,2], pads = [1,1,1,1]> (x, k)
		c = Mul (a, s)
		d = Add (c, h)
		r = Relu (d)
		p = GlobalAveragePool (r)
		f = Flatten (p)
		e = MatMul (f, m)
		y = Add (e, j)
	}`, []constant{{"w", []int64{6, 1, 3, 3}}, {"gl", []int64{6, 1, 1, 1}}, {"g", []int64{6}}, {"b", []int64{6}}, {"w2", []int64{4, 6}}, {"b1", []int64{2}}, {"b2", []int64{2}}})
	asked, plain := m.Clone(), m.Clone()
	for _, name := range strings.Fields("k s h m j") {
		asked.Graph.AddOutput(asked.Graph.Value(name), nil)
	}
	for _, r := range oracletest.Compute(t, asked, ort.Feed{"x": oracletest.Noise(tensor.Float32, 1, 1, 1, 12, 12)})[1:] {
		plain.Graph.Freeze(plain.Graph.Value(r.Name), ir.NewTensor(ir.Float32, r.Tensor.Shape, ir.Memory(r.Tensor.Data)))
	}
	learnAlike(t, learnt(t, m), learnt(t, plain), 5)
}

// TestBuildHalf: a float16 network learns as the float32 network of the same weights.
func TestBuildHalf(t *testing.T) {
	var by []map[string][]float32
	for _, half := range []bool{false, true} {
		m := networkOf(t, normalised, normalisedInits)
		for _, v := range m.Graph.Inits() {
			f, err := v.Init().Floats()
			if err != nil {
				t.Fatal(err)
			}
			rounded, err := ir.FloatsAs(ir.Float16, f, v.Init().Dims()...)
			if err != nil {
				t.Fatal(err)
			}
			if !half {
				if f, err = rounded.Floats(); err != nil {
					t.Fatal(err)
				}
				rounded = ir.Float32s(f, v.Init().Dims()...)
			}
			m.Graph.SetInit(v, rounded)
		}
		if half {
			for _, name := range []string{"x", "y"} {
				v := m.Graph.Value(name)
				dims, _ := v.Shape()
				m.Graph.SetType(v, ir.TensorType(ir.Float16, dims))
			}
		}
		by = append(by, learnt(t, m))
	}
	learnAlike(t, by[1], by[0], 12)
}

// TestBuildTeaches: the loss of a first step is what ONNX Runtime's answers of student
// and teacher give: the mean squared difference of their scores, and of the restored and
// the cut tensor in relation to that one's mean square.
func TestBuildTeaches(t *testing.T) {
	rttest.Plugin(t)
	m := networkOf(t, normalised, normalisedInits)
	other := m.Clone() // a teacher with other scores
	w := other.Graph.Value("b3")
	other.Graph.SetInit(w, ir.Float32s([]float32{1, -2, 3, 0.5}, 4))
	x := ort.Feed{"x": drawnBatch().X}
	answers := func(m *ir.Model, outputs ...string) (values [][]float64) {
		m = m.Clone()
		for _, name := range outputs {
			if v := m.Graph.Value(name); !v.IsOutput() {
				m.Graph.AddOutput(v, nil)
			}
		}
		results, err := oracletest.Open(t, m, ort.Options{}).Run(t.Context(), x)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range outputs {
			y, err := results.Tensor(name)
			if err != nil {
				t.Fatal(err)
			}
			values = append(values, oracletest.Floats(t, y))
		}
		return values
	}
	squares := func(a, b []float64) float64 {
		apart, _ := oracletest.Distance(a, b)
		return apart * apart / float64(len(a))
	}
	joined := oracletest.Split(t, m, oracletest.Bottleneck{After: "r", Channels: 2, Stride: 2}).Bottlenet
	anatomy, err := bottleneck.Anatomy(joined)
	if err != nil {
		t.Fatal(err)
	}
	restored := anatomy[0].Restored.Name()
	whole, bundle := answers(m, "y", "r"), answers(joined, "y", restored)
	feature := squares(bundle[1], whole[1]) / squares(whole[1], make([]float64, len(whole[1])))
	for _, c := range []struct {
		name             string
		student, teacher *ir.Model
		change           func(*grad.BuildOptions)
		loss             float64
	}{
		{"itself", m, m, func(o *grad.BuildOptions) { o.OwnTeacher = true }, 0},
		{"another", m, other, nil, squares(answers(m, "y")[0], answers(other, "y")[0])},
		{"the network without its bottleneck", joined, joined, func(o *grad.BuildOptions) { o.OwnTeacher, o.FeatureWeight = true, new(0.0) }, squares(bundle[0], whole[0])},
		{"the network, its cut tensor too", joined, m, func(o *grad.BuildOptions) { o.FeatureWeight = new(0.5) }, squares(bundle[0], whole[0]) + 0.5*feature},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := options(t)
			o.Loss.Kind, o.Distilled, o.Statistics = grad.MeanSquared, true, "running"
			if o.Bottleneck = c.student == joined; o.Bottleneck {
				o.Outputs = []string{"y"}
			}
			if c.change != nil {
				c.change(&o)
			}
			trainer := lesson(t, c.student, c.teacher, o)
			r, err := trainer.Step(t.Context(), &feed.Batch{X: x["x"]}, 0)
			if err != nil {
				t.Fatal(err)
			}
			// float32, a few layers; a value on the edge of two levels of the quantiser may
			// tip over, of 18 in each of 12 images.
			if math.Abs(r.Loss-c.loss) > 1e-2*c.loss+1e-9 {
				t.Errorf("loss %v, the answers give %v", r.Loss, c.loss)
			}
		})
	}
}
