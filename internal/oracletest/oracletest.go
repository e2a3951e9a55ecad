// Package oracletest is what tests share that hold graphs against other engines: it
// draws inputs, runs graphs in ONNX Runtime and measures how far numbers are apart.
// Package rttest finds the engines.
package oracletest

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/compiler/onnx"
	"github.com/bottlenet/bnc/compiler/onnxtext"
	"github.com/bottlenet/bnc/passes"
	"github.com/bottlenet/bnc/runtime/ort"
	"github.com/bottlenet/bnc/runtime/tensor"
)

// Parse reads a model in ONNX's text syntax.
func Parse(t testing.TB, text string) *ir.Model {
	t.Helper()
	m, err := onnxtext.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// Apply applies passes to m.
func Apply(t testing.TB, m *ir.Model, recipe ...passes.Pass) {
	t.Helper()
	if _, err := passes.Run(m, recipe, nil); err != nil {
		t.Fatal(err)
	}
}

// Open makes a session of m for as long as the test lasts, with one thread: more
// only cost, at the sizes of tests.
func Open(t testing.TB, m *ir.Model, o ort.Options) *ort.Session {
	t.Helper()
	b, err := onnx.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	o.Threads = 1
	s, err := ort.OpenBytes(t.Name(), b, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// Compute runs m unoptimised: every node as it stands.
func Compute(t testing.TB, m *ir.Model, feed ort.Feed) ort.Results {
	t.Helper()
	out, err := Open(t, m, ort.Options{Optimize: ort.OptimizeNone}).Run(t.Context(), feed)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// Normal draws a float32 tensor from the normal distribution.
func Normal(rng *rand.Rand, dims ...int64) *tensor.Tensor {
	n, err := tensor.Elements(dims)
	if err != nil {
		panic(err)
	}
	v := make([]float32, n)
	for i := range v {
		v[i] = float32(rng.NormFloat64())
	}
	return tensor.Of(dims, v)
}

// Noise is a tensor of normal numbers, or of any bytes for uint8, around another
// number in each plane of the last two axes: averages differ from image to image.
func Noise(d tensor.DType, seed uint64, shape ...int64) *tensor.Tensor {
	r := rand.New(rand.NewPCG(seed, 0))
	n, err := tensor.Elements(shape)
	if err != nil {
		panic(err)
	}
	plane := shape[len(shape)-1]
	if len(shape) > 2 {
		plane *= shape[len(shape)-2]
	}
	v, level := make([]float32, n), float32(0)
	for i := range v {
		if int64(i)%plane == 0 {
			level = float32(r.NormFloat64())
		}
		v[i] = level + float32(r.NormFloat64())
	}
	if d != tensor.Uint8 {
		return tensor.Of(shape, v)
	}
	pixels := make([]uint8, n)
	for i := range v {
		pixels[i] = uint8(min(max(128+40*v[i], 0), 255))
	}
	return tensor.Of(shape, pixels)
}

// Floats returns a tensor's elements as float64.
func Floats(t testing.TB, x *tensor.Tensor) []float64 {
	t.Helper()
	v, err := x.Floats()
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// Distance is the Euclidean distance of two vectors and the length of the second.
func Distance(a, b []float64) (apart, length float64) {
	var d, n float64
	for i := range b {
		d += (a[i] - b[i]) * (a[i] - b[i])
		n += b[i] * b[i]
	}
	return math.Sqrt(d), math.Sqrt(n)
}

// Far returns the largest difference of two tensors, for float relative to the
// largest number in want, and infinity where their types or shapes differ or a
// number is none.
func Far(got, want *tensor.Tensor) float64 {
	if !slices.Equal(got.Shape, want.Shape) || got.DType != want.DType {
		return math.Inf(1)
	}
	var worst, size float64
	a, b := numbers(got), numbers(want)
	for i := range a {
		if math.IsNaN(a[i] - b[i]) {
			return math.Inf(1)
		}
		worst, size = max(worst, math.Abs(a[i]-b[i])), max(size, math.Abs(b[i]))
	}
	if worst == 0 || !got.DType.IsFloat() {
		return worst
	}
	return worst / size
}

func numbers(t *tensor.Tensor) (out []float64) {
	switch t.DType {
	case tensor.Uint8:
		for _, v := range tensor.Slice[uint8](t) {
			out = append(out, float64(v))
		}
	case tensor.Int64:
		for _, v := range tensor.Slice[int64](t) {
			out = append(out, float64(v))
		}
	default:
		for _, v := range tensor.Slice[float32](t) {
			out = append(out, float64(v))
		}
	}
	return out
}
