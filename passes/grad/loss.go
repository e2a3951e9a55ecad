package grad

import (
	"fmt"

	"github.com/bottlenet/bnc/compiler/ir"
)

// Kinds of losses.
const (
	CrossEntropy = "cross-entropy" // softmax cross-entropy against labels
	Distill      = "distill"       // temperature KL divergence from the teacher's scores
	MeanSquared  = "mse"           // against the teacher's scores, or one-hot labels where there is none
)

// Loss says what training makes small. All are means over the batch.
type Loss struct {
	Kind           string  // CrossEntropy stands for Distill where a teacher teaches
	LabelSmoothing float64 // share of a label's weight that is spread over all classes
	Temperature    float64 // of Distill, 0 for 1
	// FeatureWeight weighs the mean squared difference of the restored and the
	// cut tensor, relative to the mean square of the latter.
	FeatureWeight float64
	// RateWeight weighs the bits that the codec takes for a cell of the tile, as
	// estimated by rate.
	RateWeight float64
}

// Head is an output of class scores.
type Head struct {
	Scores  string // [N,K] before any softmax
	Teacher string // the teacher's, "" where labels teach
}

// Targets names what a loss compares: tensors of the graph.
type Targets struct {
	// Heads are compared each, and the loss is their mean. The first one's hits count.
	Heads []Head
	// Restored is what replaces the tensor Feature; "" where FeatureWeight is 0.
	Restored, Feature string
	// Tile is the tile [N,1,H,W] in float32 that is encoded at a quality; "" where
	// RateWeight is 0.
	Tile    string
	Quality int
}

// lossGraph is what a loss adds to a graph.
type lossGraph struct {
	loss  *ir.Value               // float32 [1]
	hits  *ir.Value               // float32 [1], the number of images whose first score is the target's; nil without target classes
	seeds map[*ir.Value]*ir.Value // gradient of the loss
}

// seed adds to the gradient of what may be compared in several ways.
func (l *lossGraph) seed(b *builder, v, gradient *ir.Value) {
	if old := l.seeds[v]; old != nil {
		gradient = b.add(old, gradient)
	}
	l.seeds[v] = gradient
}

// build appends the loss and its gradient. It returns the input for labels, int64 [N],
// nil where there are none.
func (l Loss) build(b *builder, t Targets) (out *lossGraph, labels *ir.Value, err error) {
	b.prefix = "loss."
	out = &lossGraph{seeds: map[*ir.Value]*ir.Value{}}
	for i, h := range t.Heads {
		scores := b.g.Value(h.Scores)
		if scores == nil {
			return nil, nil, fmt.Errorf("there is no tensor %q", h.Scores)
		}
		if n := b.dims(scores)[0]; h.Teacher == "" && labels == nil {
			labels = b.g.Temp("labels", ir.TensorType(ir.Int64, ir.Fixed(n)))
			b.g.AddInput(labels, nil)
			b.shapes[labels] = []int64{n}
		}
		loss, seed, hits, err := l.head(b, h, scores, labels)
		if err != nil {
			return nil, nil, err
		}
		part := 1 / float64(len(t.Heads))
		loss = b.scale(loss, part)
		if i == 0 {
			out.loss, out.hits = loss, hits
		} else {
			out.loss = b.add(out.loss, loss)
		}
		out.seed(b, scores, b.scale(seed, part))
	}

	if l.FeatureWeight > 0 {
		r, f := b.g.Value(t.Restored), b.g.Value(t.Feature)
		if r == nil || f == nil {
			return nil, nil, fmt.Errorf("there is no tensor %q or %q to match", t.Restored, t.Feature)
		}
		// w mean (r - f)^2 / mean f^2, the divisor taken as a number.
		axes := []int64{0, 1, 2, 3}[:len(b.dims(f))]
		diff := b.sub(r, f)
		power := b.plus(b.reduce("ReduceMean", b.mul(f, f), true, axes...), 1e-12)
		ratio := b.div(b.reduce("ReduceMean", b.mul(diff, diff), true, axes...), power)
		out.loss = b.add(out.loss, b.reshape(b.scale(ratio, l.FeatureWeight), 1))
		out.seed(b, r, b.div(b.scale(diff, 2*l.FeatureWeight/float64(ir.Elements(b.dims(f)))), power))
	}
	if l.RateWeight > 0 {
		tile := b.g.Value(t.Tile)
		if tile == nil {
			return nil, nil, fmt.Errorf("there is no tensor %q whose size counts", t.Tile)
		}
		loss, seed := rate(b, tile, t.Quality, l.RateWeight)
		out.loss = b.add(out.loss, loss)
		out.seed(b, tile, seed)
	}
	return out, labels, nil
}

// head appends the loss of one output, float32 [1], its gradient, of the scores' shape,
// and the hits, float32 [1]. The gradient is short enough to be written down: with p =
// softmax(scores) and target distribution q, that of cross-entropy is (p - q)/N, and that
// of T^2 KL(q || p), both softened by T, T (p - q)/N.
func (l Loss) head(b *builder, h Head, scores, labels *ir.Value) (loss, seed, hits *ir.Value, err error) {
	d := b.dims(scores)
	n, k := d[0], ir.Elements(d[1:])
	s := b.reshape(scores, n, k)
	kind, classes := l.Kind, labels
	var target *ir.Value // what the scores are compared with
	if h.Teacher == "" {
		off := l.LabelSmoothing / float64(k)
		values := b.floats([]float32{float32(off), float32(1 - l.LabelSmoothing + off)}, 2)
		depth := b.g.Const("loss.classes", ir.Int64s(k))
		target = b.op("OneHot", []int64{n, k}, []*ir.Value{labels, depth, values}, ir.IntAttr("axis", -1))
	} else {
		teacher := b.g.Value(h.Teacher)
		if teacher == nil {
			return nil, nil, nil, fmt.Errorf("there is no tensor %q", h.Teacher)
		}
		if ir.Elements(b.dims(teacher)) != n*k {
			return nil, nil, nil, fmt.Errorf("the teacher gives %v scores, the model %v", b.dims(teacher), d)
		}
		target = b.reshape(teacher, n, k)
		classes = b.emit("", "ArgMax", ir.Int64, []int64{n}, []*ir.Value{target}, ir.IntAttr("axis", 1), ir.IntAttr("keepdims", 0))
		if kind == CrossEntropy {
			kind = Distill
		}
	}

	switch kind {
	case MeanSquared: // mean (s - q)^2: 2 (s - q) / (N K)
		diff := b.sub(s, target)
		loss = b.reshape(b.reduce("ReduceMean", b.mul(diff, diff), true, 0, 1), 1)
		seed = b.scale(diff, 2/float64(n*k))
	case CrossEntropy, Distill:
		soft, temperature := s, 1.0
		if kind == Distill {
			if l.Temperature > 0 {
				temperature = l.Temperature
			}
			soft = b.scale(s, 1/temperature)
			target = b.unary("Softmax", b.scale(target, 1/temperature), ir.IntAttr("axis", 1))
		}
		logp := b.unary("LogSoftmax", soft, ir.IntAttr("axis", 1))
		diff := logp
		if kind == Distill { // 0 log 0 = 0
			diff = b.sub(logp, b.unary("Log", b.binary("Max", target, b.scalar(1e-30))))
		}
		total := b.sum(b.mul(target, diff), true, 0, 1)
		loss = b.reshape(b.scale(total, -temperature*temperature/float64(n)), 1)
		seed = b.scale(b.sub(b.unary("Exp", logp), target), temperature/float64(n))
	default:
		return nil, nil, nil, fmt.Errorf("unknown loss %q", l.Kind)
	}
	first := b.emit("", "ArgMax", ir.Int64, []int64{n}, []*ir.Value{s}, ir.IntAttr("axis", 1), ir.IntAttr("keepdims", 0))
	return loss, b.reshape(seed, d...), b.sum(b.compare("Equal", first, classes), true, 0), nil
}
