//go:build cgo

package oracle

import (
	"slices"
	"strings"
	"testing"

	"github.com/bottlenet/bnc/internal/oracletest"
)

// TestShapesInBodies: shapes from before the cut that bodies behind it read.
func TestShapesInBodies(t *testing.T) {
	bothWays(t, oracletest.Parse(t, `<ir_version: 8, opset_import: ["" : 17]>
	net (float[N,2,4,4] x) => (float[N,2,4,4] y, int64[4] z) <float zero = {0}> {
		s = Shape (x)
		a = MaxPool <kernel_shape = [1,1]> (x)
		b = Relu (a)
		m = ReduceMax <keepdims = 0> (b)
		k = Greater (m, zero)
		y = If (k) <then_branch = p () => (float[N,2,4,4] t) { n = Neg (b) t = Reshape (n, s) },
			else_branch = q () => (float[N,2,4,4] u) { u = Reshape (b, s) }>
		z = If (k) <then_branch = p2 () => (int64[4] t2) { t2 = Identity (s) }, else_branch = q2 () => (int64[4] u2) { u2 = Neg (s) }>
	}`), "b")
}

// TestShapesAsOutputs: outputs that are shapes of what is before the cut, of the
// cut tensor, of what is behind, and of both sides at once, one of them read on.
func TestShapesAsOutputs(t *testing.T) {
	bothWays(t, oracletest.Parse(t, `<ir_version: 8, opset_import: ["" : 17]>
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
	}`), "a")
}

// TestShapeOnlyBranch: a tensor whose shape alone is read behind it, beside the path of
// the activations.
func TestShapeOnlyBranch(t *testing.T) {
	m := oracletest.Parse(t, `<ir_version: 8, opset_import: ["" : 17]>
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
	}`)
	if names := everyCut(t, m); !slices.Equal(names, []string{"a", "c", "d"}) {
		t.Errorf("cuts %v, expected a, c and d", names)
	}
	bothWays(t, m, "c")
	refused(t, m, "b", "shape alone")
}

// TestUntypedTensors: a model as ONNX Runtime saves it with all optimisations, which
// says of no inner tensor what it is and keeps blocks of channels in a layout of its own.
// What is listed gives halves that run, and the rest is refused with what to do instead.
func TestUntypedTensors(t *testing.T) {
	m := oracletest.Parse(t, `<ir_version: 8, opset_import: ["" : 17, "com.microsoft.nchwc" : 1]>
	net (float[1,16,4,4] x) => (float[1,16] y) <float[16,16,1,1] w = {`+strings.TrimSuffix(strings.Repeat("0.5,-1,0.25,2,", 64), ",")+`}> {
		r = Relu (x)
		i = com.microsoft.nchwc.ReorderInput (r)
		b = com.microsoft.nchwc.Conv <kernel_shape = [1,1], strides = [1,1], pads = [0,0,0,0], dilations = [1,1], group = 1, auto_pad = "NOTSET"> (i, w)
		p = com.microsoft.nchwc.GlobalAveragePool (b)
		o = com.microsoft.nchwc.ReorderOutput <channels = 16> (p)
		y = Flatten (o)
	}`)
	if names := everyCut(t, m); !slices.Equal(names, []string{"r"}) {
		t.Errorf("cuts %v, expected r", names)
	}
	for _, name := range []string{"i", "b", "p", "o"} {
		refused(t, m, name, "ORT_ENABLE_EXTENDED")
	}
}

// TestNodeNames: ONNX Runtime refuses two nodes of one name, and bnc gives names
// to nodes where the model has none, or has those already, as a pair that is
// divided once more does.
func TestNodeNames(t *testing.T) {
	m := oracletest.Parse(t, `<ir_version: 8, opset_import: ["" : 17]>
	net (float[N,2,4,4] x) => (float[N,32] y) <int64[1] zero = {0}, int64[1] rest = {-1}, int64[2] both = {0, -1}> {
		["bnc.codec"] a = MaxPool <kernel_shape = [1,1]> (x)
		["bnc.reduce.channel.conv"] b = Relu (a)
		["bnc.encode"] c = Exp (b)
		s = Shape (x)
		n = Gather (s, zero)
		m = Concat <axis = 0> (n, rest)
		["bnc.shape.m"] y = Reshape (c, m)
	}`)
	bothWays(t, m, "a")
	bothWays(t, m, "b")
	once := oracletest.Split(t, m, oracletest.Bottleneck{After: "c", Channels: 2, Stride: 1}).Bottlenet
	agree(t, m, pair(t, oracletest.Split(t, once, oracletest.Bottleneck{After: "b", Plain: true})), whole(t, once))
}
