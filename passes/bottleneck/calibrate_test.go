package bottleneck

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"gonum.org/v1/gonum/mat"
)

// TestCalibrationRestores feeds tensors that lie in a subspace plus noise: the
// units have to restore them up to the noise, with all values inside of the
// range but for the tails.
func TestCalibrationRestores(t *testing.T) {
	const channels, h, w, inner = 12, 6, 6, 3
	const noise = 0.01
	r := rand.New(rand.NewPCG(2, 3))
	basis := make([]float64, channels*inner)
	for i := range basis {
		basis[i] = r.NormFloat64()
	}
	image := func() []float32 {
		x := make([]float32, channels*h*w)
		for p := range h * w {
			var a [inner]float64
			for k := range a {
				a[k] = r.NormFloat64()
			}
			for c := range channels {
				v := 5.0
				for k := range a {
					v += basis[c*inner+k] * a[k]
				}
				x[c*h*w+p] = float32(v + noise*r.NormFloat64())
			}
		}
		return x
	}
	g := Geometry{C: channels, H: h, W: w, Reduced: inner, Stride: 1, Signed: true}
	c := NewCalibration(g)
	for range 30 {
		if err := c.Add(image()); err != nil {
			t.Fatal(err)
		}
	}
	u, err := c.Units(false)
	if err != nil {
		t.Fatal(err)
	}
	x := image()
	apply := func(u *Unit, x []float32, in, out int) []float32 {
		y := make([]float32, out*h*w)
		for o := range out {
			for p := range h * w {
				v := float32(0)
				for i := range in {
					v += u.Weight[o*in+i] * x[i*h*w+p]
				}
				y[o*h*w+p] = (v-u.Mean[o])/float32(math.Sqrt(float64(u.Var[o])+bnEpsilon))*u.Gamma[o] + u.Beta[o]
			}
		}
		return y
	}
	y := apply(u.ReduceChannel, x, channels, inner)
	outside := 0
	for i := range y {
		if y[i] < u.Lo || y[i] > u.Hi {
			outside++
		}
		y[i] = max(y[i], 0)
	}
	if outside > len(y)/20 { // a tail of 0.1% at both ends, on 108 values of another image
		t.Errorf("%d of %d values are outside of the range %v..%v", outside, len(y), u.Lo, u.Hi)
	}
	z := apply(u.RestoreChannel, y, inner, channels)
	for i := range z {
		// A tail that the ReLU cuts is off by its excess; noise stays.
		if math.Abs(float64(z[i]-x[i])) > 10*noise {
			outside--
			if outside < -channels {
				t.Fatalf("element %d: %v restored as %v", i, x[i], z[i])
			}
		}
	}
	if err := c.Add(make([]float32, 5)); err == nil || !strings.Contains(err.Error(), "found 5") {
		t.Errorf("a tensor of another size: %v", err)
	}
	x[7] = float32(math.NaN())
	if err := c.Add(x); err == nil || !strings.Contains(err.Error(), "NaN") {
		t.Errorf("NaN: %v", err)
	}
}

// TestLeadingAgrees compares the subspace iteration with a full decomposition.
func TestLeadingAgrees(t *testing.T) {
	const n, k = wholeDecomposition + 16, 4
	r := rand.New(rand.NewPCG(4, 5))
	a := mat.NewDense(n, n, nil)
	for i := range n {
		scale := math.Pow(0.8, float64(i))
		for j := range n {
			a.Set(i, j, r.NormFloat64()*scale)
		}
	}
	cov := mat.NewSymDense(n, nil)
	cov.SymOuterK(1, a)
	got, err := leading(cov, k, r)
	if err != nil {
		t.Fatal(err)
	}
	var eig mat.EigenSym
	if !eig.Factorize(cov, true) {
		t.Fatal("no decomposition")
	}
	var vectors mat.Dense
	eig.VectorsTo(&vectors)
	for i := range k {
		dot := mat.Dot(mat.NewVecDense(n, mat.Col(nil, i, got)), vectors.ColView(n-1-i))
		if math.Abs(math.Abs(dot)-1) > 1e-6 { // 24 powers of eigenvalues that fall by 0.64
			t.Errorf("vector %d: cosine %v", i, dot)
		}
	}
}

// TestCalibrationOfFewImages: with fewer positions than channels the covariance
// has a low rank. The rows of the reduction are orthonormal all the same, and
// what they hold of the images' energy is a share of it.
func TestCalibrationOfFewImages(t *testing.T) {
	const channels, h, w, reduced = wholeDecomposition + 128, 2, 2, 12
	r := rand.New(rand.NewPCG(6, 7))
	g := Geometry{C: channels, H: h, W: w, Reduced: reduced, Stride: 1}
	c := NewCalibration(g)
	for range 2 { // 8 positions
		x := make([]float32, channels*h*w)
		for i := range x {
			x[i] = float32(math.Abs(r.NormFloat64()))
		}
		if err := c.Add(x); err != nil {
			t.Fatal(err)
		}
	}
	u, err := c.Units(false)
	if err != nil {
		t.Fatal(err)
	}
	rows := u.ReduceChannel.Weight
	for i := range reduced {
		for j := range i + 1 {
			dot := 0.0
			for k := range channels {
				dot += float64(rows[i*channels+k]) * float64(rows[j*channels+k])
			}
			want := 0.0
			if i == j {
				want = 1
			}
			if math.Abs(dot-want) > 1e-5 { // float32 weights
				t.Errorf("rows %d and %d: product %v, expected %v", i, j, dot, want)
			}
		}
	}
	mean, _, _, _, err := c.components()
	if err != nil {
		t.Fatal(err)
	}
	total, captured := 0.0, 0.0
	for _, x := range c.kept {
		for p := range h * w {
			sums := make([]float64, reduced)
			for k := range channels {
				v := float64(x[k*h*w+p]) - mean[k]
				total += v * v
				for i := range reduced {
					sums[i] += float64(rows[i*channels+k]) * v
				}
			}
			for _, s := range sums {
				captured += s * s
			}
		}
	}
	// 8 positions around their mean span 7 dimensions: 12 components hold all.
	if share := captured / total; share > 1+1e-5 || share < 1-1e-5 {
		t.Errorf("the components hold %v of the energy, expected all of it", share)
	}
}

// TestCalibrationOfHugeValues: statistics that float32 cannot hold are an error
// that says so.
func TestCalibrationOfHugeValues(t *testing.T) {
	c := NewCalibration(Geometry{C: 2, H: 2, W: 2, Reduced: 2, Stride: 1, Signed: true})
	if err := c.Add([]float32{3e38, -3e38, 1e38, 2, 3, 4, 5, 3e38}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Units(false); err == nil || !strings.Contains(err.Error(), "float32 cannot hold") {
		t.Errorf("expected an error about what float32 holds, found %v", err)
	}
	var r ValueRange
	r.Add([]float32{0, float32(math.Inf(1))})
	if _, _, err := r.Bounds(); err == nil {
		t.Error("an infinite range is taken")
	}
}
