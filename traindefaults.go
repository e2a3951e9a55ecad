package bnc

import (
	"cmp"
	"slices"

	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/passes/grad"
)

// defaults returns the optimiser and the learning rate: what the options leave open, by
// what is trained: see RATIONALE.md.
func (o *TrainOptions) defaults(bottleneck bool, m *ir.Model) (grad.Optimizer, float64) {
	normalised, backboneOnly := hasBatchNorm(m), o.frozen() == "backbone"
	d := trainDefaults[slices.IndexFunc(trainDefaults, func(d trainDefault) bool {
		return d.bottleneck == bottleneck && d.backboneOnly == backboneOnly && (d.normalised == normalised || d.backboneOnly)
	})]
	opt := grad.Optimizer{Kind: cmp.Or(o.Optimizer, d.optimizer), Momentum: orElse(o.Momentum, 0.9), Nesterov: o.Nesterov, DecayAll: o.DecayAll, EMA: o.EMA}
	opt.WeightDecay = orElse(o.WeightDecay, map[string]float64{grad.SGD: 5e-4, grad.AdamW: 0.01}[opt.Kind])
	opt.ClipNorm = orElse(o.ClipNorm, d.clip)
	lr := o.LR
	if lr == 0 {
		lr = d.lr
		if d.fanIn > 0 {
			lr *= min(1, d.fanIn/float64(unitFanIn(m)))
		}
		if opt.Kind != d.optimizer {
			lr = map[string]float64{grad.SGD: 0.02, grad.Adam: 1e-3, grad.AdamW: 1e-3}[opt.Kind]
		}
	}
	return opt, lr
}

// trainDefault is a row of the defaults.
type trainDefault struct {
	bottleneck   bool // a bundle
	backboneOnly bool // option freeze is backbone
	normalised   bool // the network has batch normalisation
	optimizer    string
	lr, clip     float64
	fanIn        float64 // of the bottleneck's units up to which lr is right, 0 for any
}

var trainDefaults = []trainDefault{
	{bottleneck: false, normalised: true, optimizer: grad.SGD, lr: 0.1},
	{bottleneck: false, normalised: false, optimizer: grad.SGD, lr: 0.01, clip: 1},
	{bottleneck: true, normalised: true, optimizer: grad.SGD, lr: 0.02},
	{bottleneck: true, normalised: false, optimizer: grad.SGD, lr: 0.02, clip: 1},
	{bottleneck: true, backboneOnly: true, optimizer: grad.Adam, lr: 4e-3, fanIn: 64},
}
