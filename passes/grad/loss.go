package grad

import (
	"fmt"
	"slices"

	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/passes/bottleneck"
)

// Loss says what training makes small. All are means over the batch.
type Loss struct {
	Kind           string  // the name of an Objective
	LabelSmoothing float64 // share of a label's weight that is spread over all classes
	Temperature    float64 // of Distill, 0 for 1
	// FeatureWeight weighs the mean squared difference of the restored and the
	// cut tensor, relative to the mean square of the latter, or to its Scale. Build takes
	// it from its own options.
	FeatureWeight float64
	// Rate tells that the bytes of payloads count, as estimated by rate: the step has an
	// input that says how much of the loss one of them is.
	Rate bool
}

// Head is an output that is compared.
type Head struct {
	Scores  string // what the objective takes of the output: of classes, [N,K] before any softmax
	Teacher string // the same of the teacher, "" where labels teach
	// By says how it is compared; nil for by the objective that is the Loss's Kind.
	By *Compared
	// Masks tells that its labels are the class of each place; nil for the class of an image.
	Masks *Masks
}

// Targets names what a loss compares: tensors of the graph.
type Targets struct {
	// Heads are compared each, and the loss is their mean, as far as none has a weight of its
	// own. The first one's hits count.
	Heads []Head
	// Features are matched where FeatureWeight is not 0.
	Features []Feature
	// Tiles are what is encoded, where the Loss has a Rate.
	Tiles []Tile
}

// part is what each head that the objective compares has of the loss.
func (t *Targets) part() float64 {
	whole, heads := 1.0, 0
	for _, h := range t.Heads {
		if h.By != nil {
			whole -= h.By.Weight
		} else {
			heads++
		}
	}
	return whole / float64(heads)
}

// Feature is a tensor of a teacher, and what replaces it.
type Feature struct {
	Restored, Original string
	// Scale is the variance of the teacher's within channels, 0 for the mean square of a
	// batch.
	Scale float64
}

// Tile is a tile [N,1,H,W] in float32 that a codec encodes.
type Tile struct {
	Name  string
	Codec bottleneck.Codec
}

// lossGraph is what a loss adds to a graph.
type lossGraph struct {
	loss  *ir.Value               // float32 [1]
	hits  *ir.Value               // float32 [1], the number of images whose first score is the target's; nil where the objective knows no such thing
	each  []*ir.Value             // float32 [1], of the heads that are compared by their ends
	names []string                // of these
	seeds map[*ir.Value]*ir.Value // gradient of the loss
	// byteWeight is the input that weighs a byte of payload, float32 [1]; nil where they do
	// not count.
	byteWeight *ir.Value
}

// add adds a part of an output's term.
func (l *lossGraph) add(b *builder, t *Term, output *ir.Value, part float64) {
	b.shapes[t.Loss] = []int64{1}
	loss := b.scale(t.Loss, part)
	if l.loss == nil {
		l.loss = loss
	} else {
		l.loss = b.add(l.loss, loss)
	}
	if t.Gradient != nil {
		l.seed(b, output, b.scale(t.Gradient, part))
	} else {
		l.seed(b, loss, b.floats([]float32{1}, 1))
	}
}

// seed adds to the gradient of what may be compared in several ways.
func (l *lossGraph) seed(b *builder, v, gradient *ir.Value) {
	if old := l.seeds[v]; old != nil {
		gradient = b.add(old, gradient)
	}
	l.seeds[v] = gradient
}

// values finds what a head names.
func (h Head) values(g *ir.Graph) (output, teacher *ir.Value, err error) {
	if output = g.Value(h.Scores); output == nil {
		return nil, nil, fmt.Errorf("there is no tensor %q", h.Scores)
	}
	if h.Teacher == "" {
		return output, nil, nil
	}
	if teacher = g.Value(h.Teacher); teacher == nil {
		return nil, nil, fmt.Errorf("there is no tensor %q", h.Teacher)
	}
	return output, teacher, nil
}

// match adds w mean (r - f)^2 / mean f^2, the divisor taken as a number, or over the scale.
func (l *lossGraph) match(b *builder, t Feature, weight float64) error {
	r, f := b.g.Value(t.Restored), b.g.Value(t.Original)
	if r == nil || f == nil {
		return fmt.Errorf("there is no tensor %q or %q to match", t.Restored, t.Original)
	}
	axes := []int64{0, 1, 2, 3}[:len(b.dims(f))]
	diff := b.sub(r, f)
	if t.Scale > 0 {
		by := weight / t.Scale / float64(ir.Elements(b.dims(f)))
		l.loss = b.add(l.loss, b.scale(b.total(b.mul(diff, diff)), by))
		l.seed(b, r, b.scale(diff, 2*by))
		return nil
	}
	power := b.plus(b.reduce("ReduceMean", b.mul(f, f), true, axes...), 1e-12)
	ratio := b.div(b.reduce("ReduceMean", b.mul(diff, diff), true, axes...), power)
	l.loss = b.add(l.loss, b.reshape(b.scale(ratio, weight), 1))
	l.seed(b, r, b.div(b.scale(diff, 2*weight/float64(ir.Elements(b.dims(f)))), power))
	return nil
}

// rate adds what a tile's codec makes of it.
func (l *lossGraph) rate(b *builder, t Tile) error {
	tile := b.g.Value(t.Name)
	if tile == nil {
		return fmt.Errorf("there is no tensor %q whose size counts", t.Name)
	}
	coding, err := t.Codec.Coding()
	if err != nil {
		return err
	}
	if coding.Rate == nil {
		return fmt.Errorf("how many bits codec %s takes is not known: the size of payloads cannot count in the loss", coding.Name)
	}
	d := b.dims(tile)
	r := coding.Rate(t.Codec, d[2], d[3])
	if r == nil {
		return fmt.Errorf("codec %s has parameters that it did not write: split the model again", coding.Name)
	}
	loss, seed := rate(b, tile, r, l.byteWeight)
	l.loss = b.add(l.loss, loss)
	l.seed(b, tile, seed)
	return nil
}

// build appends the loss and its gradient. It returns the input for labels, int64 [N], or
// [N,H,W] of masks, nil where there are none.
func (l Loss) build(b *builder, t Targets) (out *lossGraph, labels *ir.Value, err error) {
	objective, err := ObjectiveOf(l.Kind)
	if err != nil {
		return nil, nil, err
	}
	b.prefix = "loss."
	out = &lossGraph{seeds: map[*ir.Value]*ir.Value{}}
	for i, h := range t.Heads {
		c := &Comparison{Loss: l, b: b}
		if c.Output, c.Teacher, err = h.values(b.g); err != nil {
			return nil, nil, err
		}
		of := b.dims(c.Output)[:1]
		if h.Masks != nil {
			of = h.Masks.labels(b.dims(c.Output))
		}
		if c.Teacher == nil {
			if labels == nil {
				labels = b.g.Temp("labels", ir.TensorType(ir.Int64, ir.Fixed(of...)))
				b.g.AddInput(labels, nil)
				b.shapes[labels] = slices.Clone(of)
			}
			c.Labels = labels
		}
		if h.By != nil {
			c.Compared = *h.By
			term := losses[h.By.Loss].term(c)
			out.add(b, term, c.Output, h.By.Weight)
			out.each, out.names = append(out.each, term.Loss), append(out.names, h.By.Name)
			continue
		}
		if h.Masks != nil {
			out.add(b, h.Masks.term(c), c.Output, t.part())
			continue
		}
		term, err := objective.Term(c)
		if err != nil {
			return nil, nil, err
		}
		out.add(b, term, c.Output, t.part())
		if i == 0 {
			out.hits = term.Hits
		}
	}

	if l.FeatureWeight > 0 {
		for _, f := range t.Features {
			if err := out.match(b, f, l.FeatureWeight/float64(len(t.Features))); err != nil {
				return nil, nil, err
			}
		}
	}
	if l.Rate {
		out.byteWeight = b.g.Temp("byte_weight", ir.TensorType(ir.Float32, ir.Fixed(1)))
		b.g.AddInput(out.byteWeight, nil)
		b.shapes[out.byteWeight] = []int64{1}
		for _, t := range t.Tiles {
			if err := out.rate(b, t); err != nil {
				return nil, nil, err
			}
		}
	}
	return out, labels, nil
}
