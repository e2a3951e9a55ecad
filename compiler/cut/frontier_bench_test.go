package cut_test

import (
	"math/rand/v2"
	"testing"

	"github.com/bottlenet/bnc/compiler/cut"
	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/compiler/shape"
)

// layers appends nodes to vectors [1,k].
type layers struct {
	ir.Emitter
	*rand.Rand
}

// next is a MatMul with its activation.
func (l layers) next(x *ir.Value, k, n int64) *ir.Value {
	return l.Unary("r", "Relu", l.Binary("m", "MatMul", x, l.Floats("w", make([]float32, k*n), k, n)))
}

// bigNets are graphs of so many nodes, each of a shape of its own; they return the outputs.
var bigNets = map[string]func(l layers, x *ir.Value, nodes int) []*ir.Value{
	"chain": func(l layers, x *ir.Value, nodes int) []*ir.Value {
		for range nodes / 2 {
			x = l.next(x, 8, 8)
		}
		return []*ir.Value{x}
	},
	"dense": func(l layers, x *ir.Value, nodes int) []*ir.Value { // skips of up to 20
		all := []*ir.Value{x}
		for range nodes / 3 {
			x = l.next(l.Binary("a", "Add", x, all[max(len(all)-1-l.IntN(20), 0)]), 8, 8)
			all = append(all, x)
		}
		return []*ir.Value{x}
	},
	"ladder": func(l layers, x *ir.Value, nodes int) []*ir.Value { // an encoder, and a decoder with a skip to each layer
		var down []*ir.Value
		for range nodes / 5 {
			x = l.next(x, 8, 8)
			down = append(down, x)
		}
		for i := len(down) - 2; i >= 0; i-- {
			x = l.Binary("a", "Add", l.next(x, 8, 8), down[i])
		}
		return []*ir.Value{x}
	},
	"pyramid": func(l layers, x *ir.Value, nodes int) (outputs []*ir.Value) { // two heads on each of five levels
		k := int64(8)
		for range 5 {
			for range nodes / 100 {
				n := 4 + int64(l.IntN(40))
				x, k = l.next(x, k, n), n
			}
			for range 2 {
				y, k := x, k
				for range nodes / 25 {
					n := 4 + int64(l.IntN(60))
					y, k = l.next(y, k, n), n
				}
				outputs = append(outputs, y)
			}
		}
		return outputs
	},
}

// BenchmarkFrontiers looks for frontiers of up to four tensors in 5,000 nodes.
func BenchmarkFrontiers(b *testing.B) {
	for name, build := range bigNets {
		m := ir.NewModel(8, 17)
		x := m.Graph.Temp("x", ir.TensorType(ir.Float32, ir.Fixed(1, 8)))
		m.Graph.AddInput(x, nil)
		for _, y := range build(layers{ir.Emitter{Graph: m.Graph, Opset: 17}, rand.New(rand.NewPCG(1, 2))}, x, 5000) {
			m.Graph.AddOutput(y, nil)
		}
		info, err := shape.Infer(m, shape.Options{})
		if err != nil {
			b.Fatal(err)
		}
		b.Run(name, func(b *testing.B) {
			found := 0
			for b.Loop() {
				found = len(cut.Find(m, info).Frontiers(4))
			}
			b.ReportMetric(float64(len(m.Graph.Nodes())), "nodes")
			b.ReportMetric(float64(found), "frontiers")
		})
	}
}
