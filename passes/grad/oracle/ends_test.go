//go:build cgo

package oracle

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/bottlenet/bnc/compiler/ends"
	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/compiler/shape"
	"github.com/bottlenet/bnc/internal/oracletest"
	"github.com/bottlenet/bnc/passes/grad"
)

// detectorNet has what detectors without anchors have: depthwise convolutions, a pyramid
// of them, and maps of objectness behind a Sigmoid, of boxes, and of classes behind a
// Softmax along the last axis, joined.
const detectorNet = `<ir_version: 8, opset_import: ["" : 17]>
net (float[N,3,12,12] x) => (float[N,10,6,6] y) <INITS> {
	a = Conv <strides = [2,2], pads = [1,1,1,1]> (x, w1)
	n = BatchNormalization (a, g1, b1, mean1, var1)
	r = Relu (n)
	d1 = Conv <group = 6, pads = [2,2,2,2]> (r, w2, b2)
	r1 = Relu (d1)
	d2 = Conv <group = 6, pads = [2,2,2,2]> (r1, w3, b3)
	r2 = Relu (d2)
	m = MaxPool <kernel_shape = [3,3], pads = [1,1,1,1]> (r)
	j = Concat <axis = 1> (r1, r2, m)
	c = Conv (j, w4, b4)
	s = Add (c, r)
	h = Relu (s)
	o = Conv (h, w5, b5)
	po = Sigmoid (o)
	box = Conv (h, w6, b6)
	k = Conv (h, w7, b7)
	kt = Transpose <perm = [0,3,2,1]> (k)
	kp = Softmax <axis = 3> (kt)
	pk = Transpose <perm = [0,3,2,1]> (kp)
	y = Concat <axis = 1> (po, box, pk)
}`

var detectorInits = []constant{
	{"w1", []int64{6, 3, 3, 3}}, {"g1", []int64{6}}, {"b1", []int64{6}}, {"mean1", []int64{6}}, {"var1", []int64{6}},
	{"w2", []int64{6, 1, 5, 5}}, {"b2", []int64{6}}, {"w3", []int64{6, 1, 5, 5}}, {"b3", []int64{6}},
	{"w4", []int64{6, 18, 1, 1}}, {"b4", []int64{6}}, {"w5", []int64{1, 6, 1, 1}}, {"b5", []int64{1}},
	{"w6", []int64{4, 6, 1, 1}}, {"b6", []int64{4}}, {"w7", []int64{5, 6, 1, 1}}, {"b7", []int64{5}},
}

// segmenterNet has what small networks for masks have: hard swishes in both spellings,
// channels that are weighed by a Sigmoid of their means, skips that are added to what is
// enlarged, a ConvTranspose at the end, a Sigmoid; beside it an embedding of the image, and
// numbers.
const segmenterNet = `<ir_version: 8, opset_import: ["" : 17]>
net (float[N,3,12,12] x) => (float[N,1,12,12] mask, float[N,5] v, float[N,3] age) <INITS, float three = {3}, float six = {6}, float nought = {0}, float[4] scales = {1,1,2,2}> {
	a = Conv <strides = [2,2], pads = [1,1,1,1]> (x, w1, b1)
	s1 = HardSwish (a)
	e = Conv <strides = [2,2], pads = [1,1,1,1]> (s1, w2, b2)
	e3 = Add (e, three)
	ec = Clip (e3, nought, six)
	em = Mul (e, ec)
	s2 = Div (em, six)
	p = GlobalAveragePool (s2)
	p1 = Conv (p, w3, b3)
	p2 = Relu (p1)
	p3 = Conv (p2, w4, b4)
	se = Sigmoid (p3)
	w = Mul (s2, se)
	up = Resize <mode = "linear", coordinate_transformation_mode = "half_pixel"> (w, , scales)
	l = Conv (up, w5, b5)
	d = Add (l, s1)
	q = Conv <group = 4, pads = [1,1,1,1]> (d, w6, b6)
	r = Relu (q)
	f = Add (r, d)
	z = ConvTranspose <strides = [2,2]> (f, w7, b7)
	mask = Sigmoid (z)
	g = Flatten (p)
	u = Gemm <transB = 1> (g, w8, b8)
	n = ReduceL2 <axes = [1], keepdims = 1> (u)
	v = Div (u, n)
	age = Gemm <transB = 1> (u, w9, b9)
}`

var segmenterInits = []constant{
	{"w1", []int64{4, 3, 3, 3}}, {"b1", []int64{4}}, {"w2", []int64{6, 4, 3, 3}}, {"b2", []int64{6}}, {"w3", []int64{2, 6, 1, 1}}, {"b3", []int64{2}},
	{"w4", []int64{6, 2, 1, 1}}, {"b4", []int64{6}}, {"w5", []int64{4, 6, 1, 1}}, {"b5", []int64{4}}, {"w6", []int64{4, 1, 3, 3}}, {"b6", []int64{4}},
	{"w7", []int64{4, 1, 2, 2}}, {"b7", []int64{1}}, {"w8", []int64{5, 6}}, {"b8", []int64{5}}, {"w9", []int64{3, 5}}, {"b9", []int64{3}},
}

// besideTeacher puts a teacher with other weights beside a network, and names what their
// outputs are compared by.
func besideTeacher(t *testing.T, text string, inits []constant) (*ir.Model, []grad.Head) {
	t.Helper()
	m, teacher := networkOf(t, text, inits), networkOf(t, text, append([]constant{{"unused", []int64{7}}}, inits...))
	info, err := shape.Infer(m, shape.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var heads []grad.Head
	found := ends.Of(m, info)
	at, err := grad.Graft(m, teacher, "t.", func(string) bool { return false })
	if err != nil {
		t.Fatal(err)
	}
	loss := map[ends.Kind]string{ends.Softmax: "kl", ends.Sigmoid: "binary", ends.L2Norm: "cosine", ends.Values: "squared"}
	scale := map[ends.Kind][]float64{ends.Softmax: {0.6}, ends.Sigmoid: {0.3}, ends.L2Norm: {0.4, 3}}
	for i, e := range found {
		for _, x := range e.Taught {
			by := &grad.Compared{Name: e.Output.Name(), Loss: loss[x.Kind], Axis: x.Axis, Weight: float64(i+1) / 6, Scale: scale[x.Kind]}
			if x.Kind == ends.Values {
				channels, _ := info.Of(x.Value).Dims[x.Axis].Int()
				for c := range channels {
					by.Scale = append(by.Scale, 0.5+float64(c))
				}
			}
			if len(e.Where) > 0 && e.Kind != ends.Sigmoid { // positions count by objectness
				order := make([]int64, len(x.Order))
				for i, axis := range x.Order {
					order[i] = int64(axis)
				}
				by.Focus = &grad.Focus{Scores: at[heads[0].Scores].Name(), Axis: 1, Order: order}
			}
			heads = append(heads, grad.Head{Scores: x.Value.Name(), Teacher: at[x.Value.Name()].Name(), By: by})
			for _, v := range []*ir.Value{x.Value, at[x.Value.Name()]} {
				if !v.IsOutput() {
					m.Graph.AddOutput(v, nil)
				}
			}
		}
	}
	if len(heads) != 3 {
		t.Fatalf("expected three ends, found %v", heads)
	}
	return m, heads
}

// endSteps are steps of a detector and of a segmenter whose outputs a teacher teaches.
func endSteps(t *testing.T) (all []*stepCase) {
	t.Helper()
	rng := rand.New(rand.NewPCG(4, 5))
	x := oracletest.Normal(rng, 5, 3, 12, 12)
	for _, net := range []struct {
		name, text string
		inits      []constant
		feature    grad.Feature
	}{
		{"a detector", detectorNet, detectorInits, grad.Feature{Restored: "h", Original: "t.h", Scale: 0.7}},
		{"a segmenter", segmenterNet, segmenterInits, grad.Feature{Restored: "w", Original: "t.w"}},
	} {
		for _, layout := range []grad.Layout{grad.NCHW, grad.CHWN} {
			for _, c := range []*stepCase{
				{name: "sgd", Optimizer: grad.Optimizer{Kind: grad.SGD, Momentum: 0.9}, Rates: []float64{0.02, 0.01, 0.01}, Loss: grad.Loss{Kind: grad.Distill}},
				{name: "adam, warm", Optimizer: grad.Optimizer{Kind: grad.Adam}, Rates: []float64{0.01}, Loss: grad.Loss{Kind: grad.Distill, Temperature: 3, FeatureWeight: 2}},
				{name: "masks that overlap", Optimizer: grad.Optimizer{Kind: grad.SGD}, Rates: []float64{0.02, 0.01}, Loss: grad.Loss{Kind: grad.Distill}},
			} {
				m, heads := besideTeacher(t, net.text, net.inits)
				c.name = strings.Join([]string{net.name, c.name, string(layout)}, ", ")
				if strings.Contains(c.name, "masks that overlap") {
					for _, h := range heads {
						if h.By.Loss == "binary" || h.By.Loss == "kl" { // the latter's has several channels, along an axis
							h.By.Loss, h.By.Scale, h.By.Focus = "dice", nil, nil
						}
					}
				}
				c.Targets = grad.Targets{Heads: heads, Features: []grad.Feature{net.feature}}
				for _, name := range []string{net.feature.Restored, net.feature.Original} {
					m.Graph.AddOutput(m.Graph.Value(name), nil)
				}
				c.run(t, m, layout, x, nil, func(name string) bool { return strings.HasPrefix(name, "t.") })
				for _, k := range net.inits {
					if strings.HasPrefix(k.name, "w") && !slices.Contains(c.Train, k.name) {
						t.Errorf("%s: %q does not learn", c.name, k.name)
					}
				}
				all = append(all, c)
			}
		}
	}
	return all
}
