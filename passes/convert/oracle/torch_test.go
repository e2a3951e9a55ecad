//go:build cgo

package oracle

import (
	"testing"

	"github.com/bottlenet/bnc/compiler/onnx"
	"github.com/bottlenet/bnc/internal/oracletest"
	"github.com/bottlenet/bnc/internal/rttest"
	"github.com/bottlenet/bnc/passes/convert"
	"github.com/bottlenet/bnc/passes/grad"
	"github.com/bottlenet/bnc/runtime/ort"
	"github.com/bottlenet/bnc/runtime/tensor"
)

// torchTolerance is how far ONNX Runtime may be from PyTorch, relative to the
// largest score: both sum float32 products in orders of their own, in networks
// of up to some eighty layers.
const torchTolerance = 1e-4

// TestPrepareTorchExports: networks that PyTorch exports with a batch size of 1
// compute for a batch of 3 what PyTorch does.
func TestPrepareTorchExports(t *testing.T) {
	rttest.Plugin(t)
	var exports map[string]struct {
		File          string
		Shape         []int64
		Input, Output []float32
		OutputShape   []int64
	}
	rttest.AskTorch(t, "prep_torch.py", nil, &exports, t.TempDir())
	if len(exports) < 23 {
		t.Errorf("expected 23 files or more, found %d", len(exports))
	}
	for name, e := range exports {
		t.Run(name, func(t *testing.T) {
			m, err := onnx.Load(e.File)
			if err != nil {
				t.Fatal(err)
			}
			oracletest.Apply(t, m, convert.SymbolicBatch, convert.Upgrade(17))
			got, err := oracletest.Compute(t, m, ort.Feed{"input": tensor.Of(e.Shape, e.Input)}).Tensor("output")
			if err != nil {
				t.Fatal(err)
			}
			if d := oracletest.Far(got, tensor.Of(e.OutputShape, e.Output)); d > torchTolerance {
				t.Errorf("off by %g, tolerance %g", d, torchTolerance)
			}
			h, err := grad.Logits(grad.Want{}, m)
			if err != nil {
				t.Fatal(err)
			}
			s := h.Scores[0]
			if s.Value.Name() != "output" || s.Softmax != nil {
				t.Errorf("the scores are %q behind %v, expected the output", s.Value.Name(), s.Softmax)
			}
		})
	}
}
