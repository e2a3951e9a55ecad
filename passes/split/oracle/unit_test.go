//go:build cgo

package oracle

import (
	"math/rand/v2"
	"testing"

	"github.com/bottlenet/bnc/compiler/cut"
	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/compiler/shape"
	"github.com/bottlenet/bnc/internal/oracletest"
	"github.com/bottlenet/bnc/internal/rttest"
	"github.com/bottlenet/bnc/models"
	"github.com/bottlenet/bnc/passes/bottleneck"
	"github.com/bottlenet/bnc/passes/split"
	"github.com/bottlenet/bnc/runtime/ort"
	"github.com/bottlenet/bnc/runtime/tensor"
)

// TestUnitAndBehind: a bottleneck on its own, and what is behind the cut of a joined
// network, compute of the cut tensor what the joined network makes of it.
func TestUnitAndBehind(t *testing.T) {
	rttest.Plugin(t)
	m, err := models.Build("resnet20", models.Options{Input: [3]int{3, 32, 32}, Classes: 10})
	if err != nil {
		t.Fatal(err)
	}
	for _, channels := range []int64{4, 0} {
		var settings split.Settings
		joined := oracletest.Split(t, m, oracletest.Bottleneck{After: "rb4", Channels: channels, Stride: 2, Change: func(s *split.Settings) {
			s.Tensors[0].Codec = bottleneck.JPEG(100)
			settings = *s
		}}).Bottlenet
		same := m.Clone()
		info, err := shape.Infer(same, shape.Options{})
		if err != nil {
			t.Fatal(err)
		}
		at, err := cut.Find(same, info).Resolve("rb4")
		if err != nil {
			t.Fatal(err)
		}
		unit, err := split.Unit(t.Context(), at, settings)
		if err != nil {
			t.Fatal(err)
		}
		anatomy, err := bottleneck.Anatomy(joined)
		if err != nil {
			t.Fatal(err)
		}
		cutTensor, restored, output := anatomy[0].Cut.Name(), anatomy[0].Restored.Name(), joined.Graph.Outputs()[0].Name()
		behind := joined.Clone()
		if err := split.Behind(t.Context(), behind); err != nil {
			t.Fatal(err)
		}
		for _, v := range []*ir.Value{anatomy[0].Cut, anatomy[0].Restored} {
			joined.Graph.AddOutput(v, nil)
		}
		want, err := whole(t, joined)(draw(rand.New(rand.NewPCG(2, 7)), joined, 2))
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range []struct {
			what, input, output string
			n                   network
			want                *tensor.Tensor
		}{
			{"the unit", "x", "y", pair(t, unit), want[restored]},
			{"what is behind", cutTensor, output, whole(t, behind), want[output]},
		} {
			got, err := c.n(ort.Feed{c.input: want[cutTensor]})
			if err != nil {
				t.Fatalf("%s: %v", c.what, err)
			}
			// Normalisation is folded in the unit: of 256 or more cells a few may be on the
			// other side of two of 255 levels.
			if apart, length := oracletest.Distance(oracletest.Floats(t, got[c.output]), oracletest.Floats(t, c.want)); !(apart <= 1e-2*length) {
				t.Errorf("%d channels: %s is off by %.3g of %.3g", channels, c.what, apart, length)
			}
		}
	}
}
