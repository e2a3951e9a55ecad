package bottleneck_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/bottlenet/bnc/compiler/cut"
	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/compiler/onnx"
	"github.com/bottlenet/bnc/compiler/shape"
	"github.com/bottlenet/bnc/models"
	"github.com/bottlenet/bnc/passes"
	"github.com/bottlenet/bnc/passes/bottleneck"
	"github.com/bottlenet/bnc/passes/convert"
	"github.com/bottlenet/bnc/passes/internal/passtest"
	"github.com/bottlenet/bnc/passes/opt"
	"github.com/bottlenet/bnc/passes/split"
)

// oneTensor are the settings of a bottleneck with JPEG at quality 20.
func oneTensor(g bottleneck.Geometry, q bottleneck.Quantiser) split.Settings {
	return split.Settings{Tensors: split.Bottlenecks([]bottleneck.Geometry{g}, q, bottleneck.JPEG(20))}
}

// splitAt returns the joined network of m split at the named cut, as it loads
// from a file.
func splitAt(t *testing.T, m *ir.Model, name string, s split.Settings) *ir.Model {
	t.Helper()
	info, err := shape.Infer(m, shape.Options{})
	if err != nil {
		t.Fatal(err)
	}
	a := cut.Find(m, info)
	c, err := a.Resolve(name)
	if err != nil {
		t.Fatal(err)
	}
	geometries, err := bottleneck.Geometries(c, []int64{s.Tensors[0].Reduced}, []int64{s.Tensors[0].Stride})
	if err != nil {
		t.Fatal(err)
	}
	s.Tensors[0].Geometry = geometries[0]
	b, _, err := split.Split(t.Context(), a, c, s, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := bottleneck.Describe(b.Bottlenet, bottleneck.Meta{Part: "bottlenet", Tensor: c.Names(), Labels: []string{"cat"}}); err != nil {
		t.Fatal(err)
	}
	loaded, err := onnx.Parse(marshal(t, b.Bottlenet))
	if err != nil {
		t.Fatal(err)
	}
	return loaded
}

func marshal(t *testing.T, m *ir.Model) []byte {
	t.Helper()
	b, err := onnx.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestBypassGivesTheModelBack compares, weights included, with the model as the
// passes that a split runs anyway leave it.
func TestBypassGivesTheModelBack(t *testing.T) {
	for _, c := range []struct {
		name, cut string
		settings  split.Settings
	}{
		{"resnet20", "rb1", oneTensor(bottleneck.Geometry{Reduced: 1, Stride: 2}, bottleneck.Quantiser{Bits: 8, Dynamic: true})},
		{"resnet20", "rb4", oneTensor(bottleneck.Geometry{Reduced: 3, Stride: 2}, bottleneck.Quantiser{Bits: 4, Lo: -1, Hi: 2})},
		{"resnet20", "rb9", oneTensor(bottleneck.Geometry{Reduced: 0, Stride: 1}, bottleneck.Quantiser{Bits: 8, Dynamic: true})},
		{"resnet32", "rb2", oneTensor(bottleneck.Geometry{Reduced: 5, Stride: 3}, bottleneck.Quantiser{Bits: 6, Dynamic: true})},
	} {
		t.Run(c.name+" "+c.cut, func(t *testing.T) {
			build := func() *ir.Model {
				m, err := models.Build(c.name, models.Options{Seed: 1, Input: [3]int{3, 32, 32}, Classes: 10})
				if err != nil {
					t.Fatal(err)
				}
				return m
			}
			m := splitAt(t, build(), c.cut, c.settings)
			if err := bottleneck.Bypass(m); err != nil {
				t.Fatal(err)
			}
			if err := m.Verify(); err != nil {
				t.Fatal(err)
			}
			for key, want := range map[string]bool{"bnc.labels": true, "bnc.tensor": false, "bnc.pair": false} {
				if _, have := m.Meta(key); have != want {
					t.Errorf("metadata %s: %v, expected %v", key, have, want)
				}
			}
			m.DelMeta(func(key string) bool { return key == "bnc.labels" })
			want := build()
			if _, err := passes.Run(want, []passes.Pass{convert.Initializers, opt.DeadCode, opt.FoldConstants, opt.DeadCode}, nil); err != nil {
				t.Fatal(err)
			}
			// The texts leave out what is declared of tensors inside: the split declares the cut tensor's type.
			if got, want := passtest.Print(t, m), passtest.Print(t, want); got != want {
				t.Errorf("found\n%.3000s\nexpected\n%.3000s", got, want)
			}
		})
	}
}

// TestBypassWithShapes: shapes that a split rebuilt from the restored tensor are
// read from the cut tensor then, and the rest of the graph is whole.
func TestBypassWithShapes(t *testing.T) {
	m := passtest.Parse(t, passtest.Header+`g (float[N,2,4,4] x) => (float[N,2] y) <float[2,2,1,1] w = {1, 2, 3, 4}, int64[1] zero = {0}, int64[1] rest = {-1}> {
		early = Conv (x, w) a = Relu (early) p = GlobalAveragePool (a) s = Shape (early) n = Gather (s, zero) target = Concat <axis = 0> (n, rest) y = Reshape (p, target) }`)
	b := splitAt(t, m, "a", oneTensor(bottleneck.Geometry{Reduced: 1, Stride: 1}, bottleneck.Quantiser{Bits: 8, Dynamic: true}))
	if err := bottleneck.Bypass(b); err != nil {
		t.Fatal(err)
	}
	if err := b.Verify(); err != nil {
		t.Fatal(err)
	}
	if text := passtest.Print(t, b); strings.Contains(text, "bnc.restore") || strings.Contains(text, "Jpeg") || strings.Contains(text, "payload_bytes") {
		t.Errorf("what is left:\n%s", text)
	}
	info, err := shape.Infer(b, shape.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Of(b.Graph.Value("y")).String(); got != "float32[N,2]" {
		t.Errorf("y is %s", got)
	}
}

func TestBypassRefuses(t *testing.T) {
	for _, c := range []struct{ name, graph, want string }{
		{"no bottleneck", `g (float[2] x) => (float[2] y) { y = Relu (x) }`, "found 0"},
		{"two tensors", `g (float[1,1,8,8] x) => (float[1,1,8,8] y) { r = Relu (x) t = Cast <to = 2> (x) s = ReduceMax (r) d, n = bnc.JpegRoundTrip <quality = 20> (t, s) y = Cast <to = 1> (d) }`, "reads one tensor, found 2"},
	} {
		m := passtest.Parse(t, `<ir_version: 8, opset_import: ["" : 17, "bnc" : 1]>`+"\n"+c.graph)
		err := bottleneck.Bypass(m)
		var unsuitable *passes.UnsuitableError
		if !errors.As(err, &unsuitable) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: found %v", c.name, err)
		}
	}
	m, err := models.Build("resnet20", models.Options{Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	b := splitAt(t, m, "rb1", oneTensor(bottleneck.Geometry{Reduced: 1, Stride: 2}, bottleneck.Quantiser{Bits: 8}))
	b.DelMeta(func(key string) bool { return key == "bnc.bottleneck" }) // as of a bnc that recorded none
	b.SetMeta("bnc.tensor", `"other"`)
	if err := bottleneck.Bypass(b); err == nil || !strings.Contains(err.Error(), `bnc.tensor is "other"`) {
		t.Errorf("metadata of another tensor: found %v", err)
	}
}
