package bottleneck

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// noise are planes of a bottleneck with numbers from 0 to 1.
func noise(g Geometry, seed uint64) []float32 {
	r := rand.New(rand.NewPCG(seed, 1))
	x := make([]float32, g.Reduced*g.ReducedH()*g.ReducedW())
	for i := range x {
		x[i] = r.Float32()
	}
	return x
}

func TestBlocks(t *testing.T) {
	for n, want := range map[int64][2]int64{1: {1, 1}, 7: {7, 1}, 14: {14, 1}, 15: {8, 2}, 16: {8, 2}, 17: {9, 2}, 20: {10, 2}, 22: {11, 2}, 28: {7, 4}, 44: {11, 4}, 56: {8, 7}, 113: {9, 13}} {
		if size, blocks := blockOf(n); [2]int64{size, blocks} != want {
			t.Errorf("%d samples: %d blocks of %d, expected %d of %d", n, blocks, size, want[1], want[0])
		}
	}
}

func TestTransformTableBytes(t *testing.T) {
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 2))
		table := newTransformTable(Geometry{Reduced: 1 + r.Int64N(300), H: 1 + r.Int64N(60), W: 1 + r.Int64N(60), Stride: 1})
		for i := range table.mean {
			table.mean[i] = byte(r.IntN(256))
		}
		for i := range table.step {
			if r.IntN(int(2+seed)) == 0 {
				table.step[i], table.magnitude[i] = byte(1+r.IntN(255)), byte(r.IntN(256))
			}
		}
		read, err := readTransformTable(table.bytes())
		if err != nil {
			t.Fatal(err)
		}
		if *read.sizes() != *table.sizes() || !slices.Equal(read.mean, table.mean) || !slices.Equal(read.step, table.step) || !slices.Equal(read.magnitude, table.magnitude) {
			t.Errorf("table %d is another one after it was written and read", seed)
		}
	}
}

// sizes are the table's numbers alone.
func (t *transformTable) sizes() *[7]int64 {
	return &[7]int64{t.planes, t.height, t.width, t.blockHeight, t.blockWidth, t.blocksDown, t.blocksAcross}
}

// The formula of the two-dimensional DCT-II, sample by sample.
func TestMomentsAgainstFormula(t *testing.T) {
	g := Geometry{C: 3, Reduced: 3, H: 17, W: 9, Stride: 1, Full: true}
	tiles := Tiles{Spec: Spec{Geometry: g, Quantiser: Quantiser{Bits: 8, Lo: 0, Hi: 1}}, Planes: [][]float32{noise(g, 1), noise(g, 2)}}
	m := tiles.moments()
	const bh, bw = 9, 9
	for k := range int64(3) {
		for v := range int64(bh) {
			for u := range int64(bw) {
				sum, squares := 0.0, 0.0
				for _, x := range tiles.Planes {
					for top := int64(0); top < 17; top += bh {
						c := 0.0
						for y := range int64(bh) {
							for z := range int64(bw) {
								at := float64(x[(k*17+min(top+y, 16))*9+z])*255 - float64(m.mean[k])
								c += at * math.Cos(math.Pi/bh*(float64(y)+.5)*float64(v)) * math.Cos(math.Pi/bw*(float64(z)+.5)*float64(u))
							}
						}
						for _, f := range []struct{ k, n int64 }{{v, bh}, {u, bw}} {
							if f.k == 0 {
								c *= math.Sqrt(1 / float64(f.n))
							} else {
								c *= math.Sqrt(2 / float64(f.n))
							}
						}
						sum, squares = sum+math.Abs(c), squares+c*c
					}
				}
				i := (k*bh+v)*bw + u
				for what, pair := range map[string][2]float64{"magnitude": {m.magnitude[i], sum / 4}, "square": {m.square[i], squares / 4}} {
					if math.Abs(pair[0]-pair[1]) > 1e-4*(1+pair[1]) { // cosines of float32
						t.Errorf("%s of plane %d, frequency %d %d is %g, expected %g", what, k, v, u, pair[0], pair[1])
					}
				}
			}
		}
	}
}

// What is felt four times as much gets half the step, whatever else its plane holds, and both
// tensors one factor.
func TestStepsFollowWhatIsFelt(t *testing.T) {
	g := Geometry{C: 2, Reduced: 2, H: 1, W: 2, Stride: 1, Full: true}
	codec, err := CodecNamed(transform, 0)
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(3, 3))
	felt := [][4]float64{{1, 4, 25, 0}, {100, 25, 1, 1}} // of both frequencies of both planes
	var all []Tiles
	for _, f := range felt {
		tiles := Tiles{Spec: Spec{Geometry: g, Quantiser: Quantiser{Bits: 8, Lo: 0, Hi: 255}, Codec: codec}}
		for range 400 {
			var planes, slopes []float32
			for k := 0; k < 4; k += 2 {
				low, high := math.Sqrt(f[k]), math.Sqrt(f[k+1])
				planes = append(planes, 255*r.Float32(), 255*r.Float32())
				slopes = append(slopes, float32((low+high)/math.Sqrt2), float32((low-high)/math.Sqrt2))
			}
			tiles.Planes, tiles.Felt = append(tiles.Planes, planes), append(tiles.Felt, slopes)
		}
		all = append(all, tiles)
	}
	codecs, err := Fit(all)
	if err != nil {
		t.Fatal(err)
	}
	first := 0.0
	for k, c := range codecs {
		table, err := readTransformTable(c.Parameters["table"].([]byte))
		if err != nil {
			t.Fatal(err)
		}
		for i := range table.step {
			plane := felt[k][i/2*2:]
			factor := table.stepAt(i, 50) * math.Sqrt(felt[k][i]+leastFeltCoefficient*(plane[0]+plane[1])/2)
			if first == 0 {
				first = factor
			}
			if math.Abs(math.Log2(factor/first)) > 1.0/octave { // logarithms of tables are rounded
				t.Errorf("tensor %d, step %d: the factor is %g, expected %g", k, i, factor, first)
			}
		}
	}
}

func TestRateTransformIsOrthonormal(t *testing.T) {
	g := Geometry{C: 5, Reduced: 5, H: 21, W: 14, Stride: 1, Full: true}
	codec, _ := CodecNamed(transform, 50)
	codecs, err := Fit([]Tiles{{Spec: Spec{Geometry: g, Codec: codec}}})
	if err != nil {
		t.Fatal(err)
	}
	rows, cols := g.Grid()
	r := transformRate(codecs[0], rows*21, cols*14)
	for _, m := range []struct {
		values []float32
		n      int64
	}{{r.Down, rows * 21}, {r.Across, cols * 14}} {
		for i := range m.n {
			for j := range m.n {
				dot := 0.0
				for k := range m.n {
					dot += float64(m.values[i*m.n+k]) * float64(m.values[j*m.n+k])
				}
				want := 0.0
				if i == j {
					want = 1
				}
				if math.Abs(dot-want) > 1e-5 { // float32
					t.Fatalf("rows %d and %d have the product %g", i, j, dot)
				}
			}
		}
	}
}
