package bottleneck

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/mat"
)

// Calibration collects what the cut tensor holds on real images and makes a
// bottleneck of it that is usable without training: the channels that cross are
// the principal components of the cut tensor, shifted so that the ReLUs and the
// quantiser's range cut only the tails of their distributions, and the
// restoration is the inverse.
type Calibration struct {
	g     Geometry
	rnd   *rand.Rand
	count float64
	sum   []float64
	cross *mat.SymDense // sum of x x^T over sampled positions
	kept  [][]float32   // whole cut tensors, for what depends on neighbourhoods
	bytes int64

	felt      *mat.SymDense // sum of g g^T over all positions of gradients, nil for none
	gradients int           // positions
	perFelt   float64       // how much of a plane is one unit of what is felt
	slopes    [][]float32   // whole gradients, as many as fit keptBytes

	planes [][]float32 // what the quantiser reads of the kept images, since [Calibration.Units]
	back   *mat.Dense  // from planes to channels, nil where all cross
}

const (
	// samplesPerImage is the number of positions of an image that enter the
	// covariance: neighbouring positions tell the same.
	samplesPerImage = 512
	// keptBytes bounds the cut tensors that are kept whole.
	keptBytes = 256 << 20
	// tail is the share of values that range and ReLU may cut at either end; feltTail where
	// planes are scaled by what the outputs feel: there large values are few and matter, as
	// those of the cells of a detector where something is (AP50 of FastestDet behind
	// input.516, 64 channels: 0.70 at most with 1e-3, 0.86 with 1e-4).
	tail, feltTail = 1e-3, 1e-4
	// mostWidened bounds by how much a plane is widened: one that is narrower yet takes less
	// than a level beside the widest.
	mostWidened = 256
)

// NewCalibration starts a calibration for a bottleneck of geometry g.
func NewCalibration(g Geometry) *Calibration {
	return &Calibration{g: g, rnd: g.random("calibration"), sum: make([]float64, g.C), cross: mat.NewSymDense(int(g.C), nil), perFelt: 1}
}

// Add takes the cut tensor [C,H,W] of one image. Values that are not finite are
// an error: the model does not compute there.
func (c *Calibration) Add(x []float32) error {
	channels, area := int(c.g.C), int(c.g.H*c.g.W)
	if len(x) != channels*area {
		return fmt.Errorf("calibration: expected %d x %d x %d values, found %d", c.g.C, c.g.H, c.g.W, len(x))
	}
	for _, v := range x {
		if v-v != 0 {
			return fmt.Errorf("calibration: the cut tensor holds %v", v)
		}
	}
	n := min(area, samplesPerImage)
	at := c.rnd.Perm(area)[:n]
	sample := mat.NewDense(channels, n, nil)
	for ch := range channels {
		row := sample.RawRowView(ch)
		for i, p := range at {
			row[i] = float64(x[ch*area+p])
			c.sum[ch] += row[i]
		}
	}
	c.cross.SymRankK(c.cross, 1, sample)
	c.count += float64(n)
	if size := int64(4 * len(x)); c.bytes+size <= keptBytes || len(c.kept) == 0 {
		c.kept = append(c.kept, slices.Clone(x))
		c.bytes += size
	}
	return nil
}

// Units returns the calibrated weights with the quantiser's static range. Even asks for planes
// of one width, where it is known how much each is felt: a codec with steps of its own for each
// plane ([Codec.Fitted]) loses nothing by it, and the tile's levels are as fine as they can be
// in all of them.
func (c *Calibration) Units(even bool) (*Units, error) {
	if len(c.kept) == 0 {
		return nil, fmt.Errorf("calibration: no images")
	}
	u := c.g.spatialUnits()
	u.Residual, u.RestoreNorm = c.g.residual()
	planes := c.kept
	c.back = nil
	var first, last *Unit
	if !c.g.Full {
		mean, variance, p, back, err := c.components()
		if err != nil {
			return nil, err
		}
		planes = c.project(p, mean)
		c.back = back
		if even && c.Felt() {
			c.even(planes, p, back)
		}
		u.ReduceChannel, u.RestoreChannel = c.channelUnits(p, back, mean, variance)
		shifts := centre(planes, int(c.g.Reduced), u.ReduceChannel, c.tail())
		for j := range u.RestoreChannel.Mean { // of what the shifts become behind the restoring convolution
			for k, s := range shifts {
				u.RestoreChannel.Mean[j] += u.RestoreChannel.Weight[j*len(shifts)+k] * s
			}
		}
	} else if u.ReduceSpatial != nil && c.g.Signed {
		first, last = u.ReduceSpatial, u.RestoreSpatial
	}
	if u.ReduceSpatial != nil {
		planes = c.pool(u.ReduceSpatial, planes)
		if first != nil {
			lo, _ := quantiles(planes, c.tail())
			for i := range first.Beta {
				first.Beta[i] -= lo
				last.Beta[i] += lo
			}
			add(planes, -lo)
		}
		for k := range int(c.g.Reduced) {
			plane := each(planes, int(c.g.Reduced), k)
			u.ReduceSpatial.settle(k, average(plane)-u.ReduceSpatial.Beta[k], variance(plane))
			u.RestoreSpatial.settle(k, average(plane), variance(plane))
		}
	}
	if u.RestoreNorm != nil {
		u.normalise(planes)
	}
	c.planes = planes
	u.Lo, u.Hi = quantiles(planes, c.tail())
	u.PerFelt = c.perFelt
	if u.ReduceChannel != nil || u.ReduceSpatial != nil {
		u.Lo = max(u.Lo, 0) // behind a ReLU
	}
	return u, c.check(u)
}

// check fails where the statistics of the images are beyond float32, as they are
// of activations from about 1e19 on.
func (c *Calibration) check(u *Units) error {
	numbers := [][]float32{{u.Lo, u.Hi, u.Hi - u.Lo}}
	for _, unit := range []*Unit{u.ReduceChannel, u.ReduceSpatial, u.RestoreSpatial, u.RestoreChannel} {
		if unit != nil {
			numbers = append(numbers, unit.Weight, unit.Gamma, unit.Beta, unit.Mean, unit.Var)
		}
	}
	if u.RestoreNorm != nil {
		numbers = append(numbers, u.RestoreNorm.Mean, u.RestoreNorm.Var)
	}
	for _, list := range numbers {
		for _, v := range list {
			if v-v != 0 {
				lo, hi := quantiles(c.kept, tail)
				return fmt.Errorf("calibration: the cut tensor holds values from %v to %v, whose variance float32 cannot hold; choose another cut", lo, hi)
			}
		}
	}
	return nil
}

// normalise sets RestoreNorm to the statistics of what it reads, and the channel
// restoration so that it computes what it did.
func (u *Units) normalise(planes [][]float32) {
	n := u.RestoreNorm
	for k := range n.Mean {
		plane := each(planes, len(n.Mean), k)
		n.Mean[k], n.Var[k] = average(plane), variance(plane)
		if u.RestoreChannel == nil {
			continue
		}
		for j := range u.RestoreChannel.Mean {
			w := &u.RestoreChannel.Weight[j*len(n.Mean)+k]
			u.RestoreChannel.Mean[j] -= *w * n.Mean[k]
			*w *= std(n.Var[k])
		}
	}
}

// components returns mean and variance of each channel and the principal
// components, one a row: the eigenvectors of the covariance with the largest
// eigenvalues. Back turns components into channels again, one channel a row. Where
// gradients were taken, the components are those of what the outputs feel: of L^T x, L
// being the metric, so that p is U^T L^T and back L^-T U.
func (c *Calibration) components() (mean, variance []float64, p, back *mat.Dense, err error) {
	n := int(c.g.C)
	mean, variance = make([]float64, n), make([]float64, n)
	cov := mat.NewSymDense(n, nil)
	for i := range n {
		mean[i] = c.sum[i] / c.count
	}
	for i := range n {
		for j := i; j < n; j++ {
			cov.SetSym(i, j, c.cross.At(i, j)/c.count-mean[i]*mean[j])
		}
		variance[i] = max(cov.At(i, i), 0)
	}
	var l *mat.TriDense
	if c.Felt() {
		l = c.metric()
		inside := inMetric(l, cov)
		if t := mat.Trace(inside); t > 0 { // planes as large as the channels: what training expects
			c.perFelt = math.Sqrt(mat.Trace(cov) / t)
		}
		l.ScaleTri(c.perFelt, l)
		inside.ScaleSym(c.perFelt*c.perFelt, inside)
		cov = inside
	}
	vectors, err := leading(cov, int(c.g.Reduced), c.rnd)
	if err != nil {
		return nil, nil, nil, nil, err
	}
	p = mat.NewDense(int(c.g.Reduced), n, nil)
	for k := range int(c.g.Reduced) {
		column := mat.Col(nil, k, vectors)
		sum := 0.0
		for _, v := range column {
			sum += v
		}
		if sum < 0 { // the sign is free: the same one every time
			for i := range column {
				column[i] = -column[i]
			}
		}
		p.SetRow(k, column)
	}
	back = mat.DenseCopyOf(p.T())
	if l != nil {
		if err := back.Solve(l.T(), back); err != nil {
			return nil, nil, nil, nil, fmt.Errorf("calibration: %w", err)
		}
		p.Mul(mat.DenseCopyOf(p), l.T())
	}
	return mean, variance, p, back, nil
}

// even scales planes, and components p and back with them, so that all are as wide as the
// widest.
func (c *Calibration) even(planes [][]float32, p, back *mat.Dense) {
	widths := make([]float32, c.g.Reduced)
	for k := range widths {
		lo, hi := quantiles(each(planes, len(widths), k), c.tail())
		widths[k] = hi - lo
	}
	widest := slices.Max(widths)
	for k, width := range widths {
		by := float32(1)
		if widest > 0 {
			by = widest / max(width, widest/mostWidened)
		}
		for _, plane := range each(planes, len(widths), k) {
			for i := range plane {
				plane[i] *= by
			}
		}
		floats.Scale(float64(by), p.RawRowView(k))
		for j := range int(c.g.C) {
			back.Set(j, k, back.At(j, k)/float64(by))
		}
	}
}

// channelUnits makes the units of components p; their shifts are still zero.
func (c *Calibration) channelUnits(p, back *mat.Dense, mean, variance []float64) (reduce, restore *Unit) {
	channels, reduced := c.g.C, c.g.Reduced
	reduce, restore = newUnit(reduced, channels, 1), newUnit(channels, reduced, 1)
	for k := range reduced {
		for j := range channels {
			w := p.At(int(k), int(j))
			reduce.Weight[k*channels+j] = float32(w)
			restore.Weight[j*reduced+k] = float32(back.At(int(j), int(k)))
			reduce.Mean[k] += float32(w * mean[j])
		}
	}
	for j := range channels {
		restore.Beta[j] = float32(mean[j])
		restore.Var[j] = float32(variance[j])
		restore.Gamma[j] = std(restore.Var[j])
	}
	return reduce, restore
}

// std is the Gamma that undoes a BatchNormalization's division.
func std(variance float32) float32 { return float32(math.Sqrt(float64(variance) + bnEpsilon)) }

// project returns the components of the kept tensors, mean-free.
func (c *Calibration) project(p *mat.Dense, mean []float64) [][]float32 {
	area, channels, reduced := int(c.g.H*c.g.W), int(c.g.C), int(c.g.Reduced)
	out := make([][]float32, len(c.kept))
	for i, x := range c.kept {
		y := make([]float32, reduced*area)
		for k := range reduced {
			plane := y[k*area : (k+1)*area]
			for ch := range channels {
				w, m := float32(p.At(k, ch)), float32(mean[ch])
				for j, v := range x[ch*area : (ch+1)*area] {
					plane[j] += w * (v - m)
				}
			}
		}
		out[i] = y
	}
	return out
}

// centre shifts each plane so that the middles of all distributions meet at half
// of the widest one's width, above zero but for the tails. It sets the unit's
// statistics and shifts, changes the planes, and returns the shifts.
func centre(planes [][]float32, channels int, u *Unit, tail float64) []float32 {
	lo, hi := make([]float32, channels), make([]float32, channels)
	width := float32(0)
	for k := range channels {
		lo[k], hi[k] = quantiles(each(planes, channels, k), tail)
		width = max(width, hi[k]-lo[k])
	}
	shifts := make([]float32, channels)
	for k := range channels {
		plane := each(planes, channels, k)
		u.Var[k] = variance(plane)
		u.Gamma[k] = std(u.Var[k])
		shifts[k] = width/2 - (lo[k]+hi[k])/2
		u.Beta[k] = shifts[k]
		add(plane, shifts[k])
		for _, p := range plane {
			for i := range p {
				p[i] = max(p[i], 0)
			}
		}
	}
	return shifts
}

// settle sets the statistics of channel k to those of the convolution's output
// without changing what a unit with neutral ones computes.
func (u *Unit) settle(k int, mean, variance float32) {
	u.Mean[k], u.Var[k] = mean, variance
	u.Gamma[k] = std(variance)
	u.Beta[k] += mean
}

// pool applies the spatial reduction to each plane by itself.
func (c *Calibration) pool(u *Unit, planes [][]float32) [][]float32 {
	g := c.g
	k, s, h, w := g.Kernel(), g.Stride, g.ReducedH(), g.ReducedW()
	out := make([][]float32, len(planes))
	for i, x := range planes {
		y := make([]float32, g.Reduced*h*w)
		for ch := range g.Reduced {
			taps := u.Weight[(ch*g.Reduced+ch)*k*k:]
			for oy := range h {
				for ox := range w {
					sum := float32(0)
					for ty := range k {
						for tx := range k {
							iy, ix := oy*s+ty-u.Pads[0], ox*s+tx-u.Pads[1]
							if iy >= 0 && iy < g.H && ix >= 0 && ix < g.W {
								sum += taps[ty*k+tx] * x[(ch*g.H+iy)*g.W+ix]
							}
						}
					}
					y[(ch*h+oy)*w+ox] = sum
				}
			}
		}
		out[i] = y
	}
	return out
}
