//go:build cgo

package oracle

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/internal/oracletest"
	"github.com/bottlenet/bnc/internal/rttest"
	"github.com/bottlenet/bnc/passes/bottleneck"
	"github.com/bottlenet/bnc/passes/convert"
	"github.com/bottlenet/bnc/passes/grad"
	"github.com/bottlenet/bnc/passes/opt"
	"github.com/bottlenet/bnc/passes/split"
	"github.com/bottlenet/bnc/runtime/ort"
	"github.com/bottlenet/bnc/runtime/tensor"
)

// stepNet is a network with convolutions, batch normalisation with and without
// the default momentum, and a residual sum; beside it a teacher whose tensors
// begin with t.
const stepNet = `<ir_version: 8, opset_import: ["" : 17]>
net (float[N,2,6,6] x) => (float[N,5] y, float[N,5] ty, float[N,4,6,6] tr) <INITS> {
	a = Conv <pads = [1,1,1,1]> (x, w1)
	n = BatchNormalization <momentum = 0.8> (a, g1, b1, mean1, var1)
	r = Relu (n)
	c = Conv <pads = [1,1,1,1]> (r, w2)
	m = BatchNormalization <epsilon = 0.001> (c, g2, b2, mean2, var2)
	s = Add (m, r)
	q = Relu (s)
	p = GlobalAveragePool (q)
	f = Flatten (p)
	y = Gemm <transB = 1> (f, w3, b3)
	ta = Conv <pads = [1,1,1,1]> (x, tw1)
	tr = Relu (ta)
	tp = GlobalAveragePool (tr)
	tf = Flatten (tp)
	ty = Gemm <transB = 1> (tf, tw3)
}`

// stepNetInits are the shapes of the network's constants.
var stepNetInits = []constant{
	{"w1", []int64{4, 2, 3, 3}}, {"g1", []int64{4}}, {"b1", []int64{4}}, {"mean1", []int64{4}}, {"var1", []int64{4}},
	{"w2", []int64{4, 4, 3, 3}}, {"g2", []int64{4}}, {"b2", []int64{4}}, {"mean2", []int64{4}}, {"var2", []int64{4}},
	{"w3", []int64{5, 4}}, {"b3", []int64{5}}, {"tw1", []int64{4, 2, 3, 3}}, {"tw3", []int64{5, 4}},
}

// constant is one of a network's: w are weights, g factors, b biases, mean and var
// statistics.
type constant struct {
	name string
	dims []int64
}

// networkOf parses a network with INITS for its constants, and draws these.
func networkOf(t *testing.T, text string, constants []constant) *ir.Model {
	t.Helper()
	rng := rand.New(rand.NewPCG(5, 9))
	var inits []string
	for _, v := range constants {
		x := tensor.Slice[float32](oracletest.Normal(rng, v.dims...))
		words := make([]string, len(x))
		for i, f := range x {
			switch {
			case strings.HasPrefix(v.name, "var"), strings.HasPrefix(v.name, "g"):
				f = 0.5 + f*f
			case strings.Contains(v.name, "w"):
				f *= 0.4
			}
			words[i] = fmt.Sprint(f)
		}
		dims := strings.Trim(strings.Join(strings.Fields(fmt.Sprint(v.dims)), ","), "[]")
		inits = append(inits, fmt.Sprintf("float[%s] %s = {%s}", dims, v.name, strings.Join(words, ",")))
	}
	return oracletest.Parse(t, strings.Replace(text, "INITS", strings.Join(inits, ", "), 1))
}

// greyNet is a network that bottlenecks are put into, behind r.
const greyNet = `<ir_version: 8, opset_import: ["" : 17]>
net (float[N,1,28,28] x) => (float[N,10] y) <INITS> {
	a = Conv <strides = [2,2], pads = [2,2,2,2]> (x, w1)
	n = BatchNormalization (a, g1, b1, mean1, var1)
	r = Relu (n)
	p = GlobalAveragePool (r)
	f = Flatten (p)
	y = Gemm <transB = 1> (f, w2)
}`

var greyNetInits = []constant{
	{"w1", []int64{8, 1, 5, 5}}, {"g1", []int64{8}}, {"b1", []int64{8}}, {"mean1", []int64{8}}, {"var1", []int64{8}}, {"w2", []int64{10, 8}},
}

// bottleneckSteps are steps of joined networks, whose codec is passed straight
// through; what it gave is taken as given.
func bottleneckSteps(t *testing.T) []*stepCase {
	t.Helper()
	rttest.Plugin(t)
	rng := rand.New(rand.NewPCG(4, 5))
	x := oracletest.Normal(rng, 8, 1, 28, 28)
	classes := []int64{0, 4, 2, 9, 1, 3, 7, 7}
	var images []ort.Feed
	for range 40 {
		images = append(images, ort.Feed{"x": oracletest.Normal(rng, 1, 1, 28, 28)})
	}
	var all []*stepCase
	for _, b := range []oracletest.Bottleneck{
		{Channels: 2, Stride: 2, Images: images},
		{Channels: 3, Stride: 1, Change: func(s *split.Settings) { s.Tensors[0].Width = 4 }},
		{Stride: 2, Change: func(s *split.Settings) { s.Tensors[0].Bits = 5 }},
		{Channels: 3, Stride: 1, Images: images, Change: func(s *split.Settings) { s.Tensors[0].Codec = bottleneck.JPEG(35) }},
	} {
		b.After = "r"
		m := oracletest.Split(t, networkOf(t, greyNet, greyNetInits), b).Bottlenet
		oracletest.Apply(t, m, convert.Initializers, convert.Upgrade(17), convert.SymbolicBatch, opt.FoldConstants, opt.Identities(), opt.DeadCode)
		joined, err := bottleneck.Anatomy(m)
		if err != nil {
			t.Fatal(err)
		}
		for _, layout := range []grad.Layout{grad.NCHW, grad.CHWN} {
			for _, frozen := range []string{"none", "backbone"} {
				c := &stepCase{
					name:      fmt.Sprintf("bottleneck of c %d, s %d, %d images, %s, frozen %s", b.Channels, b.Stride, len(b.Images), layout, frozen),
					Optimizer: grad.Optimizer{Kind: grad.SGD}, Rates: []float64{0.05},
					Loss: grad.Loss{Kind: grad.CrossEntropy}, Targets: grad.Targets{Heads: []grad.Head{{Scores: "y"}}},
				}
				if b.Channels == 3 && b.Images != nil {
					c.Loss.Rate, c.ByteWeight, c.Targets.Tiles = true, 0.01, []grad.Tile{{Name: joined[0].Grey.Name(), Codec: joined[0].Spec.Codec}}
				}
				c.run(t, m, layout, x, classes, func(name string) bool {
					return frozen == "backbone" && !strings.HasPrefix(name, "bnc.")
				})
				all = append(all, c)
			}
		}
	}
	return all
}
