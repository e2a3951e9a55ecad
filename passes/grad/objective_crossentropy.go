package grad

import "github.com/bottlenet/bnc/compiler/ir"

// crossEntropy is the mean over the images of -sum q log p, with p = softmax(scores) and q
// the labels' distribution. Its gradient is (p - q) / N. Where a teacher teaches, it is
// distill.
type crossEntropy struct{ ofClasses }

func (crossEntropy) Teachers() (labels, teacher bool) { return true, false }

func (crossEntropy) Term(c *Comparison) (*Term, error) {
	if c.Teacher != nil {
		return distill{}.Term(c)
	}
	s, err := c.classes()
	if err != nil {
		return nil, err
	}
	b := c.b
	logp := b.unary("LogSoftmax", s.scores, ir.IntAttr("axis", 1))
	loss := b.reshape(b.scale(b.sum(b.mul(s.target, logp), true, 0, 1), -1/float64(s.n)), 1)
	return c.term(s, loss, b.scale(b.sub(b.unary("Exp", logp), s.target), 1/float64(s.n))), nil
}
