package bnc

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/compiler/onnx"
	"github.com/bottlenet/bnc/internal/oracletest"
	"github.com/bottlenet/bnc/runtime/bundle"
	"github.com/bottlenet/bnc/runtime/ort"
	"github.com/bottlenet/bnc/runtime/tensor"
)

// turning is a network for 12 x 12 pixels whose weight scale decides about the sign of its
// cut q.
func turning() string {
	r := rand.New(rand.NewPCG(23, 1))
	var inits []string
	for _, w := range []struct {
		dims, name      string
		n               int
		mean, deviation float64
	}{{"6,1,3,3", "w", 54, 0, 0.5}, {"4,6", "v", 24, 0, 0.4}, {"4", "b", 4, 0, 0.1}, {"6,1,1", "scale", 6, 1, 0.1}} {
		var values []string
		for range w.n {
			values = append(values, fmt.Sprintf("%.4f", w.mean+w.deviation*r.NormFloat64()))
		}
		inits = append(inits, fmt.Sprintf("float[%s] %s = {%s}", w.dims, w.name, strings.Join(values, ", ")))
	}
	return `<ir_version: 8, opset_import: ["" : 17]>
		net (float[batch,1,12,12] x) => (float[batch,4] y) <` + strings.Join(inits, ", ") + `> {
			a = Conv <strides = [2,2]> (x, w) r = Relu (a) q = Mul (r, scale) c = Neg (q)
			p = GlobalAveragePool (c) f = Flatten (p) y = Gemm <transB = 1> (f, v, b)
		}`
}

// TestTrainKeepsTheNetwork: what is written is the network that was trained, where its
// weights turn the sign of the cut tensor, which was never negative when it was split.
// The expected answers are those of the joined network with those weights in it.
func TestTrainKeepsTheNetwork(t *testing.T) {
	inKept(t)
	if err := onnx.Save(t.Context(), "turning.onnx", oracletest.Parse(t, turning()), onnx.SaveOptions{}); err != nil {
		t.Fatal(err)
	}
	for _, o := range []SplitOptions{{Channels: []Channels{2}, Stride: []int{1}}, {Channels: []Channels{Full}, Stride: []int{2}}, {Channels: []Channels{2}, Stride: []int{2}, RestoreWidth: 2}} {
		o.After, o.Calibrate, o.Out = "q", "set", fmt.Sprintf("turned-%v-%d", o.Channels, o.Stride)
		t.Run(o.Out, func(t *testing.T) {
			if _, err := Split(t.Context(), "turning.onnx", o); err != nil {
				t.Fatal(err)
			}
			b, err := openTraining(t.Context(), o.Out, TrainOptions{Data: "set"})
			if err != nil {
				t.Fatal(err)
			}
			sets, err := b.openSets()
			if err != nil {
				t.Fatal(err)
			}
			// What training may have come to: a restoration that also gives negative numbers.
			weights := map[string][]float32{"scale": {-0.01, 0.9, 1.1, 0.8, 1, 1.2}}
			for _, v := range b.source.Graph.Inits() {
				if name := v.Name(); strings.HasPrefix(name, "bnc.restore.") && strings.HasSuffix(name, ".beta") {
					beta, err := v.Init().Floats()
					if err != nil {
						t.Fatal(err)
					}
					for i := range beta {
						beta[i] -= 0.4
					}
					weights[name] = beta
				}
			}
			learnt := b.source.Clone()
			for name, values := range weights {
				v := learnt.Graph.Value(name)
				learnt.Graph.SetInit(v, ir.Float32s(values, v.Init().Dims()...))
			}
			if err := b.Write(t.Context(), o.Out, weights, sets, nil); err != nil {
				t.Fatal(err)
			}
			want, err := onnx.Marshal(learnt)
			if err != nil {
				t.Fatal(err)
			}
			got, err := os.ReadFile(filepath.Join(o.Out, bundle.JoinedFile))
			if err != nil {
				t.Fatal(err)
			}
			x := oracletest.Normal(rand.New(rand.NewPCG(1, 7)), 8, 1, 12, 12)
			is, expected := answers(t, got, x), answers(t, want, x)
			if !slices.Equal(is, expected) { // the same operators with the same numbers
				t.Errorf("%v, the trained network says %v", is, expected)
			}
			halvesAgree(t, o.Out, x, is)
		})
	}
}

// answers runs a network whose input is x.
func answers(t *testing.T, network []byte, x *tensor.Tensor) []float64 {
	t.Helper()
	s, err := ort.OpenBytes("joined", network, ort.Options{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	out, err := s.Run(t.Context(), ort.Feed{"x": x})
	if err != nil {
		t.Fatal(err)
	}
	return oracletest.Floats(t, out[0].Tensor)
}

// halvesAgree compares a bundle's halves with what its joined network says of each row of
// x. Their BatchNormalization is folded: a value on the edge of two levels of the quantiser
// may fall to the other, so one row of eight may differ by more than roundings.
func halvesAgree(t *testing.T, dir string, x *tensor.Tensor, joined []float64) {
	t.Helper()
	r, err := bundle.OpenRunner(dir, ort.Options{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	rows, far := int(x.Shape[0]), 0
	width, bytes := len(joined)/rows, len(x.Data)/rows
	for i := range rows {
		one, err := tensor.FromBytes(x.DType, append([]int64{1}, x.Shape[1:]...), x.Data[i*bytes:(i+1)*bytes])
		if err != nil {
			t.Fatal(err)
		}
		out, err := r.Run(t.Context(), ort.Feed{"x": one})
		if err != nil {
			t.Fatal(err)
		}
		want := joined[i*width : (i+1)*width]
		apart, _ := oracletest.Distance(oracletest.Floats(t, out.Outputs[0].Tensor), want)
		if apart > 1e-3*(slices.Max(want)-slices.Min(want)) {
			far++
		}
	}
	if far > 1 {
		t.Errorf("%s: the halves say otherwise than the joined network of %d of %d inputs", dir, far, rows)
	}
}
