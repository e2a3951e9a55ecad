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
	soft := b.scale(s.scores, 1/temperature)
	q := b.unary("Softmax", b.scale(s.target, 1/temperature), ir.IntAttr("axis", 1))
	logp := b.unary("LogSoftmax", soft, ir.IntAttr("axis", 1))
	logq := b.unary("Log", b.binary("Max", q, b.scalar(1e-30))) // 0 log 0 = 0
	total := b.sum(b.mul(q, b.sub(logp, logq)), true, 0, 1)
	loss := b.reshape(b.scale(total, -temperature*temperature/float64(s.n)), 1)
	return c.term(s, loss, b.scale(b.sub(b.unary("Exp", logp), q), temperature/float64(s.n))), nil
}
