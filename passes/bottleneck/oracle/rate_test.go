//go:build cgo

package oracle

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/bottlenet/bnc/ops"
	"github.com/bottlenet/bnc/passes/bottleneck"
	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/stat"
)

// drawn are tiles of planes that are smooth, each plane with another contrast and each image,
// too, as the reduced features of networks are.
func drawn(rng *rand.Rand, g bottleneck.Geometry, images int) (tiles [][]byte, planes [][]float32) {
	rows, cols := g.Grid()
	h, w := int(g.ReducedH()), int(g.ReducedW())
	cosine := func(frequency, at, n int) float64 {
		return math.Cos((float64(at) + 0.5) * float64(frequency) * math.Pi / float64(n))
	}
	for range images {
		contrast := math.Exp(0.5 * rng.NormFloat64())
		tile, all := make([]byte, int(rows)*h*int(cols)*w), []float32(nil)
		for k := range int(g.Reduced) {
			plane := make([]float64, h*w)
			for u := range h {
				for v := range w {
					amplitude := 40 * contrast * rng.NormFloat64() / float64(1+k) / math.Pow(1+float64(u+v), 1.2)
					for y := range h {
						down := amplitude * cosine(u, y, h)
						for x := range w {
							plane[y*w+x] += down * cosine(v, x, w)
						}
					}
				}
			}
			for i, p := range plane {
				level := min(max(math.Round(128+p), 0), 255)
				tile[(k/int(cols)*h+i/w)*int(cols)*w+k%int(cols)*w+i%w] = byte(level)
				all = append(all, float32(level))
			}
		}
		tiles, planes = append(tiles, tile), append(planes, all)
	}
	return tiles, planes
}

// estimate is what r says of a tile, in bytes.
func estimate(r *bottleneck.Rate, tile []byte, h, w int) float64 {
	matrix := func(values []float32, rows, cols int) *mat.Dense {
		m := mat.NewDense(rows, cols, nil)
		m.Apply(func(i, j int, _ float64) float64 { return float64(values[i*cols+j]) }, m)
		return m
	}
	x := mat.NewDense(h, w, nil)
	x.Apply(func(i, j int, _ float64) float64 {
		if r.Mean == nil {
			return float64(tile[i*w+j])
		}
		return float64(tile[i*w+j]) - float64(r.Mean[i*w+j])
	}, x)
	var u mat.Dense
	u.Product(matrix(r.Down, int(r.Height), h), x, matrix(r.Across, int(r.Width), w).T())
	u.MulElem(&u, matrix(r.Scale, int(r.Height), int(r.Width)))
	bits := 0.0
	for i, k := range r.Bits {
		v := u.At(i/int(r.Width), i%int(r.Width))
		bits += float64(k) / 2 * math.Log2(1+v*v)
	}
	return bits / 8
}

// TestRateTellsBytes compares what codecs say of the size of tiles with what they take: from
// image to image it is about a byte more for a byte.
func TestRateTellsBytes(t *testing.T) {
	g := bottleneck.Geometry{C: 12, Reduced: 12, H: 12, W: 14, Stride: 1, Full: true}
	rows, cols := g.Grid()
	h, w := int(rows*12), int(cols*14)
	tiles, planes := drawn(rand.New(rand.NewPCG(7, 8)), g, 80)
	for _, c := range []struct {
		codec     string
		qualities []int
	}{{"jpeg", []int{10, 25, 60}}, {"transform", []int{50, 65, 80}}} {
		for _, quality := range c.qualities {
			codec, err := bottleneck.CodecNamed(c.codec, quality)
			if err != nil {
				t.Fatal(err)
			}
			fitted, err := bottleneck.Fit([]bottleneck.Tiles{{Spec: bottleneck.Spec{Geometry: g, Quantiser: bottleneck.Quantiser{Bits: 8, Hi: 255}, Codec: codec}, Planes: planes[:40]}})
			if err != nil {
				t.Fatal(err)
			}
			coding, err := fitted[0].Coding()
			if err != nil {
				t.Fatal(err)
			}
			row, err := ops.Lookup(c.codec)
			if err != nil {
				t.Fatal(err)
			}
			coder, err := ops.Record{{Codec: row, Parameters: fitted[0].Parameters, Height: h, Width: w}}.Coder()
			if err != nil {
				t.Fatal(err)
			}
			var said, taken []float64
			for _, tile := range tiles[40:] {
				_, sizes, err := coder.Encode([][]byte{tile}, [][]float32{nil})
				if err != nil {
					t.Fatal(err)
				}
				said, taken = append(said, estimate(coding.Rate(fitted[0], int64(h), int64(w)), tile, h, w)), append(taken, float64(sizes[0]))
			}
			_, slope := stat.LinearRegression(said, taken, nil, false)
			like := stat.Correlation(said, taken, nil)
			what := fmt.Sprintf("%s at quality %d: %.0f bytes for %.0f that are said, %.2f for one more, correlation %.3f", c.codec, quality, stat.Mean(taken, nil), stat.Mean(said, nil), slope, like)
			t.Log(what)
			if !(slope > 0.7 && slope < 1.1 && like > 0.98) { // small tiles of high contrast have classes of their own
				t.Error(what)
			}
		}
	}
}
