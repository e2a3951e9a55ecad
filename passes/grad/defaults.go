package grad

import (
	"cmp"
	"slices"

	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/passes"
	"github.com/bottlenet/bnc/passes/bottleneck"
)

// defaultsOf is a row of what options leave open, by what is trained: see RATIONALE.md.
type defaultsOf struct {
	bottleneck bool   // a bundle
	freeze     string // what keeps its weights, "" for whatever no other row has
	tells      string // what the outputs of a bundle tell
	normalised bool   // the network has batch normalisation; of bundles, those ofScores only
	optimizer  string
	rate, clip float64
	fanIn      float64 // of the bottleneck's units up to which the rate is right, 0 for any
	features   float64 // weight of the match at the cut, beside a teacher
}

var defaults = []defaultsOf{
	{bottleneck: true, freeze: "backbone", optimizer: Adam, rate: 4e-3, fanIn: 64, features: 1},
	{bottleneck: true, freeze: "before", tells: ofPlaces, optimizer: AdamRelative, rate: 5e-4, clip: 1},
	{bottleneck: true, normalised: true, optimizer: SGD, rate: 0.02, features: 1},
	{bottleneck: true, normalised: false, optimizer: SGD, rate: 0.02, clip: 1, features: 1},
	{bottleneck: false, normalised: true, optimizer: SGD, rate: 0.1},
	{bottleneck: false, normalised: false, optimizer: SGD, rate: 0.01, clip: 1},
}

// What the outputs of a bundle tell.
const (
	ofScores = ""       // classes, by one output or beside labels
	ofPlaces = "places" // what is where; a teacher's are compared by what they end in
	ofEnds   = "ends"   // something else that is compared so
)

// The defaults that an optimiser has by itself.
var (
	decayOf = map[string]float64{SGD: 5e-4, AdamW: 0.01}
	rateOf  = map[string]float64{SGD: 0.02, Adam: 1e-3, AdamW: 1e-3, AdamRelative: 1e-3} // where it is not that of the row
)

// complete sets what the options leave open. BuiltIn, where it is not nil, is why a batch
// size is built in.
func (b *build) complete(builtIn *passes.UnsuitableError) {
	tells := ofScores
	if b.shared && b.Bottleneck {
		if tells = ofEnds; b.Places {
			tells = ofPlaces
		}
	}
	if b.Freeze == "" && tells == ofPlaces {
		b.Freeze = "before"
		b.Notice("what is before the cut keeps its weights, the rest learns by %s: option freeze none lets all of it learn, by %s", cmp.Or(b.Opt.Kind, AdamRelative), cmp.Or(b.Opt.Kind, SGD))
	}
	b.Freeze = cmp.Or(b.Freeze, "none")
	normalised := tells == ofScores && hasBatchNorm(b.m)
	d := defaults[slices.IndexFunc(defaults, func(d defaultsOf) bool {
		if d.freeze != "" {
			return d.bottleneck == b.Bottleneck && d.freeze == b.Freeze && d.tells == tells
		}
		return d.bottleneck == b.Bottleneck && d.normalised == normalised
	})]
	b.Opt.Kind = cmp.Or(b.Opt.Kind, d.optimizer)
	b.Opt.WeightDecay, b.Opt.ClipNorm = decayOf[b.Opt.Kind], d.clip
	if b.Loss.FeatureWeight = d.features; b.FeatureWeight != nil {
		b.Loss.FeatureWeight = *b.FeatureWeight
	}
	if b.Decay != nil {
		b.Opt.WeightDecay = *b.Decay
	}
	if b.Clip != nil {
		b.Opt.ClipNorm = *b.Clip
	}
	given := b.Rate != 0
	switch {
	case given:
	case b.Opt.Kind != d.optimizer:
		b.Rate = rateOf[b.Opt.Kind]
	case d.fanIn > 0:
		b.Rate = d.rate * min(1, d.fanIn/float64(unitFanIn(b.m)))
	default:
		b.Rate = d.rate
	}
	usual := defaultBatch(b.images()[0], b.Images)
	if builtIn == nil {
		b.Batch = cmp.Or(b.Batch, usual)
		if b.Distilled && b.Bottleneck && b.Batch < 32 { // whose own statistics would undo a calibration
			b.Statistics = cmp.Or(b.Statistics, "running")
		}
		return
	}
	// As many images a step, which move the weights together as far as they would as part
	// of a larger batch, and running statistics, since those of one image are none.
	dims, _ := b.images()[0].Shape()
	b.Batch = int(dims[0].N)
	if !given {
		b.Rate *= min(1, float64(b.Batch)/float64(usual))
	}
	b.Statistics = cmp.Or(b.Statistics, "running")
	b.Notice("%v; as it is, a step takes %d", builtIn, b.Batch)
}

// hasBatchNorm reports whether the model's own layers are normalised.
func hasBatchNorm(m *ir.Model) bool {
	units := bottleneck.Weights(m)
	return slices.ContainsFunc(m.Graph.Nodes(), func(n *ir.Node) bool {
		return n.Op == "BatchNormalization" && (n.Input(1) == nil || !units[n.Input(1).Name()])
	})
}

// unitFanIn is how many elements an output of the bottleneck's widest reduction reads.
func unitFanIn(m *ir.Model) int64 {
	most := int64(1)
	records, _ := bottleneck.Records(m) // a model without any has none
	for _, r := range records {
		for _, unit := range []string{"reduce.channel.weight", "reduce.spatial.weight"} {
			if v := m.Graph.Value(r.Sites.Weights[unit]); v != nil && v.Init() != nil {
				d := v.Init().Dims() // [out, in, k, k]
				most = max(most, d[1]*d[2]*d[3])
			}
		}
	}
	return most
}

// defaultBatch is 64 for inputs of at most 64 x 64, 16 for larger ones, and not more than
// there are images.
func defaultBatch(input *ir.Value, images int) int {
	n := 64
	if dims, ok := input.Shape(); ok {
		area := int64(1)
		for _, d := range dims[1:] {
			area *= max(d.N, 1)
		}
		if area > 3*64*64 {
			n = 16
		}
	}
	return min(n, images)
}

// Frozen are what can keep its weights: nothing, all but the bottleneck, what is before the cut, or
// one of the halves.
func Frozen() []string { return []string{"none", "backbone", "before", "mobile", "cloud"} }

// trained tells which weights Freeze leaves to change.
func (b *build) trained() (func(name string) bool, error) {
	own := map[string]bool{}
	for _, v := range Parameters(b.m) {
		own[v.Name()] = true
	}
	switch b.Freeze {
	case "backbone":
		units := bottleneck.Weights(b.m)
		return func(name string) bool { return own[name] && units[name] }, nil
	case "before", "mobile", "cloud":
		mobile, err := bottleneck.MobileSideOf(b.m)
		if err != nil {
			return nil, err
		}
		if b.Freeze == "before" {
			units := bottleneck.Weights(b.m)
			return func(name string) bool { return own[name] && (units[name] || !mobile[name]) }, nil
		}
		return func(name string) bool { return own[name] && mobile[name] == (b.Freeze == "cloud") }, nil
	}
	return func(name string) bool { return own[name] }, nil
}
