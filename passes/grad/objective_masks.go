package grad

import (
	"slices"

	"github.com/bottlenet/bnc/compiler/ir"
)

// Masks says how an output tells the class of each place, which labels tell, too: int64
// [N,H,W], with the places of the output. Where a label is noClass, nothing counts.
type Masks struct {
	Axis int // of classes, -1 for an output without one: of one class
	// Each tells that each class has a number before a Sigmoid: they are counted from 1, and 0
	// is in none of them. Else they have scores before a Softmax, and are counted from 0.
	Each bool
}

// noClass is the label of places that do not count.
const noClass = 255

// channels is the number of classes that an output [N,K,H,W] tells by a number each.
func (m *Masks) channels(d []int64) int64 {
	if m.Axis < 0 {
		return 1
	}
	return d[m.Axis]
}

// classes is the number of values that labels may have beside noClass.
func (m *Masks) classes(d []int64) int64 {
	if m.Each {
		return m.channels(d) + 1
	}
	return m.channels(d)
}

// labels are the dimensions of the labels of an output: [N,H,W].
func (m *Masks) labels(d []int64) []int64 {
	if d = slices.Clone(d); m.Axis >= 0 {
		d = slices.Delete(d, m.Axis, m.Axis+1)
	}
	return d
}

// term is a mean over the places that count of what crossEntropy is of an image; for Each of
// softplus(x) - q x, over the classes, too, with q 1 where the label is that class, smoothed.
// Its gradient is (p - q) over the number of places, with p the softmax or the sigmoid of x.
// Where no place counts it is 0.
func (m *Masks) term(c *Comparison) *Term {
	b, x := c.b, c.Output
	d := b.dims(x)
	k, first := m.channels(d), int64(0)
	one, along := slices.Clone(d), slices.Repeat([]int64{1}, len(d)) // dimensions of labels, of classes
	if m.Axis >= 0 {
		one[m.Axis], along[m.Axis] = 1, k
	}
	choices := k // among which the weight of a label is spread
	if m.Each {
		first, choices = 1, 2
	}
	numbers := make([]int64, k)
	for i := range numbers {
		numbers[i] = first + int64(i)
	}
	labels := b.emit("", "Reshape", ir.Int64, one, []*ir.Value{c.Labels, b.ints(one...)})
	q := b.compare("Equal", labels, b.constant("", "classes", ir.NewTensor(ir.Int64, along, ir.Int64s(numbers...).Raw), along))
	if s := c.LabelSmoothing; s > 0 {
		q = b.plus(b.scale(q, 1-s), s/float64(choices))
	}
	counted := b.sub(b.scalar(1), b.compare("Equal", labels, b.ints(noClass)))
	count := b.binary("Max", b.sum(counted, true, b.axes(counted)...), b.scalar(1))
	by := b.div(counted, count)
	if m.Each {
		by = b.scale(by, 1/float64(k))
		return &Term{
			Loss:     b.total(b.mul(b.sub(b.unary("Softplus", x), b.mul(q, x)), by)),
			Gradient: b.mul(b.sub(b.unary("Sigmoid", x), q), by),
		}
	}
	logp := b.unary("LogSoftmax", x, ir.IntAttr("axis", int64(m.Axis)))
	return &Term{
		Loss:     b.scale(b.total(b.mul(b.mul(q, logp), by)), -1),
		Gradient: b.mul(b.sub(b.unary("Exp", logp), q), by),
	}
}
