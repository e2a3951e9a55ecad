package convert

import (
	"math"
	"slices"

	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/compiler/shape"
	"github.com/x448/float16"
)

// wideNodes returns the nodes of g that have to compute in float32: those that
// read a constant that float16 cannot hold (an epsilon of 1e-8, a mask of -1e9),
// those whose results it cannot hold, and what reads them until the numbers are
// near 1 again. Those nodes are cheap; others read such numbers rounded to float16.
func wideNodes(g *ir.Graph) map[*ir.Node]bool {
	nodes, values := map[*ir.Node]bool{}, map[*ir.Value]bool{}
	for _, n := range g.Nodes() {
		results := shape.Of(n).Magnitude
		reader := results == shape.Carries || results == shape.Settles
		makes := results == shape.Widens || n.Op == "Mul" && n.Input(0) == n.Input(1) || hasWideConstant(n, reader)
		reads := reader && slices.ContainsFunc(n.Inputs(), func(v *ir.Value) bool { return values[v] })
		nodes[n] = makes || reads
		if makes || reads && results != shape.Settles {
			for _, v := range n.Outputs() {
				values[v] = v != nil
			}
		}
	}
	return nodes
}

// hasWideConstant reports whether n computes with a number that float16 holds
// with an error of more than 1/32, if at all. Weights of convolutions and matrix
// products do not count: nothing is divided by them.
func hasWideConstant(n *ir.Node, reader bool) bool {
	if n.Op == "BatchNormalization" || n.Op == "InstanceNormalization" {
		if lost(n.Float("epsilon", 1e-5)) {
			return true
		}
	} else if !reader {
		return false
	}
	return slices.ContainsFunc(n.Inputs(), func(v *ir.Value) bool {
		t := constantOf(v)
		if t == nil || t.DType() != ir.Float32 || t.Len() > maxWideConstant {
			return false
		}
		f, err := t.Floats()
		if err != nil {
			return false // the verifier's matter
		}
		// Single small terms of a learnt sum or product do no harm.
		small, divides := true, n.Op == "Div" && v == n.Input(1)
		for _, x := range f {
			if lost(x) && (x > 1 || x < -1 || divides) {
				return true
			}
			small = small && (x == 0 || lost(x))
		}
		return small && slices.ContainsFunc(f, lost) && n.Op != "BatchNormalization" && n.Op != "InstanceNormalization"
	})
}

// maxWideConstant bounds the constants that are looked at.
const maxWideConstant = 1 << 16

func constantOf(v *ir.Value) *ir.Tensor {
	if v == nil {
		return nil
	}
	return v.Const()
}

// lost reports whether float16 cannot hold the finite number x.
func lost(x float32) bool {
	h := float64(float16.Fromfloat32(x).Float32())
	return x-x == 0 && math.Abs(h-float64(x)) > math.Abs(float64(x))/32
}
