package oracletest

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/bottlenet/bnc/compiler/ir"
)

// UNetTensors are the tensors of [UNet] that cross at the end of its encoder, as Split
// takes them: the second is computed from the first, the third from the second.
const UNetTensors = "skip1,skip2,deep"

// UNet is a small network for segmentation with seeded weights: image float32
// [N,3,size,size], mask float32 [N,1,size,size] in 0..1. Two tensors skip from its encoder
// [N,8,size/2,size/2], [N,12,size/4,size/4] to its decoder, beside the deepest
// [N,16,size/8,size/8], which alone can be negative.
func UNet(t testing.TB, size int) *ir.Model {
	t.Helper()
	rng := rand.New(rand.NewPCG(11, 16))
	var nodes, weights []string
	conv := func(name, x string, in, out, stride int) {
		w := make([]string, out*in*9)
		for i := range w {
			w[i] = fmt.Sprintf("%.6g", rng.NormFloat64()*math.Sqrt(2/float64(9*in)))
		}
		weights = append(weights, fmt.Sprintf("float[%d,%d,3,3] %s_w = {%s}", out, in, name, strings.Join(w, ",")))
		nodes = append(nodes, fmt.Sprintf("%s = Conv <kernel_shape = [3,3], pads = [1,1,1,1], strides = [%d,%d]> (%s, %s_w)", name, stride, stride, x, name))
	}
	node := func(text string) { nodes = append(nodes, text) }
	conv("c1", "image", 3, 8, 2)
	node("skip1 = Relu (c1)")
	conv("c2", "skip1", 8, 12, 2)
	node("skip2 = Relu (c2)")
	conv("c3", "skip2", 12, 16, 2)
	node("deep = LeakyRelu <alpha = 0.3> (c3)")
	for i, skip := range []struct {
		from, with string
		in, out    int
	}{{"deep", "skip2", 28, 12}, {"u1", "skip1", 20, 8}} {
		node(fmt.Sprintf("up%d = Resize <mode = \"nearest\"> (%s, , twice)", i+1, skip.from))
		node(fmt.Sprintf("both%d = Concat <axis = 1> (up%d, %s)", i+1, i+1, skip.with))
		conv(fmt.Sprintf("d%d", i+1), fmt.Sprintf("both%d", i+1), skip.in, skip.out, 1)
		node(fmt.Sprintf("u%d = Relu (d%d)", i+1, i+1))
	}
	node("up3 = Resize <mode = \"nearest\"> (u2, , twice)")
	conv("d3", "up3", 8, 1, 1)
	node("mask = Sigmoid (d3)")
	return Parse(t, fmt.Sprintf("<ir_version: 8, opset_import: [\"\" : 17]>\nunet (float[N,3,%d,%d] image) => (float[N,1,%d,%d] mask) <float[4] twice = {1,1,2,2}, %s> {\n%s\n}\n",
		size, size, size, size, strings.Join(weights, ", "), strings.Join(nodes, "\n")))
}
