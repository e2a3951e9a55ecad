package grad

import "github.com/bottlenet/bnc/compiler/ir"

// distill is the mean over the images of T^2 KL(q || p), with p and q the softmax of the
// scores and of the teacher's, both divided by the temperature T. Its gradient is
// T (p - q) / N.
type distill struct{ ofClasses }

func (distill) Teachers() (labels, teacher bool) { return false, true }

func (distill) Term(c *Comparison) (*Term, error) {
	s, err := c.classes()
	if err != nil {
		return nil, err
	}
	b, temperature := c.b, 1.0
	if c.Temperature > 0 {
		temperature = c.Temperature
	}
	logp := b.unary("LogSoftmax", b.scale(s.scores, 1/temperature), ir.IntAttr("axis", 1))
	q := b.unary("Softmax", b.scale(s.target, 1/temperature), ir.IntAttr("axis", 1))
	logq := b.unary("Log", b.binary("Max", q, b.scalar(1e-30))) // 0 log 0 = 0
	loss := b.scale(b.sum(b.mul(q, b.sub(logp, logq)), true, 0, 1), -temperature*temperature/float64(s.n))
	return c.term(s, loss, b.scale(b.sub(b.unary("Exp", logp), q), temperature/float64(s.n))), nil
}
