//go:build cgo

package oracle

import (
	"path/filepath"
	"testing"

	"github.com/bottlenet/bnc/compiler/cut"
	"github.com/bottlenet/bnc/compiler/onnx"
	"github.com/bottlenet/bnc/compiler/shape"
	"github.com/bottlenet/bnc/internal/oracletest"
	"github.com/bottlenet/bnc/internal/rttest"
	"github.com/bottlenet/bnc/models"
	"github.com/bottlenet/bnc/passes/bottleneck"
	splitter "github.com/bottlenet/bnc/passes/split"
	"github.com/bottlenet/bnc/runtime/ort"
	"github.com/bottlenet/bnc/runtime/tensor"
)

// TestBypassComputesTheModel: a bottlenet.onnx without its bottleneck computes
// the original's bits, as the same nodes stand in it. The first cut tensor can
// be negative, the second keeps all its channels.
func TestBypassComputesTheModel(t *testing.T) {
	rttest.Plugin(t)
	for _, c := range []struct {
		name, cut string
		geometry  [2]int64
	}{{"mobilenetv2", "rb3", [2]int64{4, 2}}, {"resnet20", "rb5", [2]int64{0, 3}}} {
		t.Run(c.name, func(t *testing.T) {
			original, err := models.Build(c.name, models.Options{Seed: 1, Input: [3]int{3, 64, 64}, Classes: 10})
			if err != nil {
				t.Fatal(err)
			}
			m := original.Clone()
			info, err := shape.Infer(m, shape.Options{})
			if err != nil {
				t.Fatal(err)
			}
			a := cut.Find(m, info)
			at, err := a.Resolve(c.cut)
			if err != nil {
				t.Fatal(err)
			}
			geometries, err := bottleneck.Geometries(at, c.geometry[:1], c.geometry[1:])
			if err != nil {
				t.Fatal(err)
			}
			b, _, err := splitter.Split(t.Context(), a, at, splitter.Settings{Tensors: splitter.Bottlenecks(geometries, bottleneck.Quantiser{Bits: 8, Dynamic: true}, bottleneck.JPEG(20))}, nil)
			if err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(t.TempDir(), "bottlenet.onnx")
			if err := onnx.Save(t.Context(), path, b.Bottlenet, onnx.SaveOptions{}); err != nil {
				t.Fatal(err)
			}
			joined, err := onnx.Load(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := bottleneck.Bypass(joined); err != nil {
				t.Fatal(err)
			}
			feed := ort.Feed{"input": oracletest.Noise(tensor.Float32, 1, 2, 3, 64, 64)}
			want, got := oracletest.Compute(t, original, feed), oracletest.Compute(t, joined, feed)
			if len(got) != len(want) || joined.Opset("bnc") != 0 {
				t.Fatalf("%d outputs and domain bnc at %d, expected %d and none", len(got), joined.Opset("bnc"), len(want))
			}
			for i := range want {
				if d := oracletest.Far(got[i].Tensor, want[i].Tensor); d != 0 {
					t.Errorf("output %s is off by %g", want[i].Name, d)
				}
			}
		})
	}
}
