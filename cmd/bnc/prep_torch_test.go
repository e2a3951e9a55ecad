package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"testing"

	"github.com/bottlenet/bnc/compiler/onnx"
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
	plugin(t)
	python := os.Getenv("BNC_TORCH_PYTHON")
	if python == "" {
		python = "/usr/bin/python3"
	}
	if err := exec.Command(python, "-c", "import torch").Run(); err != nil {
		t.Skipf("%s has no torch: run make deps-oracle or set BNC_TORCH_PYTHON", python)
	}
	c := exec.Command(python, "-B", "../../testdata/prep_torch.py", t.TempDir())
	var stderr bytes.Buffer
	c.Stderr = &stderr
	out, err := c.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, stderr.Bytes())
	}
	var exports map[string]struct {
		File          string
		Shape         []int64
		Input, Output []float32
		OutputShape   []int64
	}
	// What torch itself writes to stdout ends with a line.
	if err := json.Unmarshal(out[bytes.LastIndexByte(out, '\n')+1:], &exports); err != nil {
		t.Fatal(err)
	}
	if len(exports) < 23 {
		t.Errorf("expected 23 files or more, found %d", len(exports))
	}
	for name, e := range exports {
		t.Run(name, func(t *testing.T) {
			m, err := onnx.Load(e.File)
			if err != nil {
				t.Fatal(err)
			}
			prepare(t, m, convert.SymbolicBatch, convert.Upgrade(17))
			got, err := compute(t, m, ort.Feed{"input": tensor.Of(e.Shape, e.Input)}).Tensor("output")
			if err != nil {
				t.Fatal(err)
			}
			if d := far(got, tensor.Of(e.OutputShape, e.Output)); d > torchTolerance {
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
