//go:build cgo

package oracle

import (
	"slices"
	"strings"
	"testing"

	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/internal/oracletest"
)

// TestInputShapeBehindTheCut cuts networks whose last Reshape reads Shape(input): as
// exporters write it for a dynamic batch. Behind the cut the input is gone.
func TestInputShapeBehindTheCut(t *testing.T) {
	const text = `<ir_version: 8, opset_import: ["" : 17]>
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
		dim   string
		sizes []int64
		shape bool // Shape is left on the cloud side
	}{{"batch", []int64{1, 3}, true}, {"2", []int64{2}, false}} {
		m := oracletest.Parse(t, strings.ReplaceAll(text, "BATCH", c.dim))
		bothWays(t, m, "b", c.sizes...)
		for _, plain := range []bool{true, false} {
			parts := oracletest.Split(t, m, oracletest.Bottleneck{After: "b", Plain: plain, Channels: 2})
			found := slices.ContainsFunc(parts.Cloud.Graph.Nodes(), func(n *ir.Node) bool { return n.Op == "Shape" })
			if found != c.shape {
				t.Errorf("batch %s, plain %v: Shape in the cloud graph is %v", c.dim, plain, found)
			}
		}
	}
}

// TestShapeThatIsLost has a size behind the cut that the cut tensor cannot tell.
func TestShapeThatIsLost(t *testing.T) {
	m := oracletest.Parse(t, `<ir_version: 8, opset_import: ["" : 17]>
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
	}`)
	agree(t, m, pair(t, oracletest.Split(t, m, oracletest.Bottleneck{After: "b", Plain: true})), whole(t, m))
	refused(t, m, "e", "these tensors would cross: e, x")
}

// TestSeveralInputsAndOutputs: outputs that are computed before the cut leave
// with the mobile graph, every output keeps its name.
func TestSeveralInputsAndOutputs(t *testing.T) {
	m := oracletest.Parse(t, `<ir_version: 8, opset_import: ["" : 17]>
	net (float[batch,3,32,32] x, float[batch,1] gain) => (float[batch,2,16,16] late, float[batch,1] small, float[batch,3,16,16] early, int64[4] size)
	<float[3,3,1,1] w = {1,2,3, -4,5,6, 7,-8,9}, float[2,3,1,1] v = {1,2,3, 4,-5,6}> {
		a = Conv <strides = [2,2]> (x, w)
		early = Sigmoid (a)
		b = Relu (a)
		size = Shape (b)
		late = Conv (b, v)
		small = Neg (gain)
	}`)
	bothWays(t, m, "b")
	for _, plain := range []bool{true, false} {
		var names []string
		for _, p := range oracletest.Split(t, m, oracletest.Bottleneck{After: "b", Plain: plain, Channels: 3, Stride: 1}).Mobile.Graph.Outputs() {
			names = append(names, p.Value.Name())
		}
		if len(names) < 3 || !slices.Equal(names[len(names)-3:], []string{"small", "early", "size"}) {
			t.Errorf("plain %v: the mobile graph has the outputs %v", plain, names)
		}
	}
}
