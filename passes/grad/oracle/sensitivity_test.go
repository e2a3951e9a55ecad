//go:build cgo

package oracle

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/bottlenet/bnc/internal/oracletest"
	"github.com/bottlenet/bnc/passes/grad"
	"github.com/bottlenet/bnc/runtime/ort"
	"github.com/bottlenet/bnc/runtime/tensor"
)

// feelNet has the scores of five classes and three numbers, of a tensor [n,2,4,4].
const feelNet = `<ir_version: 8, opset_import: ["": 13]>
net (float[n,2,4,4] x) => (float[n,5] p, float[n,3,4,4] v)
<float[3,2,3,3] w = {%s}, float[3,5] m = {%s}> {
  c = Conv <pads = [1,1,1,1]> (x, w)
  v = Tanh (c)
  a = GlobalAveragePool (v)
  f = Flatten (a)
  s = MatMul (f, m)
  p = Softmax <axis = 1> (s)
}`

// TestFeelInputs compares gradients of random directions with central differences of what
// ONNX Runtime gives for the network as it is: of log p for the scores of classes, along
// sqrt(p) z, and of numbers along scale z.
func TestFeelInputs(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	weights := func(dims ...int64) string {
		return strings.Trim(strings.Join(strings.Fields(fmt.Sprint(tensor.Slice[float32](oracletest.Normal(rng, dims...)))), ", "), "[]")
	}
	m := oracletest.Parse(t, fmt.Sprintf(feelNet, weights(3, 2, 3, 3), weights(3, 5)))
	whole := m.Clone()
	felt, err := grad.FeelInputs(t.Context(), m, []string{"x"}, false, nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(felt.Directions) != 2 || felt.Directions[0].Scale != "" || felt.Directions[1].Axis != 1 {
		t.Fatalf("%+v", felt)
	}
	x := oracletest.Normal(rng, 1, 2, 4, 4)
	z, noise := oracletest.Normal(rng, 1, 5), oracletest.Normal(rng, 1, 3, 4, 4)
	scale := tensor.Of([]int64{1, 3, 1, 1}, []float32{0.5, 2, 0})
	out := oracletest.Compute(t, felt.Model, ort.Feed{
		"x": x, felt.Directions[0].Noise: z, felt.Directions[1].Noise: noise, felt.Directions[1].Scale: scale,
	})
	got := oracletest.Floats(t, out[2].Tensor)

	network := oracletest.Open(t, whole, ort.Options{Optimize: ort.OptimizeNone})
	at := func(i int, step float32) (logp, v []float64) {
		moved := tensor.Of(x.Shape, append([]float32{}, tensor.Slice[float32](x)...))
		if i >= 0 {
			tensor.Slice[float32](moved)[i] += step
		}
		y, err := network.Run(t.Context(), ort.Feed{"x": moved})
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range oracletest.Floats(t, y[0].Tensor) {
			logp = append(logp, math.Log(p))
		}
		return logp, oracletest.Floats(t, y[1].Tensor)
	}
	logp, _ := at(-1, 0)
	var seed [5]float64
	sum := 0.0
	for k, l := range logp {
		seed[k] = math.Sqrt(math.Exp(l)) * float64(tensor.Slice[float32](z)[k])
		sum += seed[k]
	}
	for k, l := range logp {
		seed[k] -= math.Exp(l) * sum
	}
	const step = 1.0 / 64
	apart, length := 0.0, 0.0
	for i := range got {
		up, vUp := at(i, step)
		down, vDown := at(i, -step)
		want := 0.0
		for k := range seed {
			want += seed[k] * (up[k] - down[k]) / (2 * step)
		}
		for j := range vUp {
			factor := float64(tensor.Slice[float32](noise)[j]) * float64(tensor.Slice[float32](scale)[j/16])
			want += factor * (vUp[j] - vDown[j]) / (2 * step)
		}
		apart, length = apart+(got[i]-want)*(got[i]-want), length+want*want
	}
	// The third derivative of Tanh times step^2 / 6, and float32's rounding over the step.
	if math.Sqrt(apart/length) > 2e-3 || length == 0 {
		t.Errorf("the gradient is %v of %v away from differences", math.Sqrt(apart), math.Sqrt(length))
	}
}

// TestFeelWhereSomethingIs compares the gradient of what stands beside a score with central
// differences along noise that is weighed by the score of its position, and that of scores alone,
// of two scales, with differences along the noise as it is.
func TestFeelWhereSomethingIs(t *testing.T) {
	for beside, weighed := range map[string]bool{"Tanh": true, "Sigmoid": false} {
		rng := rand.New(rand.NewPCG(5, 6))
		m := oracletest.Parse(t, fmt.Sprintf(`<ir_version: 8, opset_import: ["": 13]>
net (float[n,3,2,2] x) => (float[n,3,2,2] y) <int64[2] parts = {2, 1}> {
  boxes, scores = Split <axis = 1> (x, parts)
  b = %s (boxes)
  s = Sigmoid (scores)
  y = Concat <axis = 1> (b, s)
}`, beside))
		network := oracletest.Open(t, m.Clone(), ort.Options{Optimize: ort.OptimizeNone})
		felt, err := grad.FeelInputs(t.Context(), m, []string{"x"}, false, nil)
		if err != nil {
			t.Fatal(err)
		}
		d := felt.Directions[0]
		if len(felt.Directions) != 1 || fmt.Sprint(d.Parts) != "[[0 2] [2 3]]" {
			t.Fatalf("%+v", felt)
		}
		x, noise := oracletest.Normal(rng, 1, 3, 2, 2), oracletest.Normal(rng, 1, 3, 2, 2)
		scale := []float32{0.5, 2, 3}
		got := oracletest.Floats(t, oracletest.Compute(t, felt.Model, ort.Feed{"x": x, d.Noise: noise, d.Scale: tensor.Of([]int64{1, 3, 1, 1}, scale)})[1].Tensor)
		at := func(i int, step float32) []float64 {
			moved := append([]float32{}, tensor.Slice[float32](x)...)
			moved[i] += step
			y, err := network.Run(t.Context(), ort.Feed{"x": tensor.Of(x.Shape, moved)})
			if err != nil {
				t.Fatal(err)
			}
			return oracletest.Floats(t, y[0].Tensor)
		}
		scores := at(0, 0)[8:]
		mean := 0.0
		for _, s := range scores {
			mean += (s + 0.01) / 4
		}
		const step = 1.0 / 64
		for i, g := range got { // every number of y depends on the same of x alone
			want := float64(tensor.Slice[float32](noise)[i]) * float64(scale[i/4]) * (at(i, step)[i] - at(i, -step)[i]) / (2 * step)
			if weighed && i < 8 {
				want *= math.Sqrt((scores[i%4] + 0.01) / mean)
			}
			if math.Abs(g-want) > 2e-3*math.Abs(want) { // the third derivative times step^2 / 6, and float32's rounding over the step
				t.Errorf("%s, number %d: expected %v, found %v", beside, i, want, g)
			}
		}
	}
}
