package convert_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/bottlenet/bnc/passes"
	"github.com/bottlenet/bnc/passes/convert"
	"github.com/bottlenet/bnc/passes/internal/passtest"
)

// TestUpgradeRefuses: what no rewrite keeps is named. That the rewrites keep
// the meaning is tested where ONNX Runtime can run both: cmd/bnc.
func TestUpgradeRefuses(t *testing.T) {
	for _, c := range []struct {
		name, graph string
		opset       int64
		want        []string // of the message
	}{
		{"a mask of the old type", `g (float[2] x) => (float[2] y) { a, mask = Dropout (x) y = Mul (a, mask) }`, 7, []string{"Dropout", `mask "mask" is read`}},
		{"statistics for every activation", `g (float[1,1,2,2] x, float[1] s) => (float[1,1,2,2] y) { y = BatchNormalization <spatial = 0> (x, s, s, s, s) }`, 8, []string{"BatchNormalization", "spatial = 0"}},
		{"training", `g (float[1,1,2,2] x, float[1] s) => (float[1,1,2,2] y) { y, m, v, a, b = BatchNormalization (x, s, s, s, s) }`, 13, []string{"BatchNormalization", "training mode"}},
		{"scales that are computed", `g (float[1,1,2,2] x, float[4] s) => (float[N,M,H,W] y) { y = Resize (x, s) }`, 10, []string{"Resize", "scales are computed"}},
		{"larger and smaller", `g (float[1,1,2,2] x) => (float[1,1,1,4] y) <float[4] s = {1, 1, 0.5, 2}> { y = Resize (x, s) }`, 10, []string{"Resize", "shrinks another"}},
		{"positions that went", `g (float[1,1,2,2] x) => (float[1,1,4,4] y) <float[4] s = {1, 1, 2, 2}> { y = Resize <mode = "linear", coordinate_transformation_mode = "tf_half_pixel_for_nn"> (x, s, s) }`, 12, []string{"Resize", "tf_half_pixel_for_nn"}},
		{"an operator that went", `g (float[2] x) => (float[2] y) { y = Affine (x) }`, 9, []string{"Affine changed with version 10"}},
		{"an operator that is not known", `g (float[2] x) => (float[2] y) { y = Nonsense (x) }`, 9, []string{"Nonsense is not known"}},
		{"in a body", `g (float[2] x, bool k) => (float[2] y) { y = If (k) <then_branch = p () => (float[2] q) { q = Affine (x) }, else_branch = r () => (x) { }> }`, 9, []string{"Affine"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := passtest.Parse(t, fmt.Sprintf("<ir_version: 4, opset_import: [\"\" : %d]>\n%s", c.opset, c.graph))
			_, err := passes.Run(m, []passes.Pass{convert.Upgrade(17)}, nil)
			var unsuitable *passes.UnsuitableError
			if !errors.As(err, &unsuitable) {
				t.Fatalf("expected an UnsuitableError, found %v", err)
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q does not say %q", err, want)
				}
			}
		})
	}
}

// TestUpgradeCoordinates: no mode is left that operator set 13 does not have.
func TestUpgradeCoordinates(t *testing.T) {
	m := passtest.Parse(t, `<ir_version: 4, opset_import: ["" : 11]>
	g (float[1,1,2,2] x) => (float[1,1,4,4] y) <float[4] s = {1, 1, 2, 2}> { y = Resize <coordinate_transformation_mode = "tf_half_pixel_for_nn", nearest_mode = "floor"> (x, s, s) }`)
	passtest.Apply(t, m, convert.Upgrade(17))
	if text := passtest.Print(t, m); strings.Contains(text, "tf_half_pixel_for_nn") {
		t.Error(text)
	}
}

// TestUpgradeLeavesAlone: a model at the target or above it does not change,
// and a second run does nothing.
func TestUpgradeLeavesAlone(t *testing.T) {
	for _, opset := range []int64{17, 21} {
		m := passtest.Parse(t, fmt.Sprintf("<ir_version: 8, opset_import: [\"\" : %d]>\ng (float[2,3] x) => (float[2,3] y) { y = Softmax (x) }", opset))
		before := passtest.Print(t, m)
		if changed := passtest.Apply(t, m, convert.Upgrade(17)); changed != 0 || passtest.Print(t, m) != before {
			t.Errorf("operator set %d: %d edits:\n%s", opset, changed, passtest.Print(t, m))
		}
	}
	m := passtest.Parse(t, "<ir_version: 3, opset_import: [\"\" : 9]>\ng (float[2,3] x, float[3] w) => (float[2,3] y) <float[3] w = {1, 2, 3}> { a = Mul (x, w) y = Clip <min = 0.0> (a) }")
	if passtest.Apply(t, m, convert.Upgrade(17)); m.Opset("") != 17 || m.IRVersion() != 8 || len(m.Graph.Inputs()) != 1 {
		t.Errorf("operator set %d, IR %d and %d inputs, expected 17, 8 and 1", m.Opset(""), m.IRVersion(), len(m.Graph.Inputs()))
	}
	if changed := passtest.Apply(t, m, convert.Upgrade(17)); changed != 0 {
		t.Errorf("the second run made %d edits", changed)
	}
}

// TestUpgradeFunctions: a function's import rises with the model's; one that
// would need constants is refused.
func TestUpgradeFunctions(t *testing.T) {
	const model = `<ir_version: 8, opset_import: ["" : %[1]d, "f" : 1]>
		g (float[2,3] x) => (float[2,3] y) { y = f.A (x) }
		<domain: "f", opset_import: ["" : %[1]d]> A (v) => (w) { w = %[2]s (v) }`
	m := passtest.Parse(t, fmt.Sprintf(model, 15, "LeakyRelu"))
	passtest.Apply(t, m, convert.Upgrade(17))
	if v := m.Functions[0].Proto.OpsetImport[0].GetVersion(); v != 17 {
		t.Errorf("the function imports operator set %d, expected 17", v)
	}
	m = passtest.Parse(t, fmt.Sprintf(model, 12, "Softmax"))
	if _, err := passes.Run(m, []passes.Pass{convert.Upgrade(17)}, nil); err == nil || !strings.Contains(err.Error(), "inline the functions") {
		t.Errorf("found %v", err)
	}
}

// TestUpgradeSoftmax: scores, also those of rank 4, stay one node.
func TestUpgradeSoftmax(t *testing.T) {
	for dims, axis := range map[string]int{"2,3": 1, "2,3,1,1": 1, "2,1,3": 2, "2,1,1": 1} {
		m := passtest.Parse(t, fmt.Sprintf("<ir_version: 8, opset_import: [\"\" : 9]>\ng (float[%s] x) => (float[%s] y) { y = Softmax (x) }", dims, dims))
		passtest.Apply(t, m, convert.Upgrade(17))
		if n := m.Graph.Nodes(); len(n) != 1 || n[0].Int("axis", -9) != int64(axis) {
			t.Errorf("[%s] became, instead of a Softmax of axis %d,\n%s", dims, axis, passtest.Print(t, m))
		}
	}
}
