package serve_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/bottlenet/bnc/runtime/serve"
	"github.com/bottlenet/bnc/runtime/tensor"
)

// TestWatchExternalWeights: a file of weights that is cut short or written over
// while its model is served changes nothing until the model is loaded anew. ONNX
// Runtime maps such files: what is gone from them would end the process.
func TestWatchExternalWeights(t *testing.T) {
	r, w := open(t, serve.Options{})
	dir := t.TempDir()
	put(t, dir, ".", "external.onnx")
	data := filepath.Join(dir, "external.onnx.data")
	weights := func(value float32) []byte {
		return vector(slices.Repeat([]float32{value}, 4096)...).Data
	}
	answers := func(want float32) {
		t.Helper()
		got, err := r.Infer(t.Context(), ask("external", "x", tensor.Of([]int64{1, 1}, []float32{0.5})))
		if err != nil {
			t.Fatal(err)
		}
		y := tensor.Slice[float32](got.Output("y"))
		if len(y) != 4096 || slices.Min(y) != want || slices.Max(y) != want {
			t.Errorf("%d values from %v to %v, expected %v", len(y), slices.Min(y), slices.Max(y), want)
		}
	}
	must(t, os.WriteFile(data, weights(1), 0o644))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	must(t, r.Watch(ctx, dir))
	answers(1.5)
	must(t, os.Truncate(data, 0))
	answers(1.5)
	w.logged(t, 1, "not loaded", "model=external", "keeps the old one")
	answers(1.5)
	must(t, os.WriteFile(data, weights(2), 0o644))
	w.logged(t, 1, "model loaded", "model=external", "replaced=true")
	answers(2.5)
	must(t, os.Remove(data))
	w.logged(t, 2, "not loaded", "model=external", "keeps the old one")
	answers(2.5)
}
