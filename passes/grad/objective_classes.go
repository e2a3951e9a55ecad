package grad

import (
	"fmt"

	"github.com/bottlenet/bnc/compiler/ir"
)

// ofClasses is what objectives of class scores share.
type ofClasses struct{}

// Outputs finds the class scores.
func (ofClasses) Outputs(want Want, m *ir.Model) (*Heads, error) { return Logits(want, m) }

// classScores are scores [N,K], and what they are compared with.
type classScores struct {
	n, k   int64
	scores *ir.Value
	target *ir.Value // [N,K]: of labels probabilities, smoothed, of a teacher its scores
	class  *ir.Value // int64 [N]
}

// classes returns the output as class scores, with its target.
func (c *Comparison) classes() (*classScores, error) {
	b, d := c.b, c.b.dims(c.Output)
	s := &classScores{n: d[0], k: ir.Elements(d[1:]), class: c.Labels}
	s.scores = b.reshape(c.Output, s.n, s.k)
	if c.Teacher == nil {
		off := c.LabelSmoothing / float64(s.k)
		values := b.floats([]float32{float32(off), float32(1 - c.LabelSmoothing + off)}, 2)
		depth := b.g.Const("loss.classes", ir.Int64s(s.k))
		s.target = b.op("OneHot", []int64{s.n, s.k}, []*ir.Value{c.Labels, depth, values}, ir.IntAttr("axis", -1))
		return s, nil
	}
	if ir.Elements(b.dims(c.Teacher)) != s.n*s.k {
		return nil, fmt.Errorf("the teacher gives %v scores, the model %v", b.dims(c.Teacher), d)
	}
	s.target = b.reshape(c.Teacher, s.n, s.k)
	s.class = b.first(s.target)
	return s, nil
}

// first returns the first of the best classes of scores [N,K], int64 [N].
func (b *builder) first(scores *ir.Value) *ir.Value {
	return b.emit("", "ArgMax", ir.Int64, []int64{b.dims(scores)[0]}, []*ir.Value{scores}, ir.IntAttr("axis", 1), ir.IntAttr("keepdims", 0))
}

// term is a loss, float32 [1], with its gradient with respect to the scores.
func (c *Comparison) term(s *classScores, loss, gradient *ir.Value) *Term {
	b := c.b
	first := b.first(s.scores)
	gradient = b.reshape(gradient, b.dims(c.Output)...)
	return &Term{Loss: loss, Gradient: gradient, Hits: b.sum(b.compare("Equal", first, s.class), true, 0)}
}
