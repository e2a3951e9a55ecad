package bottleneck

import (
	"math"
	"math/rand/v2"
	"testing"
)

// convolve applies u to planes [in,h,w] the way the definition of Conv says, or
// of ConvTranspose, cropped to the given size.
func convolve(u *Unit, x []float32, h, w, outH, outW int64) []float32 {
	outs, ins, k := u.Dims[0], u.Dims[1], u.Dims[2]
	if u.Transposed {
		outs, ins = ins, outs
	}
	y := make([]float32, outs*outH*outW)
	for o := range outs {
		for i := range ins {
			for iy := range h {
				for ix := range w {
					for ty := range k {
						for tx := range k {
							oy, ox := iy*u.Stride+ty-u.Pads[0], ix*u.Stride+tx-u.Pads[1]
							weight := u.Weight[((i*outs+o)*k+ty)*k+tx]
							if !u.Transposed {
								sy, sx := iy+u.Pads[0]-ty, ix+u.Pads[1]-tx
								if sy%u.Stride != 0 || sx%u.Stride != 0 {
									continue
								}
								oy, ox = sy/u.Stride, sx/u.Stride
								weight = u.Weight[((o*ins+i)*k+ty)*k+tx]
							}
							if oy >= 0 && oy < outH && ox >= 0 && ox < outW {
								y[(o*outH+oy)*outW+ox] += weight * x[(i*h+iy)*w+ix]
							}
						}
					}
				}
			}
		}
	}
	return y
}

// TestSpatialUnitsKeepConstants: for every stride and odd sizes the reduction
// has ceil(H/s) x ceil(W/s) outputs, the restoration the exact size again, and a
// constant plane stays constant through both, up to its edges.
func TestSpatialUnitsKeepConstants(t *testing.T) {
	for stride := int64(2); stride <= 4; stride++ {
		for _, size := range [][2]int64{{2, 2}, {3, 5}, {7, 7}, {8, 13}, {28, 28}, {56, 55}} {
			g := Geometry{C: 2, H: size[0], W: size[1], Reduced: 2, Full: true, Stride: stride}
			u := g.spatialUnits()
			top, bottom := u.ReduceSpatial.Pads[0], u.ReduceSpatial.Pads[2]
			if got := (g.H+top+bottom-g.Kernel())/stride + 1; got != g.ReducedH() {
				t.Errorf("s %d, height %d: %d rows, expected %d", stride, g.H, got, g.ReducedH())
			}
			if got := (g.ReducedH()-1)*stride + g.Kernel() - top - bottom; got != g.H {
				t.Errorf("s %d, height %d: restored to %d rows", stride, g.H, got)
			}
			x := make([]float32, 2*g.H*g.W)
			for i := range x {
				x[i] = 1
			}
			y := convolve(u.ReduceSpatial, x, g.H, g.W, g.ReducedH(), g.ReducedW())
			z := convolve(u.RestoreSpatial, y, g.ReducedH(), g.ReducedW(), g.H, g.W)
			for what, plane := range map[string][]float32{"reduced": y, "restored": z} {
				for i, v := range plane {
					if math.Abs(float64(v)-1) > 1e-6 { // up to 16 taps of 1/16
						t.Errorf("s %d, %v, %s: element %d is %v", stride, size, what, i, v)
						break
					}
				}
			}
		}
	}
}

// TestInitialUnitsKeepScale: what the channel units restore has the mean of
// what they were given, also where a shift keeps the ReLU open.
func TestInitialUnitsKeepScale(t *testing.T) {
	for _, signed := range []bool{false, true} {
		for _, c := range []int64{1, 3, 7, 16} {
			g := Geometry{C: 16, H: 4, W: 4, Signed: signed, Reduced: c, Stride: 1, Seed: 3}
			u := InitialUnits(g)
			r := rand.New(rand.NewPCG(1, 1))
			x := make([]float32, 16)
			mean := 0.0
			for i := range x {
				x[i] = r.Float32()
				if signed {
					x[i] -= 2
				}
				mean += float64(x[i]) / 16
			}
			restoredMean := 0.0
			reduced := make([]float32, c)
			for k := range reduced {
				for j, v := range x {
					reduced[k] += u.ReduceChannel.Weight[k*16+j] * v
				}
				reduced[k] += u.ReduceChannel.Beta[k]
				if reduced[k] < 0 {
					t.Errorf("signed %v, c %d: plane %d is below the ReLU: %v", signed, c, k, reduced[k])
				}
			}
			for j := range x {
				y := u.RestoreChannel.Beta[j]
				for k, v := range reduced {
					y += u.RestoreChannel.Weight[int64(j)*c+int64(k)] * v
				}
				restoredMean += float64(y) / 16
			}
			// A tenth of noise on averages and copies.
			if math.Abs(restoredMean-mean) > 0.1*math.Abs(mean) {
				t.Errorf("signed %v, c %d: mean %v restored as %v", signed, c, mean, restoredMean)
			}
		}
	}
}

// TestGrid holds the layouts of the paper and of other numbers of planes.
func TestGrid(t *testing.T) {
	for c, want := range map[int64][2]int64{1: {1, 1}, 2: {1, 2}, 3: {2, 2}, 4: {2, 2}, 5: {2, 3}, 6: {2, 3}, 7: {3, 3}, 8: {2, 4},
		10: {3, 4}, 16: {4, 4}, 24: {5, 5}, 32: {4, 8}, 64: {8, 8}, 100: {10, 10}, 128: {8, 16}} {
		rows, cols := Geometry{Reduced: c}.Grid()
		if [2]int64{rows, cols} != want {
			t.Errorf("c = %d: %d x %d, expected %v", c, rows, cols, want)
		}
	}
}
