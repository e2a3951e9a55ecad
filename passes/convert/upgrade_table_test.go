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
