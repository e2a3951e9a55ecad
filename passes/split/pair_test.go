package split_test

import (
	"slices"
	"testing"

	"github.com/bottlenet/bnc/compiler/cut"
	"github.com/bottlenet/bnc/compiler/shape"
	"github.com/bottlenet/bnc/models"
	"github.com/bottlenet/bnc/passes/bottleneck"
	"github.com/bottlenet/bnc/passes/convert"
	"github.com/bottlenet/bnc/passes/split"
)

// TestPairID: the identity of a split is another one with any setting, weight, cut or
// source. That it stays from version to version, bundles kept from older ones hold.
func TestPairID(t *testing.T) {
	m, err := models.Build("resnet20", models.Options{})
	if err != nil {
		t.Fatal(err)
	}
	info, err := shape.Infer(m, shape.Options{})
	if err != nil {
		t.Fatal(err)
	}
	a := cut.Find(m, info)
	resolve := func(name string) *cut.Cut {
		c, err := a.Resolve(name)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	at := resolve("rb4")
	transform, err := bottleneck.CodecNamed("transform", 20)
	if err != nil {
		t.Fatal(err)
	}
	geometries, err := bottleneck.Geometries(at, []int64{4}, []int64{2})
	if err != nil {
		t.Fatal(err)
	}
	settings := func() split.Settings {
		return split.Settings{Tensors: split.Bottlenecks(geometries, bottleneck.Quantiser{Bits: 8, Dynamic: true}, bottleneck.JPEG(20)), CodecAt: bottleneck.CodecInGraph}
	}
	id := func(source string, c *cut.Cut, s split.Settings) string {
		t.Helper()
		id, err := split.PairID(source, c, s)
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	ids := []string{id("aa", at, settings())}
	if again := id("aa", at, settings()); again != ids[0] {
		t.Errorf("%s and %s for the same", ids[0], again)
	}
	ids = append(ids, id("ab", at, settings()), id("aa", resolve("rb5"), settings()), id("aa", at, split.Settings{Plain: true}))
	for _, change := range []func(*split.Settings){
		func(s *split.Settings) { s.Tensors[0].Codec = bottleneck.JPEG(21) },
		func(s *split.Settings) { s.Tensors[0].Codec = transform },
		func(s *split.Settings) { s.Tensors[0].Codec = transform.With("table", []byte{1}) },
		func(s *split.Settings) { s.Tensors[0].Bits = 7 },
		func(s *split.Settings) { s.Tensors[0].Dynamic = false },
		func(s *split.Settings) { s.CodecAt = bottleneck.CodecOnHost },
		func(s *split.Settings) { s.FP16 = true },
		func(s *split.Settings) { s.Target = convert.TX2 },
		func(s *split.Settings) { s.Tensors[0].Seed = 1 },
		func(s *split.Settings) { s.Tensors[0].Width = 2 },
		func(s *split.Settings) {
			s.Tensors[0].Units = bottleneck.InitialUnits(s.Tensors[0].Geometry)
			s.Tensors[0].Units.ReduceChannel.Weight[0]++
		},
	} {
		s := settings()
		change(&s)
		ids = append(ids, id("aa", at, s))
	}
	slices.Sort(ids)
	if n := len(slices.Compact(slices.Clone(ids))); n != len(ids) {
		t.Errorf("%d different identities of %d splits", n, len(ids))
	}
}
