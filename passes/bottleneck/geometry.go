package bottleneck

import (
	"fmt"

	"github.com/bottlenet/bnc/compiler/cut"
)

// Geometry is the size of everything in a bottleneck.
type Geometry struct {
	C      int64 `json:"channels"` // of the cut tensor, as H and W
	H      int64 `json:"height"`
	W      int64 `json:"width"`
	Signed bool  `json:"signed"` // the cut tensor can be negative
	// Reduced is the number of channels that cross; with Full it equals C and
	// there are no channel units.
	Reduced int64 `json:"c"`
	Full    bool  `json:"full"`
	Stride  int64 `json:"s"` // 1 means that there are no spatial units
	// Width of the residual branch, 0 for none.
	Width int64  `json:"restore_width"`
	Seed  uint64 `json:"-"` // of the weights before any training
}

// ReducedH returns ceil(H / Stride).
func (g Geometry) ReducedH() int64 { return (g.H + g.Stride - 1) / g.Stride }

// ReducedW returns ceil(W / Stride).
func (g Geometry) ReducedW() int64 { return (g.W + g.Stride - 1) / g.Stride }

// Kernel returns the size of the spatial convolutions: larger than the stride
// (section 2.1 of the paper), 3 at stride 2, 5 at strides 3 and 4.
func (g Geometry) Kernel() int64 {
	if g.Stride <= 2 {
		return 3
	}
	return 5
}

// Grid returns the rows and columns in which the planes are tiled: for c = 2^k
// the paper's 2^floor(k/2) x 2^ceil(k/2), otherwise as square as possible.
func (g Geometry) Grid() (rows, cols int64) {
	c := g.Reduced
	if c&(c-1) == 0 {
		rows, cols = 1, 1
		for rows*cols < c {
			if cols == rows {
				cols *= 2
			} else {
				rows *= 2
			}
		}
		return rows, cols
	}
	for cols*cols < c {
		cols++
	}
	return (c + cols - 1) / cols, cols
}

// padding returns the zeros before and after an axis of n elements so that
// stride and kernel make it ceil(n/stride) long.
func (g Geometry) padding(n int64) (before, after int64) {
	total := ((n+g.Stride-1)/g.Stride-1)*g.Stride + g.Kernel() - n
	return total / 2, total - total/2
}

// Geometries returns the geometries of the bottlenecks at c, one a tensor: what they reduce
// to is the number of channels of each (0: all of them, without channel units) and its
// stride (0: the default, 2, or 1 where height or width is 1). One number is for all.
func Geometries(c *cut.Cut, channels, strides []int64) ([]Geometry, error) {
	if why := c.NoBottleneck(); why != "" {
		return nil, fmt.Errorf("cut %s takes no bottleneck: %s; use --plain, or another cut", c, why)
	}
	var all []Geometry
	for i, t := range c.Tensors {
		g, err := geometryOf(t, of(channels, i), of(strides, i))
		if err != nil && len(c.Tensors) > 1 {
			err = fmt.Errorf("tensor %q: %w", t.Value.Name(), err)
		}
		if err != nil {
			return nil, err
		}
		all = append(all, g)
	}
	return all, nil
}

// of returns the number for tensor i of a cut: one is for all.
func of(numbers []int64, i int) int64 { return numbers[min(i, len(numbers)-1)] }

func geometryOf(t cut.Tensor, channels, stride int64) (Geometry, error) {
	g := Geometry{Reduced: channels, Stride: stride, Signed: canBeNegative(t.Value)}
	for i, size := range []*int64{&g.C, &g.H, &g.W} {
		*size, _ = t.Type.Dims[i+1].Int() // known where a bottleneck fits
	}
	if channels == 0 {
		g.Reduced, g.Full = g.C, true
	}
	if stride == 0 {
		g.Stride = 2
		if g.H == 1 || g.W == 1 {
			g.Stride = 1
		}
	}
	return g, g.Check()
}

// Check says what is wrong with the settings, in the words of the flags.
func (g Geometry) Check() error {
	switch {
	case g.Reduced < 1 || g.Reduced > g.C:
		return fmt.Errorf("--c %d: the cut tensor has %d channels, so c goes from 1 to %d (or full)", g.Reduced, g.C, g.C)
	case g.Stride < 1 || g.Stride > 4:
		return fmt.Errorf("--s %d: the stride goes from 1 to 4", g.Stride)
	case g.Stride > 1 && (g.H == 1 || g.W == 1):
		return fmt.Errorf("--s %d: the cut tensor is %d x %d, which leaves nothing to reduce; use --s 1", g.Stride, g.H, g.W)
	}
	return nil
}
