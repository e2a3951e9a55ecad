package bottleneck_test

import (
	"errors"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"github.com/bottlenet/bnc/compiler/cut"
	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/compiler/shape"
	"github.com/bottlenet/bnc/models"
	"github.com/bottlenet/bnc/passes"
	"github.com/bottlenet/bnc/passes/bottleneck"
	"github.com/bottlenet/bnc/passes/internal/passtest"
	"github.com/bottlenet/bnc/passes/split"
)

// bottlenecked is a resnet20 with a bottleneck behind its second block.
func bottlenecked(t *testing.T, s split.Settings) *ir.Model {
	t.Helper()
	m, err := models.Build("resnet20", models.Options{Seed: 1, Input: [3]int{3, 32, 32}, Classes: 10})
	if err != nil {
		t.Fatal(err)
	}
	return splitAt(t, m, "rb2", s)
}

func small() split.Settings {
	return oneTensor(bottleneck.Geometry{Reduced: 3, Stride: 2}, bottleneck.Quantiser{Bits: 8, Lo: -1, Hi: 2})
}

// TestAnatomy finds the tensors around the quantiser, whose sizes tell them.
func TestAnatomy(t *testing.T) {
	m := bottlenecked(t, small())
	all, err := bottleneck.Anatomy(m)
	if err != nil || len(all) != 1 {
		t.Fatal(all, err)
	}
	a := all[0]
	info, err := shape.Infer(m, shape.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for what, c := range map[string]struct {
		v    *ir.Value
		want string
	}{
		"cut": {a.Cut, "[batch,16,32,32]"}, "reduced": {a.Reduced, "[batch,3,16,16]"}, "planes": {a.Planes, "[batch,3,16,16]"}, "restored": {a.Restored, "[batch,16,32,32]"},
	} {
		if got := info.Of(c.v).String(); got != "float32"+c.want {
			t.Errorf("%s: %s is %s, expected %s", what, c.v.Name(), got, c.want)
		}
	}
	whole, err := models.Build("resnet20", models.Options{Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	var unsuitable *passes.UnsuitableError
	if _, err := bottleneck.Anatomy(whole); !errors.As(err, &unsuitable) {
		t.Errorf("a model without a bottleneck: %v", err)
	}
}

// TestUncoded leaves the units and nothing of quantiser and codec.
func TestUncoded(t *testing.T) {
	for _, dynamic := range []bool{false, true} {
		s := small()
		s.Tensors[0].Dynamic = dynamic
		m := bottlenecked(t, s)
		if _, err := passes.Run(m, []passes.Pass{bottleneck.Uncoded}, nil); err != nil {
			t.Fatal(err)
		}
		text := passtest.Print(t, m)
		if strings.Contains(text, "quantiser") || strings.Contains(text, "Jpeg") || strings.Contains(text, "payload_bytes") || !strings.Contains(text, "bnc.restore.spatial.weight") {
			t.Errorf("dynamic %v: what is left:\n%.3000s", dynamic, text)
		}
		info, err := shape.Infer(m, shape.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if out := m.Graph.Outputs(); len(out) != 1 || info.Of(out[0].Value).String() != "float32[batch,10]" {
			t.Errorf("dynamic %v: outputs %v", dynamic, out)
		}
	}
}

// TestUnitsOf reads the units back that a split was given, and refuses another
// geometry.
func TestUnitsOf(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	for _, g := range []bottleneck.Geometry{
		{Reduced: 3, Stride: 2}, {Reduced: 1, Stride: 1}, {Reduced: 16, Full: true, Stride: 3}, {Reduced: 2, Stride: 2, Width: 4},
	} {
		m, err := models.Build("resnet20", models.Options{Seed: 1, Input: [3]int{3, 32, 32}, Classes: 10})
		if err != nil {
			t.Fatal(err)
		}
		info, err := shape.Infer(m, shape.Options{})
		if err != nil {
			t.Fatal(err)
		}
		a := cut.Find(m, info)
		c, err := a.Resolve("rb2")
		if err != nil {
			t.Fatal(err)
		}
		g.C, g.H, g.W = 16, 32, 32
		given := bottleneck.InitialUnits(g)
		draw := func(v []float32) {
			for i := range v {
				v[i] = rng.Float32()
			}
		}
		for _, u := range []*bottleneck.Unit{given.ReduceChannel, given.ReduceSpatial, given.RestoreSpatial, given.RestoreChannel} {
			if u != nil {
				for _, v := range [][]float32{u.Weight, u.Gamma, u.Beta, u.Mean, u.Var} {
					draw(v)
				}
			}
		}
		if r := given.Residual; r != nil {
			for _, v := range [][]float32{r.W1, r.B1, r.W2, r.B2} {
				draw(v)
			}
		}
		s := small()
		s.Tensors[0].Geometry, s.Tensors[0].Units = g, given
		b, _, err := split.Split(t.Context(), a, c, s, nil)
		if err != nil {
			t.Fatal(err)
		}
		records, err := bottleneck.Records(b.Bottlenet)
		if err != nil {
			t.Fatal(err)
		}
		record := records[0]
		got, err := bottleneck.UnitsOf(b.Bottlenet, record)
		if err != nil || !reflect.DeepEqual(got, given) {
			t.Errorf("%+v: found %+v, %v; expected %+v", g, got, err, given)
		}
		other := record
		other.Spec.Stride = map[int64]int64{1: 2, 2: 3, 3: 2}[g.Stride]
		var unsuitable *passes.UnsuitableError
		if _, err := bottleneck.UnitsOf(b.Bottlenet, other); !errors.As(err, &unsuitable) || !strings.Contains(err.Error(), "spatial") {
			t.Errorf("%+v read as of stride %d: %v", g, other.Spec.Stride, err)
		}
	}
}

// TestMobileSideOf divides the weights of a network at its bottleneck.
func TestMobileSideOf(t *testing.T) {
	m := bottlenecked(t, small())
	mobile, err := bottleneck.MobileSideOf(m)
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range m.Graph.Inits() {
		name := v.Name()
		var want bool
		switch {
		case strings.HasPrefix(name, "bnc.reduce."), strings.HasPrefix(name, "conv1."), strings.HasPrefix(name, "bn1."), strings.HasPrefix(name, "layer1.0."), strings.HasPrefix(name, "layer1.1."):
			want = true
		case strings.HasPrefix(name, "bnc.restore."), strings.HasPrefix(name, "layer"), strings.HasPrefix(name, "fc."):
		default:
			continue // the quantiser's constants may be on both sides
		}
		if mobile[name] != want {
			t.Errorf("%s on the mobile side: %v", name, mobile[name])
		}
	}
}
