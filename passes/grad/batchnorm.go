package grad

import (
	"slices"

	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/compiler/shape"
)

// statistic is a running mean or variance and what a batch gives for it.
type statistic struct {
	running *ir.Value // the initializer
	batch   *ir.Value // [C], of this batch
	factor  float64   // of the batch's: n / (n - 1) for an unbiased variance
}

// trainBatchNorm makes every BatchNormalization whose scale or shift is in
// trained compute with the statistics of the batch, and returns the running
// statistics that inference needs.
func trainBatchNorm(b *builder, trained map[*ir.Value]bool) []statistic {
	var stats []statistic
	for _, n := range slices.Clone(b.g.Nodes()) {
		if n.Op != "BatchNormalization" || n.Domain != "" || n.Int("training_mode", 0) != 0 || !trained[n.Input(1)] && !trained[n.Input(2)] {
			continue
		}
		mean, variance := n.Input(3), n.Input(4)
		if mean.Init() == nil || variance.Init() == nil || len(mean.Uses()) > 1 || len(variance.Uses()) > 1 {
			continue // shared by several: there is no one batch to follow
		}
		d := b.dims(n.Input(0))
		elements := float64(ir.Elements(d) / d[1])
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
			statistic{mean, batchMean, 1},
			statistic{variance, batchVar, elements / max(elements-1, 1)})
	}
	return stats
}

// statisticsGraph returns the network of m as far as it computes what a batch gives for
// the running statistics: its output, out's name with an apostrophe behind it, has them
// one after another. It reads images and weights from the inputs that m has by now.
func statisticsGraph(m *ir.Model, stats []statistic, out Tensor, layout Layout) (*ir.Model, error) {
	m = m.Clone()
	g := m.Graph
	if err := g.Sort(); err != nil {
		return nil, err
	}
	info, err := shape.Infer(m, shape.Options{})
	if err != nil {
		return nil, err
	}
	b := newBuilder(m, info)
	b.prefix = "statistics."
	var parts []*ir.Value
	var factors []float32
	for _, s := range stats {
		v := g.Value(s.batch.Name())
		parts = append(parts, v)
		for range b.dims(v)[0] {
			factors = append(factors, float32(s.factor))
		}
	}
	all := b.mul(b.concat(0, parts...), b.floats(factors, int64(len(factors))))
	g.Rename(all, out.Name+next)
	g.SetOutputs(all)
	return m, Lower(m, info, layout.resolve(b))
}
