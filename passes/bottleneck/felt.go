package bottleneck

import (
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/mat"
)

// leastFelt is added to what is felt along the channels, as a share of its mean: what the
// images' gradients do not tell is felt a little.
const leastFelt = 0.02

// Feel takes a gradient at the cut tensor [C,H,W]: how much a random direction of the
// outputs feels it (see grad.FeelInputs). With any, the channels that cross are those that
// the outputs feel most, and planes are scaled by how much they are felt.
func (c *Calibration) Feel(g []float32) error {
	channels, area := int(c.g.C), int(c.g.H*c.g.W)
	if len(g) != channels*area {
		return fmt.Errorf("calibration: expected a gradient of %d x %d x %d values, found %d", c.g.C, c.g.H, c.g.W, len(g))
	}
	x := mat.NewDense(channels, area, nil)
	for i, v := range g {
		if v-v != 0 {
			return nil // too steep for float32 there: of no use
		}
		x.RawMatrix().Data[i] = float64(v)
	}
	if c.felt == nil {
		c.felt = mat.NewSymDense(channels, nil)
	}
	c.felt.SymRankK(c.felt, 1, x)
	c.gradients += area
	if len(c.slopes) == 0 || 4*len(g)*(len(c.slopes)+1) <= keptBytes {
		c.slopes = append(c.slopes, slices.Clone(g))
	}
	return nil
}

// Forget takes all gradients back.
func (c *Calibration) Forget() { c.felt, c.gradients, c.slopes = nil, 0, nil }

// Tiles are what is known of the tiles of a bottleneck of spec and u, the units that were
// made last.
func (c *Calibration) Tiles(spec Spec, u *Units) Tiles {
	t := Tiles{Spec: spec, Planes: c.planes}
	for _, g := range c.slopes {
		t.Felt = append(t.Felt, c.slope(g, u))
	}
	return t
}

// slope turns a gradient at the cut tensor [C,H,W] into one by the planes [c,h,w].
func (c *Calibration) slope(g []float32, u *Units) []float32 {
	if c.back != nil {
		area := int(c.g.H * c.g.W)
		x, y := mat.NewDense(int(c.g.C), area, nil), &mat.Dense{}
		for i, v := range g {
			x.RawMatrix().Data[i] = float64(v)
		}
		y.Mul(c.back.T(), x)
		g = make([]float32, int(c.g.Reduced)*area)
		for i, v := range y.RawMatrix().Data {
			g[i] = float32(v)
		}
	}
	if u.RestoreSpatial != nil {
		g = c.pool(u.RestoreSpatial, [][]float32{g})[0] // a transposed convolution's adjoint is the convolution
	}
	return g
}

// Seed is the seed of the bottleneck's weights.
func (c *Calibration) Seed() uint64 { return c.g.Seed }

// Felt reports whether any gradient was taken.
func (c *Calibration) Felt() bool { return c.felt != nil && mat.Trace(c.felt) > 0 }

// tail is the share of values that may be cut at either end.
func (c *Calibration) tail() float64 {
	if c.Felt() {
		return feltTail
	}
	return tail
}

// metric returns the lower triangular L with L L^T = F, the mean of g g^T over all gradients
// and positions with leastFelt of its mean diagonal: |L^T d|^2 is how much the outputs feel
// an error d, so that tensors of one network are comparable.
func (c *Calibration) metric() *mat.TriDense {
	n := c.felt.SymmetricDim()
	mean := mat.Trace(c.felt) / float64(n)
	f := mat.NewSymDense(n, nil)
	f.ScaleSym(1/mean, c.felt)
	for i := range n {
		f.SetSym(i, i, f.At(i, i)+leastFelt)
	}
	var chol mat.Cholesky
	for !chol.Factorize(f) { // but for rounding it has one
		for i := range n {
			f.SetSym(i, i, 2*f.At(i, i))
		}
	}
	var l mat.TriDense
	chol.LTo(&l)
	l.ScaleTri(math.Sqrt(mean/float64(c.gradients)), &l)
	return &l
}

// inMetric returns L^T cov L, the covariance of L^T x.
func inMetric(l *mat.TriDense, cov *mat.SymDense) *mat.SymDense {
	n := cov.SymmetricDim()
	var half, full mat.Dense
	half.Mul(l.T(), cov)
	full.Mul(&half, l)
	out := mat.NewSymDense(n, nil)
	for i := range n {
		for j := i; j < n; j++ {
			out.SetSym(i, j, (full.At(i, j)+full.At(j, i))/2)
		}
	}
	return out
}

// Share gives the ranges of calibrated units of one network one width in units of what its
// outputs feel, so that a step of every quantiser is felt as much as those of the others.
func Share(all []*Units) {
	width := 0.0
	for _, u := range all {
		width = max(width, float64(u.Hi-u.Lo)/u.PerFelt)
	}
	for _, u := range all {
		u.Hi = u.Lo + float32(width*u.PerFelt)
	}
}
