//go:build cgo

package oracle

import (
	"math/rand/v2"
	"testing"

	"github.com/bottlenet/bnc/internal/oracletest"
	"github.com/bottlenet/bnc/internal/rttest"
	"github.com/bottlenet/bnc/models"
	"github.com/bottlenet/bnc/passes/bottleneck"
	"github.com/bottlenet/bnc/passes/split"
	"github.com/bottlenet/bnc/runtime/ort"
	"github.com/bottlenet/bnc/runtime/tensor"
)

// TestTrimComputesTheSame: without the planes that codec transform never sends, a network
// takes as many bytes and computes what it did; where records tell their own quality, and with
// codecs that send all, none goes.
func TestTrimComputesTheSame(t *testing.T) {
	rttest.Plugin(t)
	m, err := models.Build("mobilenetv2", models.Options{Seed: 1, Input: [3]int{3, 64, 64}, Classes: 10})
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(3, 4))
	input := m.Graph.Feeds()[0].Name()
	var images []ort.Feed
	for range 20 {
		images = append(images, ort.Feed{input: oracletest.Normal(rng, 1, 3, 64, 64)})
	}
	codec, err := bottleneck.CodecNamed("transform", 50)
	if err != nil {
		t.Fatal(err)
	}
	of := oracletest.Bottleneck{After: "rb3", Channels: 8, Stride: 1, Images: images}
	start := oracletest.Split(t, m, of).Bottlenet
	reduction, err := bottleneck.Reduction(t.Context(), start)
	if err != nil {
		t.Fatal(err)
	}
	var planes [][]float32
	session := oracletest.Open(t, reduction, ort.Options{})
	for _, image := range images {
		out, err := session.Run(t.Context(), image)
		if err != nil {
			t.Fatal(err)
		}
		values := append([]float32(nil), tensor.Slice[float32](out[0].Tensor)...)
		area := len(values) / 8
		for _, k := range []int{2, 5} { // as if they hardly told anything
			for i := range area {
				values[k*area+i] = 0.5*float32(k) + 1e-4*values[k*area+i]
			}
		}
		planes = append(planes, values)
	}
	for _, c := range []struct {
		name   string
		change func(*split.Tensor)
		gone   int
	}{
		{"two planes", func(*split.Tensor) {}, 2},
		{"many rates", func(x *split.Tensor) { x.Codec = x.Codec.With("variable", int64(1)) }, 0},
		{"another codec", func(x *split.Tensor) { x.Codec = bottleneck.JPEG(20) }, 0},
	} {
		var gone int
		rebuilt := func(trim bool) *split.Bundle {
			b, _, _, err := split.Rebuild(t.Context(), start, split.Settings{CodecAt: bottleneck.CodecInGraph}, func(s *split.Settings) error {
				x := &s.Tensors[0]
				for _, k := range []int{2, 5} { // what the planes above are
					x.Units.ReduceChannel.Gamma[k] *= 1e-4
					x.Units.ReduceChannel.Beta[k] = 0.5*float32(k) + 1e-4*x.Units.ReduceChannel.Beta[k]
				}
				x.Codec = codec
				fitted, err := bottleneck.Fit([]bottleneck.Tiles{{Spec: x.Spec, Planes: planes}})
				if err != nil {
					return err
				}
				x.Codec = fitted[0]
				c.change(x)
				if trim {
					x.Spec, gone = bottleneck.Trim(x.Spec, x.Units)
				}
				return nil
			})
			if err != nil {
				t.Fatal(c.name, err)
			}
			return b
		}
		whole, trimmed := rebuilt(false), rebuilt(true)
		if gone != c.gone {
			t.Errorf("%s: %d planes are gone, expected %d", c.name, gone, c.gone)
		}
		for _, image := range images[:5] {
			want, got := oracletest.Compute(t, whole.Bottlenet, image), oracletest.Compute(t, trimmed.Bottlenet, image)
			for i, w := range want {
				if far := oracletest.Far(got[i].Tensor, w.Tensor); far > 1e-5 { // sums in another order
					t.Errorf("%s: %s is %g apart", c.name, w.Name, far)
				}
			}
		}
	}
}
