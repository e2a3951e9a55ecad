package bottleneck_test

import (
	"encoding/json"
	"reflect"
	"testing"

	"github.com/bottlenet/bnc/compiler/cut"
	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/compiler/shape"
	"github.com/bottlenet/bnc/models"
	"github.com/bottlenet/bnc/passes/bottleneck"
	"github.com/bottlenet/bnc/passes/split"
)

// TestRecords: what is recorded is what was asked for, and what is found out of a file that
// records nothing is the same.
func TestRecords(t *testing.T) {
	m, err := models.Build("resnet20", models.Options{Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		cut              string
		channels, stride int64
		width            int64
		quantiser        bottleneck.Quantiser
	}{
		"usual":   {"rb1", 1, 2, 0, bottleneck.Quantiser{Bits: 8, Dynamic: true}},
		"static":  {"rb4", 3, 1, 4, bottleneck.Quantiser{Bits: 5, Lo: -1.25, Hi: 2}},
		"full":    {"rb9", 0, 2, 0, bottleneck.Quantiser{Bits: 8, Lo: 0, Hi: 1}},
		"nothing": {"rb2", 0, 1, 0, bottleneck.Quantiser{Bits: 8, Dynamic: true}},
		"signed":  {"cut1", 2, 2, 3, bottleneck.Quantiser{Bits: 8, Dynamic: true}},
	} {
		t.Run(name, func(t *testing.T) {
			copied := m.Clone()
			info, err := shape.Infer(copied, shape.Options{})
			if err != nil {
				t.Fatal(err)
			}
			a := cut.Find(copied, info)
			at, err := a.Resolve(c.cut)
			if err != nil {
				t.Fatal(err)
			}
			geometries, err := bottleneck.Geometries(at, []int64{c.channels}, []int64{c.stride})
			if err != nil {
				t.Fatal(err)
			}
			geometries[0].Width = c.width
			s := split.Settings{Tensors: split.Bottlenecks(geometries, c.quantiser, bottleneck.JPEG(35)), CodecAt: bottleneck.CodecInGraph}
			b, _, err := split.Split(t.Context(), a, at, s, nil)
			if err != nil {
				t.Fatal(err)
			}
			meta := s.Meta()
			meta.Tensor = at.Names()
			for part, half := range b.Parts() {
				meta.Part = part
				if err := bottleneck.Describe(half, meta); err != nil {
					t.Fatal(err)
				}
				if got := records(t, half); !reflect.DeepEqual(got[0].Spec, s.Specs()[0]) || len(got) != 1 || got[0].Sites.Cut != at.Tensor() {
					t.Errorf("%s records %+v, expected %+v", part, got, s.Specs()[0])
				}
			}
			recorded := records(t, b.Bottlenet)
			b.Bottlenet.DelMeta(func(key string) bool { return key == "bnc.bottleneck" })
			// Files name their codec by itself, or, those of before, with its quality beside it.
			b.Bottlenet.SetMeta("bnc.codec", `"jpeg"`)
			if name == "nothing" { // there is no unit whose end could tell
				recorded[0].Spec.Signed = true
			}
			if found := records(t, b.Bottlenet); !reflect.DeepEqual(found, recorded) {
				t.Errorf("found\n%s\nrecorded\n%s", text(found), text(recorded))
			}
		})
	}
}

func records(t *testing.T, m *ir.Model) []bottleneck.Record {
	t.Helper()
	r, err := bottleneck.Records(m)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func text(v any) string {
	b, _ := json.MarshalIndent(v, "", "  ")
	return string(b)
}
