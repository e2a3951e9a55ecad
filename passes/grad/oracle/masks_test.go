//go:build cgo

package oracle

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/bottlenet/bnc/internal/oracletest"
	"github.com/bottlenet/bnc/passes/grad"
)

// mapsNet tells the classes of places in all ways: k are scores of five classes, kl the same
// with the classes last, m numbers of two masks, o of one, flat of one without an axis.
const mapsNet = `<ir_version: 8, opset_import: ["" : 17]>
net (float[N,3,8,10] x) => (float[N,5,4,5] k, float[N,4,5,5] kl, float[N,2,4,5] m, float[N,1,4,5] o, float[N,4,5] flat) <INITS, int64[1] one = {1}> {
	a = Conv <strides = [2,2], pads = [1,1,1,1]> (x, w1)
	n = BatchNormalization (a, g1, b1, mean1, var1)
	r = Relu (n)
	k = Conv (r, w2, b2)
	kl = Transpose <perm = [0,2,3,1]> (k)
	m = Conv (r, w3, b3)
	o = Conv (r, w4, b4)
	flat = Squeeze (o, one)
}`

var mapsInits = []constant{
	{"w1", []int64{6, 3, 3, 3}}, {"g1", []int64{6}}, {"b1", []int64{6}}, {"mean1", []int64{6}}, {"var1", []int64{6}},
	{"w2", []int64{5, 6, 1, 1}}, {"b2", []int64{5}}, {"w3", []int64{2, 6, 1, 1}}, {"b3", []int64{2}}, {"w4", []int64{1, 6, 1, 1}}, {"b4", []int64{1}},
}

// maskSteps are steps that labels teach which tell the class of each place, a fifth of them 255.
func maskSteps(t *testing.T) (all []*stepCase) {
	t.Helper()
	rng := rand.New(rand.NewPCG(6, 7))
	x := oracletest.Normal(rng, 5, 3, 8, 10)
	sgd := grad.Optimizer{Kind: grad.SGD, Momentum: 0.9}
	for _, c := range []struct {
		scores  string
		masks   grad.Masks
		classes int64
		learns  string
	}{
		{"k", grad.Masks{Axis: 1}, 5, "w2"}, {"kl", grad.Masks{Axis: 3}, 5, "w2"},
		{"m", grad.Masks{Axis: 1, Each: true}, 3, "w3"}, {"o", grad.Masks{Axis: 1, Each: true}, 2, "w4"}, {"flat", grad.Masks{Axis: -1, Each: true}, 2, "w4"},
	} {
		labels := make([]int64, 5*4*5)
		for i := range labels {
			if labels[i] = rng.Int64N(c.classes); rng.IntN(5) == 0 {
				labels[i] = 255
			}
		}
		for _, layout := range []grad.Layout{grad.NCHW, grad.CHWN} {
			for _, smoothing := range []float64{0, 0.2} {
				s := &stepCase{
					Optimizer: sgd, Rates: []float64{0.05, 0.02}, Loss: grad.Loss{Kind: grad.CrossEntropy, LabelSmoothing: smoothing},
					Targets: grad.Targets{Heads: []grad.Head{{Scores: c.scores, Masks: &c.masks}}}, places: []int64{4, 5},
				}
				s.name = strings.Join([]string{"masks of", c.scores, string(layout)}, " ")
				if smoothing > 0 {
					s.name += ", smoothed"
				}
				s.run(t, networkOf(t, mapsNet, mapsInits), layout, x, labels, func(name string) bool { return strings.HasPrefix(name, "w") && name != "w1" && name != c.learns })
				if !slices.Contains(s.Train, c.learns) || !slices.Contains(s.Train, "w1") {
					t.Errorf("%s: trains %q", s.name, s.Train)
				}
				all = append(all, s)
			}
		}
	}
	return all
}
