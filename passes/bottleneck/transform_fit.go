package bottleneck

import (
	"math"
	"slices"

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/mat"
)

const (
	// lostAtQuality50 is which share of what the outputs feel of the planes is lost to
	// quantisation at a quality of 50.
	lostAtQuality50 = 0.05
	// leastFeltCoefficient is added to what is felt of a coefficient, as a share of its plane's mean:
	// gradients of a few hundred images do not tell that one is not felt at all.
	leastFeltCoefficient = 0.01
	// deadBelow is the mean magnitude, in steps at a quality of 100, below which a
	// coefficient is never sent.
	deadBelow = 1.0 / 32
)

// moments are those of the coefficients of a tensor's planes, in levels of its tile.
type moments struct {
	*transformTable
	magnitude, square []float64 // means of each coefficient
	felt              []float64 // how much the outputs feel an error of one level, squared
}

// fitTransform measures what the tables tell. Steps are inversely proportional to how much
// the outputs feel an error, with one factor for all tensors, so that the bits go where they
// are felt.
func fitTransform(all []Tiles) ([]Codec, error) {
	var measured []*moments
	for _, t := range all {
		measured = append(measured, t.moments())
	}
	factor := commonFactor(measured)
	var codecs []Codec
	for i, m := range measured {
		if all[i].Keep {
			old, err := readTransformTable(all[i].Codec.Parameters[table].([]byte))
			if err != nil {
				return nil, err
			}
			m.step = old.revived()
		} else {
			for k, f := range m.felt {
				m.step[k] = logarithm(factor/math.Sqrt(f), 1)
			}
		}
		for k, mean := range m.magnitude {
			m.transformTable.magnitude[k] = logarithm(mean, 0)
			if mean < deadBelow*m.stepAt(k, 100) {
				m.step[k] = 0
			}
		}
		codecs = append(codecs, all[i].Codec.With(table, m.bytes()))
	}
	return codecs, nil
}

// revived are the steps, those of coefficients that were not sent the largest of the plane's.
func (t *transformTable) revived() []byte {
	steps := slices.Clone(t.step)
	for plane := range slices.Chunk(steps, int(t.frequencies())) {
		largest := slices.Max(plane)
		for i, s := range plane {
			if s == 0 {
				plane[i] = largest
			}
		}
	}
	return steps
}

// commonFactor is what divides the square roots of what is felt so that at a quality of 50
// lostAtQuality50 of it is lost: a coefficient loses at most itself, else a step's square by
// 12.
func commonFactor(all []*moments) float64 {
	whole := 0.0
	for _, m := range all {
		for k, f := range m.felt {
			whole += f * m.square[k] * float64(m.blocksDown*m.blocksAcross)
		}
	}
	low, high := -60.0, 60.0 // octaves
	for range 60 {
		middle := (low + high) / 2
		lost := 0.0
		for _, m := range all {
			for k, f := range m.felt {
				lost += min(f*m.square[k], math.Exp2(2*middle)/12) * float64(m.blocksDown*m.blocksAcross)
			}
		}
		if lost < lostAtQuality50*whole {
			low = middle
		} else {
			high = middle
		}
	}
	return math.Exp2(high)
}

// moments measures the planes; without any they fall with the frequency, as those of
// pictures do.
func (t Tiles) moments() *moments {
	m := &moments{transformTable: newTransformTable(t.Geometry)}
	n := len(m.step)
	m.magnitude, m.square, m.felt = make([]float64, n), make([]float64, n), make([]float64, n)
	if len(t.Planes) == 0 {
		for i := range n {
			f := i % int(m.frequencies())
			y, x := f/int(m.blockWidth), f%int(m.blockWidth)
			m.magnitude[i] = 128 / float64(1+y+x)
			m.square[i] = 2 * m.magnitude[i] * m.magnitude[i]
			m.felt[i] = 1
		}
		for k := range m.mean {
			m.mean[k] = 128
		}
		return m
	}
	c := newCosines(m.transformTable)
	tiles := t.levels()
	for k := range int(m.planes) {
		m.mean[k] = byte(min(max(math.Round(float64(average(each(tiles, int(m.planes), k)))), 0), 255))
	}
	for _, tile := range tiles {
		c.each(tile, true, func(i int, v float64) {
			m.magnitude[i] += math.Abs(v)
			m.square[i] += v * v
		})
	}
	count := float64(len(tiles)) * float64(m.blocksDown*m.blocksAcross)
	for i := range n {
		m.magnitude[i] /= count
		m.square[i] /= count
	}
	for _, g := range t.Felt {
		c.each(g, false, func(i int, v float64) { m.felt[i] += v * v })
	}
	perLevel := 1.0
	if !t.Dynamic {
		perLevel = float64(t.Hi-t.Lo) / 255
	}
	for plane := range slices.Chunk(m.felt, int(m.frequencies())) {
		mean := floats.Sum(plane) / float64(len(plane))
		for i := range plane {
			plane[i] = (plane[i] + leastFeltCoefficient*mean) * perLevel * perLevel / max(float64(len(t.Felt)), 1) / float64(m.blocksDown*m.blocksAcross)
		}
	}
	if floats.Sum(m.felt) == 0 {
		for i := range m.felt {
			m.felt[i] = 1
		}
	}
	return m
}

// levels are the planes as the tile holds them, 0 to 255, but for rounding.
func (t Tiles) levels() [][]float32 {
	var out [][]float32
	for _, planes := range t.Planes {
		lo, hi := t.Lo, t.Hi
		if t.Dynamic {
			lo, hi = planes[0], planes[0]
			for _, v := range planes {
				lo, hi = min(lo, v), max(hi, v)
			}
		}
		tile := make([]float32, len(planes))
		for i, v := range planes {
			if hi > lo {
				tile[i] = min(max((v-lo)/(hi-lo)*255, 0), 255)
			}
		}
		out = append(out, tile)
	}
	return out
}

// blockCosines transforms the blocks of planes.
type blockCosines struct {
	*transformTable
	down, across *mat.Dense
	block, half  *mat.Dense
}

func newCosines(t *transformTable) *blockCosines {
	square := func(n int64) *mat.Dense {
		m, _ := cosines(n, n)
		values := make([]float64, len(m))
		for i, v := range m {
			values[i] = float64(v)
		}
		return mat.NewDense(int(n), int(n), values)
	}
	height, width := int(t.blockHeight), int(t.blockWidth)
	return &blockCosines{t, square(t.blockHeight), square(t.blockWidth), mat.NewDense(height, width, nil), mat.NewDense(height, width, nil)}
}

// each calls f with every coefficient of planes [c,h,w] and its place in the table. Where a
// block goes beyond a plane, samples without their mean are repeated, gradients are 0.
func (c *blockCosines) each(planes []float32, samples bool, f func(i int, v float64)) {
	bh, bw := c.blockHeight, c.blockWidth
	for k := range c.planes {
		plane, mean := planes[k*c.height*c.width:], float64(c.mean[k])
		for top := int64(0); top < c.height; top += bh {
			for left := int64(0); left < c.width; left += bw {
				for y := range bh {
					for x := range bw {
						v := float64(plane[min(top+y, c.height-1)*c.width+min(left+x, c.width-1)])
						switch {
						case samples:
							v -= mean
						case top+y >= c.height || left+x >= c.width:
							v = 0
						}
						c.block.Set(int(y), int(x), v)
					}
				}
				c.half.Mul(c.block, c.across.T())
				c.block.Mul(c.down, c.half)
				for i, v := range c.block.RawMatrix().Data {
					f(int(k*bh*bw)+i, v)
				}
			}
		}
	}
}
