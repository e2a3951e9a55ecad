package shape_test

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/compiler/onnx"
	"github.com/bottlenet/bnc/compiler/shape"
)

// TestOperatorsAreReal compares single operators in many settings with what ONNX
// Runtime computes: once with the inputs' sizes as numbers, once with a symbol
// for each size, evaluated at these numbers.
func TestOperatorsAreReal(t *testing.T) {
	dir := t.TempDir()
	python(t, oraclePython(t), []string{"testdata/cases.py", dir}, nil, nil)
	models, _ := filepath.Glob(filepath.Join(dir, "*.onnx"))
	requests := make([]request, len(models))
	for i, m := range models {
		requests[i].Model = m
	}
	ran, symbolic, expressed := 0, 0, 0
	for i, a := range runAll(t, requests) {
		name := filepath.Base(requests[i].Model)
		m, err := onnx.Load(requests[i].Model)
		if err != nil {
			t.Error(err)
			continue
		}
		if a.Error != "" {
			t.Logf("%s: ONNX Runtime refuses: %.150s", name, a.Error)
			continue
		}
		ran++
		info, err := shape.Infer(m, shape.Options{})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for _, p := range m.Graph.Outputs() {
			known, err := compare(info.Of(p.Value), a.Values[p.Value.Name()], nil)
			if err != nil {
				t.Errorf("%s: %q: %v", name, p.Value.Name(), err)
			} else if !known {
				t.Logf("%s: %q: %v, is %v", name, p.Value.Name(), info.Of(p.Value), a.Values[p.Value.Name()])
			}
		}
		sizes := openSizes(m)
		if info, err = shape.Infer(m, shape.Options{}); err != nil {
			t.Errorf("%s with symbols: %v", name, err)
			continue
		}
		for _, p := range m.Graph.Outputs() {
			symbolic++
			known, err := compare(info.Of(p.Value), a.Values[p.Value.Name()], sizes)
			if err != nil {
				t.Errorf("%s with symbols %v: %q: %v", name, sizes, p.Value.Name(), err)
			} else if known {
				expressed++
			}
		}
	}
	t.Logf("%d of %d models run; of %d outputs %d are expressions in the inputs' sizes", ran, len(models), symbolic, expressed)
	if ran*10 < len(models)*9 { // the generator writes few settings that no kernel takes
		t.Errorf("expected nine of ten models to run, found %d of %d", ran, len(models))
	}
	if expressed*10 < symbolic*9 { // the rest depends on data
		t.Errorf("expected nine of ten outputs to be expressions in the inputs' sizes, found %d of %d", expressed, symbolic)
	}
}

// openSizes gives every dimension of m's inputs a symbol and returns their
// values.
func openSizes(m *ir.Model) map[string]int64 {
	sizes := map[string]int64{}
	for _, v := range m.Graph.Feeds() {
		dims, _ := v.Shape()
		for axis, d := range dims {
			if d.N == 0 { // symbols stand for sizes of 1 or more
				continue
			}
			name := fmt.Sprintf("%s_%d", v.Name(), axis)
			sizes[name] = d.N
			dims[axis] = ir.Sym(name)
		}
		m.Graph.SetType(v, ir.TensorType(v.DType(), dims))
	}
	return sizes
}
