package grad

// meanSquared is the mean of (scores - q)^2 over images and classes, with q the teacher's
// scores or the labels' distribution. Its gradient is 2 (scores - q) / (N K).
type meanSquared struct{ ofClasses }

func (meanSquared) Teachers() (labels, teacher bool) { return true, true }

func (meanSquared) Term(c *Comparison) (*Term, error) {
	s, err := c.classes()
	if err != nil {
		return nil, err
	}
	b := c.b
	diff := b.sub(s.scores, s.target)
	loss := b.reshape(b.reduce("ReduceMean", b.mul(diff, diff), true, 0, 1), 1)
	return c.term(s, loss, b.scale(diff, 2/float64(s.n*s.k))), nil
}
