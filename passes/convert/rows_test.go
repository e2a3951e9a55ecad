package convert

import (
	"maps"
	"slices"
	"testing"

	"github.com/bottlenet/bnc/compiler/shape"
)

// TestBatchRules: what the operator table states is what this package has rules for.
func TestBatchRules(t *testing.T) {
	asked := map[string]bool{}
	for _, op := range shape.Ops() {
		if has := rowRules[op.Batch] != nil; has == (op.Batch == shape.BatchMixed) {
			t.Errorf("%s.%s: there is a rule for its condition: %v", op.Domain, op.Name, has)
		}
		if op.Batch == shape.BatchByNode {
			asked[op.Name] = true
		}
	}
	if want, have := slices.Sorted(maps.Keys(asked)), slices.Sorted(maps.Keys(nodeRules)); !slices.Equal(want, have) {
		t.Errorf("the operator table asks for rules of %q, there are those of %q", want, have)
	}
}

// TestTargetLists: names in the lists of a target are those of operators, each once.
func TestTargetLists(t *testing.T) {
	for list, names := range map[string][]string{
		"tensorRTOps": tensorRTOps, "widened": widened, "lowerings": slices.Sorted(maps.Keys(lowerings)),
		"constantInputs": slices.Sorted(maps.Keys(constantInputs)), "clampedInputs": slices.Sorted(maps.Keys(clampedInputs)),
		"batchFixes": slices.Sorted(maps.Keys(batchFixes)),
	} {
		if len(names) == 0 {
			t.Errorf("%s is empty", list)
		}
		seen := map[string]bool{}
		for _, name := range names {
			if shape.Lookup("", name) == nil {
				t.Errorf("%s: there is no operator %q", list, name)
			}
			if seen[name] {
				t.Errorf("%s: %s is there twice", list, name)
			}
			seen[name] = true
		}
	}
	for name := range lowerings {
		if slices.Contains(widened, name) {
			t.Errorf("%s is both rewritten and left as it is", name)
		}
	}
	for name, at := range constantInputs {
		for _, i := range at {
			if op := shape.Lookup("", name); i >= op.In.Max {
				t.Errorf("constantInputs: %s has no input %d", name, i)
			}
		}
	}
}
