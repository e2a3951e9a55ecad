package bottleneck

import (
	"hash/fnv"
	"math"
	"math/rand/v2"
)

// Unit is one learnable layer of a bottleneck: a convolution with its
// BatchNormalization, as numbers.
type Unit struct {
	Weight     []float32
	Dims       []int64 // [out, in, k, k]; transposed [in, out, k, k]
	Stride     int64
	Pads       [4]int64 // top, left, bottom, right
	Transposed bool

	Norm
}

// Norm is a BatchNormalization, as numbers.
type Norm struct {
	Gamma, Beta, Mean, Var []float32
}

// Units are the layers of a bottleneck; those it does without are nil.
type Units struct {
	ReduceChannel, ReduceSpatial, RestoreSpatial, RestoreChannel *Unit
	// Residual is the branch of --restore-width: Conv 3x3 c -> n, ReLU, Conv 3x3
	// n -> C, weights and biases.
	Residual *Residual
	// RestoreNorm is what both branches read then: planes of mean 0 and deviation
	// 1. The quantiser's are far from 0, which makes every step of an optimiser
	// move their sum more than what they tell.
	RestoreNorm *Norm
	// Lo and Hi are the quantiser's range where it is static.
	Lo, Hi float32
	// PerFelt is how much of a plane is one unit of what the outputs feel, where a
	// calibration knows: by it tensors of one network are comparable. No part of what units
	// compute.
	PerFelt float64 `json:"-"`
}

// Residual is the branch beside the channel restoration.
type Residual struct {
	Width, In, Out int64
	W1, B1, W2, B2 []float32
}

// shift is added before the ReLU of a unit whose input can be negative, and
// taken away after the last unit, when nothing is known about the input's
// scale. It has to be far outside of what activations reach (a few dozen) and
// leave float32 enough digits behind the point (ulp(256) is 3e-5).
const shift = 256

// InitialUnits returns the weights of a bottleneck that was neither calibrated
// nor trained: averages over groups of channels and over windows, spread out
// again on the other side, so that the restored tensor has the scale of the cut
// tensor. A seeded tenth of noise on the averages breaks their symmetry for
// training. What such a bottleneck predicts is noise.
func InitialUnits(g Geometry) *Units {
	u := g.spatialUnits()
	var first, last *Unit
	if !g.Full {
		u.ReduceChannel, u.RestoreChannel = g.channelUnits()
		first, last = u.ReduceChannel, u.RestoreChannel
	} else {
		first, last = u.ReduceSpatial, u.RestoreSpatial
	}
	if g.Signed && first != nil {
		for i := range first.Beta {
			first.Beta[i] += shift
		}
		for i := range last.Beta {
			last.Beta[i] -= shift * last.gain(i)
		}
	}
	u.Residual, u.RestoreNorm = g.residual()
	return u
}

func newUnit(out, in, k int64) *Unit {
	u := &Unit{Weight: make([]float32, out*in*k*k), Dims: []int64{out, in, k, k}, Stride: 1}
	u.Norm = neutralNorm(out)
	return u
}

// gain returns what the convolution makes of a constant 1 in output channel i.
func (u *Unit) gain(i int) float32 {
	if u.Transposed { // each output sees one tap of its own plane
		return 1
	}
	n := len(u.Weight) / len(u.Beta)
	sum := float32(0)
	for _, w := range u.Weight[i*n : (i+1)*n] {
		sum += w
	}
	return sum
}

// neutralNorm is a BatchNormalization of n channels that changes nothing.
func neutralNorm(n int64) Norm {
	u := Norm{make([]float32, n), make([]float32, n), make([]float32, n), make([]float32, n)}
	for i := range n {
		u.Gamma[i], u.Var[i] = 1, 1
	}
	return u
}

func (g Geometry) random(name string) *rand.Rand {
	h := fnv.New64a()
	h.Write([]byte(name))
	return rand.New(rand.NewPCG(g.Seed, h.Sum64()))
}

// channelUnits average groups of neighbouring channels and copy them back, with
// noise on both: a normalisation over channels would cancel equal copies.
func (g Geometry) channelUnits() (reduce, restore *Unit) {
	reduce, restore = newUnit(g.Reduced, g.C, 1), newUnit(g.C, g.Reduced, 1)
	r := g.random("channel")
	sums := make([]float32, g.Reduced)
	group := func(channel int64) int64 { return channel * g.Reduced / g.C }
	for ch := range g.C {
		w := 1 + 0.1*float32(2*r.Float64()-1)
		reduce.Weight[group(ch)*g.C+ch] = w
		sums[group(ch)] += w
		restore.Weight[ch*g.Reduced+group(ch)] = 1 + 0.1*float32(2*r.Float64()-1)
	}
	for ch := range g.C {
		reduce.Weight[group(ch)*g.C+ch] /= sums[group(ch)]
	}
	return reduce, restore
}

// spatialUnits average the part of each window that is inside the image for
// every window, and repeat the average over the stride's cell: neither sees the
// zeros of the padding, so a constant plane stays constant up to its edges.
func (g Geometry) spatialUnits() *Units {
	if g.Stride == 1 {
		return &Units{}
	}
	c, k, s := g.Reduced, g.Kernel(), g.Stride
	reduce, restore := newUnit(c, c, k), newUnit(c, c, k)
	restore.Transposed = true
	top, bottom := g.padding(g.H)
	left, right := g.padding(g.W)
	for _, u := range []*Unit{reduce, restore} {
		u.Stride, u.Pads = s, [4]int64{top, left, bottom, right}
	}
	// taps of one axis: inside for every window; and one cell of s taps whose
	// copies cover the whole axis.
	inside := func(before, after int64) []float32 {
		w := make([]float32, k)
		n := k - before - after
		for t := before; t < k-after; t++ {
			w[t] = 1 / float32(n)
		}
		return w
	}
	cell := func(before int64) []float32 {
		w := make([]float32, k)
		start := min(before, k-s)
		for t := start; t < start+s; t++ {
			w[t] = 1
		}
		return w
	}
	rows, cols := inside(top, bottom), inside(left, right)
	cellRows, cellCols := cell(top), cell(left)
	for ch := range c {
		at := (ch*c + ch) * k * k
		for y := range k {
			for x := range k {
				reduce.Weight[at+y*k+x] = rows[y] * cols[x]
				restore.Weight[at+y*k+x] = cellRows[y] * cellCols[x]
			}
		}
	}
	return &Units{ReduceSpatial: reduce, RestoreSpatial: restore}
}

// residual starts as zero: He weights in, zeros out.
func (g Geometry) residual() (*Residual, *Norm) {
	if g.Width == 0 {
		return nil, nil
	}
	r := &Residual{Width: g.Width, In: g.Reduced, Out: g.C}
	r.W1, r.B1 = make([]float32, g.Width*g.Reduced*9), make([]float32, g.Width)
	r.W2, r.B2 = make([]float32, g.C*g.Width*9), make([]float32, g.C)
	rnd := g.random("residual")
	std := heStd(9 * g.Reduced)
	for i := range r.W1 {
		r.W1[i] = float32(rnd.NormFloat64() * std)
	}
	norm := neutralNorm(g.Reduced)
	return r, &norm
}

// heStd is the standard deviation of He initialisation.
func heStd(fanIn int64) float64 { return math.Sqrt(2 / float64(fanIn)) }
