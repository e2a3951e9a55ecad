package shape_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/compiler/onnx"
	"github.com/bottlenet/bnc/compiler/shape"
)

// TestShapesAreReal compares every value of published models with what ONNX
// Runtime computes.
func TestShapesAreReal(t *testing.T) {
	models, _ := filepath.Glob("../../../shared/models/*/*.onnx")
	if len(models) == 0 {
		t.Skip("no models at ../shared/models")
	}
	var requests []request
	for _, m := range models {
		requests = append(requests, request{Model: m, Sizes: map[string]int64{"batch": 2}})
	}
	compareAll(t, requests)
}

// TestExportedShapesAreReal does so with what PyTorch exports, at two sizes.
func TestExportedShapesAreReal(t *testing.T) {
	oraclePython(t)
	torch := os.Getenv("BNC_TORCH_PYTHON")
	if torch == "" {
		torch = "/usr/bin/python3"
	}
	if err := exec.Command(torch, "-c", "import torchvision").Run(); err != nil {
		t.Skip("no Python with torchvision at BNC_TORCH_PYTHON or /usr/bin/python3")
	}
	dir := t.TempDir()
	python(t, torch, []string{"testdata/export.py", dir}, nil, nil)
	models, _ := filepath.Glob(filepath.Join(dir, "*.onnx"))
	if len(models) < 100 {
		t.Fatalf("expected more than 100 exported models, found %d", len(models))
	}
	var requests []request
	for _, m := range models {
		requests = append(requests, request{Model: m, Sizes: map[string]int64{"batch": 2, "height": 16, "width": 24}})
		if strings.HasSuffix(m, "_hw.onnx") {
			requests = append(requests, request{Model: m, Sizes: map[string]int64{"batch": 3, "height": 22, "width": 20}})
		}
	}
	compareAll(t, requests)
}

// compareAll infers each model and compares with what it really computes. All
// sizes must be expressions in the models' symbols.
func compareAll(t *testing.T, requests []request) {
	t.Helper()
	ran, values, opened := 0, 0, 0
	for i, a := range runAll(t, requests) {
		r := requests[i]
		label := fmt.Sprintf("%s at %v", filepath.Base(r.Model), r.Sizes)
		if a.Error != "" { // the sizes do not suit the model
			t.Logf("%s: ONNX Runtime refuses: %.120s", label, a.Error)
			continue
		}
		ran++
		m, err := onnx.Load(r.Model)
		if err != nil {
			t.Error(err)
			continue
		}
		info, err := shape.Infer(m, shape.Options{})
		if err != nil {
			t.Errorf("%s: %v", label, err)
			continue
		}
		for _, n := range m.Graph.Nodes() {
			for _, v := range n.Outputs() {
				if v == nil || a.Values[v.Name()] == nil {
					continue
				}
				values++
				known, err := compare(info.Of(v), a.Values[v.Name()], r.Sizes)
				if err != nil {
					t.Errorf("%s: %s: %q: %v", label, n.Label(), v.Name(), err)
				} else if !known {
					opened++
					t.Errorf("%s: %s: %q is %v, really %v", label, n.Label(), v.Name(), info.Of(v), a.Values[v.Name()].Dims)
				}
			}
		}
	}
	t.Logf("%d of %d runs, %d values, %d of them not expressible", ran, len(requests), values, opened)
	if ran*10 < len(requests)*9 {
		t.Errorf("expected nine of ten runs to work, found %d of %d", ran, len(requests))
	}
}

// compare checks an inferred type against a real one. It is false where a size
// is not an expression in the given symbols.
func compare(inferred shape.Type, real *realType, sizes map[string]int64) (bool, error) {
	if real.DType == "" && real.Sequence == nil {
		return true, nil // a map
	}
	if real.Sequence != nil {
		if inferred.Kind != shape.Sequence {
			return false, fmt.Errorf("inferred %v, is a sequence", inferred)
		}
		known := true
		for _, e := range real.Sequence {
			if e == nil || inferred.Elem == nil {
				continue
			}
			k, err := compare(*inferred.Elem, e, sizes)
			if err != nil {
				return false, err
			}
			known = known && k
		}
		return known, nil
	}
	if got := inferred.DType; got != ir.Undefined && got.String() != real.DType {
		return false, fmt.Errorf("inferred %v, is %s%v", inferred, real.DType, real.Dims)
	}
	if !inferred.Ranked || inferred.DType == ir.Undefined {
		return false, nil
	}
	if len(inferred.Dims) != len(real.Dims) {
		return false, fmt.Errorf("inferred %v, is %s%v", inferred, real.DType, real.Dims)
	}
	value := func(a *shape.Atom) (int64, bool) {
		n, ok := sizes[a.Name]
		return n, ok
	}
	known := true
	for i, d := range inferred.Dims {
		n, ok := d.Eval(value)
		known = known && ok
		if ok && n != real.Dims[i] {
			return false, fmt.Errorf("inferred %v, is %s%v", inferred, real.DType, real.Dims)
		}
	}
	for i, d := range inferred.Content {
		n, ok := d.Eval(value)
		if ok && real.Ints != nil && n != real.Ints[i] {
			return false, fmt.Errorf("inferred contents %v, are %v", inferred.Content, real.Ints)
		}
	}
	return known, nil
}
