package probe

import (
	"context"
	"maps"
	"math"
	"math/rand/v2"

	"github.com/bottlenet/bnc/runtime/ort"
	"github.com/bottlenet/bnc/runtime/tensor"
)

// Direction is one in which an output of a network is moved, by noise times scale: inputs of
// a network that computes gradients (see grad.Direction).
type Direction struct {
	Noise string
	Dims  []int64 // of the tensor, the noise and the gradient's seed
	Scale string  // "" for none
	Axis  int     // along which Scale is more than one number, -1 for none
	Parts [][2]int
}

// feeling runs a network whose outputs are the tensors of the directions, followed by
// gradients.
type feeling struct {
	session    *ort.Session
	inputs     []string
	given      ort.Feed // what other inputs get
	directions []Direction
	random     *rand.Rand
	seen       [][]group // of each direction, a group for each element of its scale
}

// group are the moments of what belongs together.
type group struct{ n, mean, squares float64 }

// newFeeling returns what feels with a session. Inputs are those of the tensors that are
// felt; others, but for the directions', get what is given.
func newFeeling(session *ort.Session, inputs []string, given ort.Feed, directions []Direction, seed uint64) *feeling {
	f := &feeling{session: session, inputs: inputs, given: given, directions: directions, random: rand.New(rand.NewPCG(seed, 0x5eed))}
	for _, d := range directions {
		f.seen = append(f.seen, make([]group, d.groups()))
	}
	return f
}

// What a calibration by what is felt takes: images whose outputs say how much they vary,
// images whose gradients are computed, and random directions of each.
const (
	scaleImages = 32
	feltImages  = 128
	draws       = 3
)

// steps are how many images Run runs of those that it is given.
func (f *feeling) steps(o Options) int {
	n := Images(o.Set, feltImages)
	if f.scaled() {
		n += Images(o.Set, scaleImages)
	}
	return n
}

// Run measures the scales on images of a set, whose tensors a session before computes, and
// gives each the gradients of random directions for an image.
func (f *feeling) Run(ctx context.Context, before *ort.Session, o Options, each func(gradients [][]float32) error) error {
	if f.scaled() {
		o.Most = Images(o.Set, scaleImages)
		if _, err := Run(ctx, before, o, func(_ string, xs []*tensor.Tensor) error { return f.measure(ctx, xs) }); err != nil {
			return err
		}
	}
	o.Most = Images(o.Set, feltImages)
	_, err := Run(ctx, before, o, func(_ string, xs []*tensor.Tensor) error {
		for range draws {
			gradients, err := f.gradients(ctx, xs)
			if err != nil {
				return err
			}
			if err := each(gradients); err != nil {
				return err
			}
		}
		return nil
	})
	return err
}

// groups is the number of elements of a direction's scale.
func (d Direction) groups() int {
	if d.Axis < 0 {
		return 1
	}
	return int(d.Dims[d.Axis])
}

// group is that of element i.
func (d Direction) group(i int) int {
	if d.Axis < 0 {
		return 0
	}
	inner := 1
	for _, n := range d.Dims[d.Axis+1:] {
		inner *= int(n)
	}
	return i / inner % int(d.Dims[d.Axis])
}

// scaled reports whether scales are to be measured first.
func (f *feeling) scaled() bool {
	for _, d := range f.directions {
		if d.Scale != "" {
			return true
		}
	}
	return false
}

// measure takes what the network gives for an image into the scales.
func (f *feeling) measure(ctx context.Context, xs []*tensor.Tensor) error {
	results, err := f.run(ctx, xs, false)
	if err != nil {
		return err
	}
	for k, d := range f.directions {
		if d.Scale == "" {
			continue
		}
		values, err := results[k].Tensor.Floats()
		if err != nil {
			return err
		}
		for i, v := range values {
			if v-v != 0 {
				continue // as the scores of what cannot be, -Inf
			}
			g := &f.seen[k][d.group(i)]
			g.n++ // Welford's
			d := v - g.mean
			g.mean += d / g.n
			g.squares += d * (v - g.mean)
		}
	}
	return nil
}

// gradients returns those of random directions for an image.
func (f *feeling) gradients(ctx context.Context, xs []*tensor.Tensor) ([][]float32, error) {
	results, err := f.run(ctx, xs, true)
	if err != nil {
		return nil, err
	}
	var gradients [][]float32
	for _, r := range results[len(f.directions):] {
		g, err := r.Tensor.Float32s()
		if err != nil {
			return nil, err
		}
		gradients = append(gradients, g)
	}
	return gradients, nil
}

// run runs the network, without any direction unless noisy.
func (f *feeling) run(ctx context.Context, xs []*tensor.Tensor, noisy bool) (ort.Results, error) {
	feed := maps.Clone(f.given)
	for i, name := range f.inputs {
		values, err := xs[i].Float32s() // of another type in a model of half precision
		if err != nil {
			return nil, err
		}
		feed[name] = tensor.Of(xs[i].Shape, values)
	}
	for k, d := range f.directions {
		n := 1
		for _, size := range d.Dims {
			n *= int(size)
		}
		noise := make([]float32, n)
		if noisy {
			for i := range noise {
				noise[i] = float32(f.random.NormFloat64())
			}
		}
		feed[d.Noise] = tensor.Of(d.Dims, noise)
		if d.Scale != "" {
			feed[d.Scale] = f.scale(k)
		}
	}
	return f.session.Run(ctx, feed)
}

// smallest is the least deviation that counts, as a share of the largest of a part: what
// hardly ever changes is not to be felt beyond measure.
const smallest = 0.02

// scale is what the noise of direction k is multiplied with: one over the deviation, so that
// parts of whatever unit and number count as much.
func (f *feeling) scale(k int) *tensor.Tensor {
	d := f.directions[k]
	dims := make([]int64, len(d.Dims))
	total := 1.0
	for i := range dims {
		dims[i] = 1
		total *= float64(d.Dims[i])
	}
	if d.Axis >= 0 {
		dims[d.Axis] = d.Dims[d.Axis]
	}
	values := make([]float32, d.groups())
	parts := d.Parts
	if parts == nil {
		parts = [][2]int{{0, len(values)}}
	}
	for _, part := range parts {
		largest := 0.0
		deviation := func(i int) float64 {
			g := f.seen[k][i]
			return math.Sqrt(g.squares / max(g.n, 1))
		}
		for i := part[0]; i < part[1]; i++ {
			largest = max(largest, deviation(i))
		}
		if largest == 0 {
			continue // it never changes
		}
		elements := total / float64(len(values)) * float64(part[1]-part[0])
		for i := part[0]; i < part[1]; i++ {
			values[i] = float32(1 / max(deviation(i), smallest*largest) / math.Sqrt(elements))
		}
	}
	return tensor.Of(dims, values)
}
