package grad

import (
	"slices"

	"github.com/bottlenet/bnc/compiler/ir"
)

// statistic is a running mean or variance and what a batch gives for it.
type statistic struct {
	running *ir.Value // the initializer
	batch   *ir.Value // [C], of this batch
	blend   float64   // how much of the batch's enters the running one
	factor  float64   // of the batch's: n / (n - 1) for an unbiased variance
}

// trainBatchNorm makes every BatchNormalization whose scale or shift is in
// trained compute with the statistics of the batch, and returns the running
// statistics that inference needs.
func trainBatchNorm(b *builder, trained map[*ir.Value]bool) []statistic {
	var stats []statistic
	for _, n := range slices.Clone(b.g.Nodes()) {
		if n.Op != "BatchNormalization" || n.Domain != "" || !trained[n.Input(1)] && !trained[n.Input(2)] {
			continue
		}
		mean, variance := n.Input(3), n.Input(4)
		if mean.Init() == nil || variance.Init() == nil || len(mean.Uses()) > 1 || len(variance.Uses()) > 1 {
			continue // shared by several: there is no one batch to follow
		}
		d := b.dims(n.Input(0))
		blend := 1 - float64(n.Float("momentum", 0.9))
		elements := float64(product(d) / d[1])
		y := n.Output(0)
		c := ir.Fixed(d[1])
		batchMean := b.g.Temp(y.Name()+".mean", ir.TensorType(ir.Float32, c))
		batchVar := b.g.Temp(y.Name()+".variance", ir.TensorType(ir.Float32, c))
		train := b.g.NewNode(Domain, batchNormTrain, n.Inputs()[:3], []*ir.Value{nil, batchMean, batchVar},
			ir.FloatAttr("epsilon", n.Float("epsilon", 1e-5)))
		b.g.MoveOutput(y, train, 0) // it may be what a loss compares, or an output
		b.g.SetType(y, ir.TensorType(ir.Float32, ir.Fixed(d...)))
		b.g.Remove(n)
		stats = append(stats,
			statistic{mean, batchMean, blend, 1},
			statistic{variance, batchVar, blend, elements / max(elements-1, 1)})
	}
	return stats
}

// follow appends the update of running statistics that are kept in one tensor:
// r' = r + blend (factor batch - r).
func follow(b *builder, running *ir.Value, stats []statistic) *ir.Value {
	var parts []*ir.Value
	var blend, factor []float32
	for _, s := range stats {
		parts = append(parts, s.batch)
		for range b.dims(s.batch)[0] {
			blend, factor = append(blend, float32(s.blend)), append(factor, float32(s.factor))
		}
	}
	n := int64(len(blend))
	batch := b.mul(b.concat(0, parts...), b.floats(factor, n))
	return b.add(running, b.mul(b.sub(batch, running), b.floats(blend, n)))
}
