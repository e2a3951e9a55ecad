package heldout

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/bottlenet/bnc/runtime/ort"
	"github.com/bottlenet/bnc/runtime/tensor"
)

// outputs are those of an image: classes, which are no numbers to compare, and two that are.
func outputs(a, b []float32) ort.Results {
	of := func(name string, t *tensor.Tensor) ort.Result {
		return ort.Result{Name: name, Value: ort.Value{Tensor: t}}
	}
	return ort.Results{
		of("class", tensor.Of([]int64{1}, []int64{3})), of("a", tensor.Of([]int64{1, int64(len(a))}, a)), of("b", tensor.Of([]int64{1, int64(len(b))}, b)),
	}
}

// TestDistance: the square error by that of the mean answer, output by output, in whatever unit
// it is; 1 for who says the mean of all images. Of normal numbers the mean of w^2 (w^2 + 0.1) is
// 3.1, and noise that does not depend on them counts 1.1.
func TestDistance(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	const images, width = 400, 5
	draw := func(scale, shift float64) (all [][]float32) {
		for range images {
			var row []float32
			for k := range width {
				row = append(row, float32(shift*float64(k)+scale*r.NormFloat64()))
			}
			all = append(all, row)
		}
		return all
	}
	a, b := draw(1, 10), draw(1000, -1)
	for _, c := range []struct {
		name         string
		noiseA, mean float64
		want         float64
	}{{"the same", 0, 0, 0}, {"noise on one output", 0.5, 0, 0.25 / 2 * 1.1 / 3.1}, {"the mean of one output", 0, 1, 0.5}} {
		var whole reference
		for i := range images {
			whole.add(outputs(a[i], b[i]))
		}
		means := whole.means()[2]
		far := whole.distance()
		for i := range images {
			x, y := make([]float32, width), make([]float32, width)
			for k := range width {
				x[k] = a[i][k] + float32(c.noiseA*r.NormFloat64())
				y[k] = b[i][k] + float32(c.mean*(means[k]-float64(b[i][k])))
			}
			far.add(i, outputs(x, y))
		}
		// The means of 2,000 squares of noise have a relative deviation of 3%, of fourth powers
		// 7%: three of them together.
		if got, err := far.relative(); err != nil || math.Abs(got-c.want) > 0.25*c.want+1e-9 {
			t.Errorf("%s: %g, expected %g (%v)", c.name, got, c.want, err)
		}
	}
}

// TestDistanceOfTheUnusual: where most images say the same, an error in what one says counts
// more than one in what it says like all others.
func TestDistanceOfTheUnusual(t *testing.T) {
	error := func(at int) float64 {
		var whole reference
		for i := range 20 {
			cells := make([]float32, 20)
			cells[i] = 1 // each has something in a cell of its own
			whole.add(outputs(cells, []float32{0}))
		}
		far := whole.distance()
		for i := range 20 {
			cells := make([]float32, 20)
			cells[i] = 1
			cells[(i+at)%20] -= 0.5
			far.add(i, outputs(cells, []float32{0}))
		}
		relative, err := far.relative()
		if err != nil {
			t.Fatal(err)
		}
		return relative
	}
	if there, elsewhere := error(0), error(1); there < 10*elsewhere || elsewhere <= 0 {
		t.Errorf("%g where something is, %g where nothing is: expected ten times as much", there, elsewhere)
	}
}

// TestDistanceOfNothing: outputs that never change, or have another size for each image, tell
// nothing; infinite scores do not count.
func TestDistanceOfNothing(t *testing.T) {
	var whole reference
	whole.add(outputs([]float32{1, 2}, []float32{3}))
	whole.add(outputs([]float32{1, 2}, []float32{3, 4}))
	far := whole.distance()
	far.add(0, outputs([]float32{1, 3}, []float32{3}))
	if got, err := far.relative(); err == nil {
		t.Errorf("%g of outputs that tell nothing", got)
	}
	var infinite reference
	never := float32(math.Inf(-1))
	infinite.add(outputs([]float32{1, never}, []float32{0}))
	infinite.add(outputs([]float32{3, never}, []float32{0}))
	far = infinite.distance()
	far.add(0, outputs([]float32{2, never}, []float32{0}))
	if got, err := far.relative(); err != nil || got != 1 { // 1 by 1 for the first image
		t.Errorf("%g, %v", got, err)
	}
}
