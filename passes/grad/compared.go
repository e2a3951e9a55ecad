package grad

import (
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/bottlenet/bnc/compiler/ends"
	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/internal/fault"
)

// Compared says how an output, or a part of it, is compared with a teacher's by what it
// ends in. Such losses are shares of what there is to be learnt: 1 is that of an output
// that always says the mean of what the teacher says, so that none is lost among others.
type Compared struct {
	Name   string  // of the output, with its part where it has several
	Loss   string  // the name of a row of losses
	Axis   int     // of classes, vectors or channels; -1 for none
	Weight float64 // of all that are compared, 1 together
	// Scale is what the loss is divided by: one number, or one a channel. Nil for 1.
	Scale []float64
	// Focus says which positions count; nil for all alike.
	Focus *Focus
}

// Focus weighs positions by how sure a teacher is that something is there: of a detector,
// whose boxes and classes mean nothing elsewhere. A position counts as much as the largest
// of its scores and least more.
type Focus struct {
	Scores string  // the teacher's tensor of scores, before its Sigmoid
	Axis   int     // that of the scores of a position
	Order  []int64 // the axis of Scores that each axis of the output is
	fewest int64   // scores of a position
}

// leastFocus is what a position counts where nothing is.
const leastFocus = 0.01

// weights returns what positions count, of the output's shape but for one channel.
func (f *Focus) weights(b *builder, scores *ir.Value) *ir.Value {
	best := b.reduce("ReduceMax", scores, true, int64(f.Axis))
	return b.transpose(b.plus(b.unary("Sigmoid", best), leastFocus), f.Order...)
}

// Losses by which outputs are compared with a teacher's.
const (
	lossKL      = "kl"      // of softmax along the axis of classes, with the temperature
	lossBinary  = "binary"  // of a sigmoid of each number
	lossDice    = "dice"    // of a sigmoid of each number: how far masks overlap, image by image and channel by channel
	lossCosine  = "cosine"  // of vectors: half of it, and half of their squared difference
	lossSquared = "squared" // the squared difference, channel by channel
)

// lossByEnd is a row of losses.
type lossByEnd struct {
	// term appends the loss, a mean over images and positions, and its gradient.
	term func(c *Comparison) *Term
	// moments appends what scale is computed of, when it is made means over images and
	// positions: along an axis each, for -1 over all.
	moments func(b *builder, x *ir.Value, axis int, temperature float64) (numbers []*ir.Value, along []int)
	scale   func(moments [][]float64, temperature float64) []float64
	axis    bool // it needs one
	// focused tells that it is a mean over positions, which can be weighed.
	focused bool
}

var losses = map[string]lossByEnd{
	lossKL:      {klTerm, shareMoments, shareScale, true, true},
	lossBinary:  {binaryTerm, scoreMoments, scoreScale, false, true},
	lossDice:    {diceTerm, scoreMoments, noScale, false, false},
	lossCosine:  {cosineTerm, vectorMoments, vectorScale, true, false},
	lossSquared: {squaredTerm, valueMoments, valueScale, false, true},
}

// OutputLosses are the names of losses by which an output can be compared with a teacher's.
func OutputLosses() []string { return slices.Sorted(maps.Keys(losses)) }

// lossOf is the loss for each kind of end.
var lossOf = map[ends.Kind]string{ends.Softmax: lossKL, ends.Sigmoid: lossBinary, ends.L2Norm: lossCosine, ends.Values: lossSquared}

// all are the axes of v but for some.
func (b *builder) axes(v *ir.Value, but ...int) (axes []int64) {
	for i := range b.dims(v) {
		if !slices.Contains(but, i) {
			axes = append(axes, int64(i))
		}
	}
	return axes
}

// focused multiplies by what positions count, whose mean is 1 then.
func (c *Comparison) focused(x *ir.Value) *ir.Value {
	if c.Focus == nil {
		return x
	}
	if c.weights == nil {
		w := c.Focus.weights(c.b, c.b.g.Value(c.Focus.Scores))
		c.weights = c.b.div(w, c.b.mean(w, -1))
	}
	return c.b.mul(x, c.weights)
}

// total is the sum of all of x, float32 [1].
func (b *builder) total(x *ir.Value) *ir.Value {
	return b.reshape(b.sum(x, true, b.axes(x)...), 1)
}

// byAxis is a constant of one number for each element of an axis of v, or of one for all.
func (b *builder) byAxis(v *ir.Value, axis int, numbers []float64) *ir.Value {
	values := make([]float32, len(numbers))
	for i, n := range numbers {
		values[i] = float32(n)
	}
	if len(numbers) == 1 {
		return b.scalar(numbers[0])
	}
	d := slices.Repeat([]int64{1}, len(b.dims(v)))
	d[axis] = int64(len(numbers))
	return b.floats(values, d...)
}

// number is the only number of the scale.
func (c *Comparison) number(i int) float64 {
	if i < len(c.Scale) {
		return c.Scale[i]
	}
	return 1
}

// klTerm is T^2 KL(q || p) / s, with p and q the softmax of the numbers and of the
// teacher's, both divided by the temperature T. Its gradient is T (p - q) / s, of a mean
// over positions.
func klTerm(c *Comparison) *Term {
	b, temperature := c.b, max(c.Temperature, 0)
	if temperature == 0 {
		temperature = 1
	}
	along := ir.IntAttr("axis", int64(c.Axis))
	d := b.dims(c.Output)
	positions := float64(ir.Elements(d) / d[c.Axis])
	logp := b.unary("LogSoftmax", b.scale(c.Output, 1/temperature), along)
	logq := b.unary("LogSoftmax", b.scale(c.Teacher, 1/temperature), along)
	q := b.unary("Exp", logq)
	by := 1 / (positions * c.number(0))
	return &Term{
		Loss:     b.scale(b.total(c.focused(b.mul(q, b.sub(logq, logp)))), temperature*temperature*by),
		Gradient: b.scale(c.focused(b.sub(b.unary("Exp", logp), q)), temperature*by),
	}
}

// binaryTerm is KL(q || p) / s of each number, with p and q the sigmoid of the numbers and
// of the teacher's: softplus(x) - softplus(t) - q (x - t). Its gradient is (p - q) / s, of a
// mean over all.
func binaryTerm(c *Comparison) *Term {
	b := c.b
	by := 1 / (float64(ir.Elements(b.dims(c.Output))) * c.number(0))
	q := b.unary("Sigmoid", c.Teacher)
	apart := b.sub(b.unary("Softplus", c.Output), b.unary("Softplus", c.Teacher))
	return &Term{
		Loss:     b.scale(b.total(c.focused(b.sub(apart, b.mul(q, b.sub(c.Output, c.Teacher))))), by),
		Gradient: b.scale(c.focused(b.sub(b.unary("Sigmoid", c.Output), q)), by),
	}
}

// diceTerm is 1 - (2 sum(p q) + e) / (sum(p^2) + sum(q^2) + e) of each mask, with p and q the
// sigmoid of the numbers and of the teacher's and e leastMask of its places, a mean over images
// and channels (Milletari et al., V-Net, 2016): a small mask counts as much as a large one, and
// places do not outvote it.
func diceTerm(c *Comparison) *Term {
	b, d := c.b, c.b.dims(c.Output)
	var along []int64
	places, masks := 1.0, float64(d[0])
	for i := 1; i < len(d); i++ {
		if i == c.Axis {
			masks *= float64(d[i])
			continue
		}
		along, places = append(along, int64(i)), places*float64(d[i])
	}
	p, q := b.unary("Sigmoid", c.Output), b.unary("Sigmoid", c.Teacher)
	e := leastMask * places
	both := b.plus(b.scale(b.sum(b.mul(p, q), true, along...), 2), e)
	all := b.plus(b.sum(b.add(b.mul(p, p), b.mul(q, q)), true, along...), e)
	share := b.div(both, all)
	slope := b.scale(b.div(b.sub(b.mul(share, p), q), all), 2/masks)
	return &Term{
		Loss:     b.scale(b.total(b.sub(b.scalar(1), share)), 1/masks),
		Gradient: b.mul(slope, b.mul(p, b.sub(b.scalar(1), p))),
	}
}

// noScale is that of what is a share already.
func noScale([][]float64, float64) []float64 { return nil }

// leastMask is the share of places below which a mask counts for less: where next to nothing is, a
// few places would move the weights as much as whole masks do.
const leastMask = 0.02

// squaredTerm is (x - t)^2 / s, with s that of the channel. Its gradient is 2 (x - t) / s,
// of a mean over all.
func squaredTerm(c *Comparison) *Term {
	b := c.b
	weight := []float64{1}
	if len(c.Scale) > 0 {
		weight = make([]float64, len(c.Scale))
	}
	for i := range weight {
		weight[i] = 1 / (float64(ir.Elements(b.dims(c.Output))) * c.number(i))
	}
	by := b.byAxis(c.Output, c.Axis, weight)
	diff := b.sub(c.Output, c.Teacher)
	scaled := c.focused(b.mul(diff, by))
	return &Term{Loss: b.total(b.mul(diff, scaled)), Gradient: b.scale(scaled, 2)}
}

// cosineTerm is (1 - cos) / (2 s0) + |x - t|^2 / (2 s1), a mean over vectors x and t. Its
// gradient is (cos x/|x| - t/|t|) / (2 s0 |x|) + (x - t) / s1.
func cosineTerm(c *Comparison) *Term {
	b, d := c.b, c.b.dims(c.Output)
	vectors := float64(ir.Elements(d) / d[c.Axis])
	unit := func(x *ir.Value) (u, length *ir.Value) {
		length = b.sqrt(b.plus(b.sum(b.mul(x, x), true, int64(c.Axis)), 1e-12))
		return b.div(x, length), length
	}
	u, length := unit(c.Output)
	w, _ := unit(c.Teacher)
	cos := b.sum(b.mul(u, w), true, int64(c.Axis))
	turn, off := 0.5/(vectors*c.number(0)), 0.5/(vectors*c.number(1))
	diff := b.sub(c.Output, c.Teacher)
	angle := b.scale(b.total(b.sub(b.scalar(1), cos)), turn)
	return &Term{
		Loss: b.add(angle, b.scale(b.total(b.mul(diff, diff)), off)),
		Gradient: b.add(
			b.div(b.scale(b.sub(b.mul(cos, u), w), turn), length),
			b.scale(diff, 2*off)),
	}
}

// mean is that of x over all axes but one, as a vector; over all for -1.
func (b *builder) mean(x *ir.Value, axis int) *ir.Value {
	y := b.reduce("ReduceMean", x, true, b.axes(x, axis)...)
	return b.reshape(y, ir.Elements(b.dims(y)))
}

// least keeps scales of what hardly differs from image to image from being next to
// nothing: an error of a hundredth of the numbers themselves counts as one of nothing
// learnt.
const least = 1e-4

func valueMoments(b *builder, x *ir.Value, axis int, _ float64) ([]*ir.Value, []int) {
	return []*ir.Value{x, b.mul(x, x)}, []int{axis, axis}
}

// valueScale is the variance of each channel. Those of a channel that is always 0 are the
// mean of the others'.
func valueScale(m [][]float64, _ float64) []float64 {
	scale := make([]float64, len(m[0]))
	sum, known := 0.0, 0.0
	for i, mean := range m[0] {
		if scale[i] = max(m[1][i]-mean*mean, least*m[1][i]); scale[i] > 0 {
			sum, known = sum+scale[i], known+1
		}
	}
	for i, s := range scale {
		if s <= 0 {
			scale[i] = 1
			if known > 0 {
				scale[i] = sum / known
			}
		}
	}
	return scale
}

func shareMoments(b *builder, x *ir.Value, axis int, temperature float64) ([]*ir.Value, []int) {
	x = b.scale(x, 1/temperature)
	logq := b.unary("LogSoftmax", x, ir.IntAttr("axis", int64(axis)))
	q := b.unary("Exp", logq)
	return []*ir.Value{q, b.mul(q, logq)}, []int{axis, axis}
}

// leastInformation is that in nats of a distribution below which what is told by it is not
// worth more: a tenth of a choice between two.
const leastInformation = 0.07

// shareScale is what a distribution tells beyond the mean of all: KL of the two, in nats.
func shareScale(m [][]float64, temperature float64) []float64 {
	information := 0.0
	for i, q := range m[0] {
		information += m[1][i] - q*math.Log(max(q, 1e-30))
	}
	return []float64{max(information, leastInformation) * temperature * temperature}
}

func scoreMoments(b *builder, x *ir.Value, axis int, _ float64) ([]*ir.Value, []int) {
	q := b.unary("Sigmoid", x)
	entropy := b.sub(b.unary("Softplus", x), b.mul(q, x))
	return []*ir.Value{q, entropy}, []int{axis, -1}
}

// scoreScale is shareScale of yes and no, a mean over channels.
func scoreScale(m [][]float64, _ float64) []float64 {
	information := 0.0
	for _, q := range m[0] {
		for _, p := range []float64{q, 1 - q} {
			information -= p * math.Log(max(p, 1e-30)) / float64(len(m[0]))
		}
	}
	return []float64{max(information-m[1][0], least)}
}

func vectorMoments(b *builder, x *ir.Value, axis int, _ float64) ([]*ir.Value, []int) {
	square := b.mul(x, x)
	unit := b.div(x, b.sqrt(b.plus(b.sum(square, true, int64(axis)), 1e-12)))
	return []*ir.Value{unit, x, square}, []int{axis, axis, axis}
}

// vectorScale is 1 - cos of the vectors and their mean direction, squared, and the variance
// of their elements together.
func vectorScale(m [][]float64, _ float64) []float64 {
	direction, variance, power := 0.0, 0.0, 0.0
	for i := range m[0] {
		direction += m[0][i] * m[0][i]
		variance += m[2][i] - m[1][i]*m[1][i]
		power += m[2][i]
	}
	scale := []float64{max(1-direction, least), max(variance, least*power)}
	if scale[1] == 0 {
		scale[1] = 1
	}
	return scale
}

// rounded keeps three digits of numbers: machines differ in those behind.
func rounded(numbers []float64) []float64 {
	out := make([]float64, len(numbers))
	for i, n := range numbers {
		if n != 0 {
			unit := math.Pow(10, math.Floor(math.Log10(math.Abs(n)))-2)
			n = math.Round(n/unit) * unit
		}
		out[i] = n
	}
	return out
}

// byEnd is how an output is to be compared.
type byEnd struct {
	output string
	loss   string  // "" for that of its end
	weight float64 // among the others
}

// parseByEnd reads NAME, NAME=LOSS or NAME=LOSS:WEIGHT.
func parseByEnd(text string) (byEnd, error) {
	name, how, given := strings.Cut(text, "=")
	want := byEnd{output: name, weight: 1}
	if !given {
		return want, nil
	}
	loss, weight, weighed := strings.Cut(how, ":")
	want.loss = loss
	if err := fault.OneOf("outputs", loss, OutputLosses()...); err != nil {
		return want, err
	}
	if weighed {
		var err error
		if want.weight, err = strconv.ParseFloat(weight, 64); err != nil || !(want.weight > 0) || math.IsInf(want.weight, 0) {
			return want, fault.Usage("outputs", "%s: expected a weight larger than 0, found %q", text, weight)
		}
	}
	return want, nil
}
