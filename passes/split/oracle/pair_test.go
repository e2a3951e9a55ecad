//go:build cgo

package oracle

import (
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/bottlenet/bnc/compiler/cut"
	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/compiler/shape"
	"github.com/bottlenet/bnc/internal/oracletest"
	"github.com/bottlenet/bnc/internal/rttest"
	"github.com/bottlenet/bnc/passes/bottleneck"
	"github.com/bottlenet/bnc/passes/split"
	"github.com/bottlenet/bnc/runtime/ort"
	"github.com/bottlenet/bnc/runtime/tensor"
)

// network computes a whole model, or a pair one half behind the other.
type network func(ort.Feed) (map[string]*tensor.Tensor, error)

func whole(t *testing.T, m *ir.Model) network {
	t.Helper()
	return behind(t, oracletest.Open(t, m, ort.Options{}))
}

func pair(t *testing.T, b *split.Bundle) network {
	t.Helper()
	return behind(t, oracletest.Open(t, b.Mobile, ort.Options{}), oracletest.Open(t, b.Cloud, ort.Options{}))
}

// behind runs sessions one behind the other: what one computes, the next ones may read.
func behind(t *testing.T, sessions ...*ort.Session) network {
	return func(feed ort.Feed) (map[string]*tensor.Tensor, error) {
		known, outputs := maps.Clone(feed), map[string]*tensor.Tensor{}
		for _, s := range sessions {
			in := ort.Feed{}
			for _, p := range s.Inputs() {
				in[p.Name] = known[p.Name]
			}
			results, err := s.Run(t.Context(), in)
			if err != nil {
				return nil, err
			}
			for _, r := range results {
				known[r.Name], outputs[r.Name] = r.Tensor, r.Tensor
			}
		}
		return outputs, nil
	}
}

// draw feeds a model random numbers, with sizes for its symbols.
func draw(rng *rand.Rand, m *ir.Model, symbols int64) ort.Feed {
	feed := ort.Feed{}
	for _, v := range m.Graph.Feeds() {
		var sizes []int64
		dims, _ := v.Shape()
		for _, d := range dims {
			if d.Symbol != "" {
				d.N = symbols
			}
			sizes = append(sizes, d.N)
		}
		feed[v.Name()] = oracletest.Normal(rng, sizes...)
	}
	return feed
}

// agree feeds both random inputs with symbols of 1 and of 3, or of sizes, and demands
// that they give the same outputs of the model, to 1e-3 of the difference that two
// inputs make: float32 has 6e-8, and there are few layers.
func agree(t *testing.T, m *ir.Model, got, want network, sizes ...int64) {
	t.Helper()
	rng := rand.New(rand.NewPCG(5, 6))
	if sizes == nil {
		sizes = []int64{1, 3}
	}
	for _, size := range sizes {
		x := draw(rng, m, size)
		var y [3]map[string]*tensor.Tensor
		for i, n := range []network{want, got, want} {
			var err error
			if i == 2 {
				x = draw(rng, m, size)
			}
			if y[i], err = n(x); err != nil {
				t.Fatalf("size %d: %v", size, err)
			}
		}
		for _, p := range m.Graph.Outputs() {
			if y[1][p.Name()] == nil || !slices.Equal(y[0][p.Name()].Shape, y[1][p.Name()].Shape) {
				t.Errorf("size %d: output %s is %v, expected %v", size, p.Name(), y[1][p.Name()], y[0][p.Name()])
				continue
			}
			a, b, c := oracletest.Floats(t, y[0][p.Name()]), oracletest.Floats(t, y[1][p.Name()]), oracletest.Floats(t, y[2][p.Name()])
			apart, spread := 0.0, 0.0
			for i := range a {
				apart, spread = max(apart, math.Abs(a[i]-b[i])), max(spread, math.Abs(a[i]-c[i]))
			}
			if !(apart <= 1e-3*spread) || spread == 0 && y[0][p.Name()].DType.IsFloat() {
				t.Errorf("size %d: output %s is off by %.3g, two inputs differ by %.3g", size, p.Name(), apart, spread)
			}
		}
	}
}

// bothWays splits a model plainly and with a bottleneck of each codec and compares the one pair
// with the model, the others with their joined network.
func bothWays(t *testing.T, m *ir.Model, after string, sizes ...int64) {
	t.Helper()
	rttest.Plugin(t)
	agree(t, m, pair(t, oracletest.Split(t, m, oracletest.Bottleneck{After: after, Plain: true})), whole(t, m), sizes...)
	for _, name := range bottleneck.Codecs() {
		codec, err := bottleneck.CodecNamed(name, 100)
		if err != nil {
			t.Fatal(err)
		}
		b := oracletest.Split(t, m, oracletest.Bottleneck{After: after, Channels: 2, Stride: 1, Change: func(s *split.Settings) {
			for i := range s.Tensors {
				s.Tensors[i].Codec = codec
			}
			if err := s.Fit(); err != nil {
				t.Fatal(err)
			}
		}})
		agree(t, m, pair(t, b), whole(t, b.Bottlenet), sizes...)
	}
}

// everyCut splits a model plainly at each of its cuts, compares the pairs with the
// model and returns the cuts' tensors.
func everyCut(t *testing.T, m *ir.Model) (tensors []string) {
	t.Helper()
	same := m.Clone()
	info, err := shape.Infer(same, shape.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range cut.Find(same, info).Cuts {
		tensors = append(tensors, c.Tensor())
		agree(t, m, pair(t, oracletest.Split(t, m, oracletest.Bottleneck{After: c.ID, Plain: true})), whole(t, m))
	}
	return tensors
}

// refused demands that a split plain and one with a bottleneck say why not.
func refused(t *testing.T, m *ir.Model, after, says string) {
	t.Helper()
	for _, plain := range []bool{true, false} {
		_, err := oracletest.TrySplit(t, m, oracletest.Bottleneck{After: after, Plain: plain, Channels: 1})
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("split after %s, plain %v: %v, expected %q in it", after, plain, err, says)
		}
	}
}
