package convert

import (
	"slices"
	"testing"

	"github.com/bottlenet/bnc/compiler/shape"
)

// TestUpgradeTables: every entry is a change that the operator table knows, and
// none is both kept and rewritten.
func TestUpgradeTables(t *testing.T) {
	check := func(op string, version int64) {
		if row := shape.Lookup("", op); row == nil || !slices.Contains(row.Since, version) || row.Since[0] == version {
			t.Errorf("%s did not change with version %d", op, version)
		}
	}
	for version, ops := range keptVersions {
		for _, op := range ops {
			check(op, version)
		}
		if !slices.IsSorted(ops) || len(slices.Compact(slices.Clone(ops))) != len(ops) {
			t.Errorf("version %d is not sorted, or has an operator twice", version)
		}
	}
	for version, rules := range upgrades {
		for op := range rules {
			check(op, version)
			if slices.Contains(keptVersions[version], op) {
				t.Errorf("%s %d is both kept and rewritten", op, version)
			}
		}
	}
}

// unraised are changes that are neither kept nor rewritten, and why.
var unraised = map[int64]map[string]string{
	9: {"Scan": "it lost the axis of the batch and input sequence_lens"},
	10: {
		"Affine": "retired", "Crop": "retired", "GivenTensorFill": "retired", "ImageScaler": "retired",
		"ParametricSoftplus": "retired", "Scale": "retired", "ScaledTanh": "retired",
	},
}

// TestEveryChangeIsStated: nothing is refused because nobody thought of it. Models older
// than operator set 7 are raised as far as no operator in them changed on the way.
func TestEveryChangeIsStated(t *testing.T) {
	for _, op := range shape.Ops() {
		for _, v := range op.Since[1:] {
			if op.Domain != "" || v < 8 || v > 17 {
				continue
			}
			refused := unraised[v][op.Name] != ""
			if stated := slices.Contains(keptVersions[v], op.Name) || upgrades[v][op.Name] != nil; stated == refused {
				t.Errorf("%s changed with version %d: kept or rewritten: %v, refused: %v", op.Name, v, stated, refused)
			}
		}
	}
}
