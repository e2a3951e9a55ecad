package shape_test

import (
	"testing"

	"github.com/bottlenet/bnc/compiler/shape"
)

// TestEveryFactIsStated: a row, or the class that it is in, says everything that rows
// say. What nobody said is no "no".
func TestEveryFactIsStated(t *testing.T) {
	for _, op := range shape.Ops() {
		name := op.Domain + "." + op.Name
		for fact, stated := range map[string]bool{
			"Class": op.Class != 0, "Depends": op.Depends != 0, "Sign": op.Sign != 0, "Axes": op.Axes != 0,
			"Batch": op.Batch != 0, "Half": op.Half != 0, "Magnitude": op.Magnitude != 0, "Gives": op.Gives != 0,
		} {
			if !stated {
				t.Errorf("%s: its row does not state %s", name, fact)
			}
		}
		switch n := len(op.Inputs); {
		case op.Inputs == nil || n > 0 && op.In.Max == 0:
			t.Errorf("%s: expected the roles of %v inputs, found %v", name, op.In, op.Inputs)
		case op.In.Max >= 0 && n != op.In.Max, op.In.Max < 0 && n == 0:
			t.Errorf("%s: expected the roles of %v inputs, found %d", name, op.In, n)
		}
		if op.Axis != 0 && op.Batch != shape.BatchAcross {
			t.Errorf("%s: it states the default of an axis that nothing asks for", name)
		}
		if op.Half > 0 && op.Half != shape.Always && int64(op.Half) < op.Since[0] {
			t.Errorf("%s: it takes float16 since version %d, and came with %d", name, op.Half, op.Since[0])
		}
		if op.Elementwise() && op.Batch != shape.BatchAligned && op.Batch != shape.BatchFirst {
			t.Errorf("%s is computed element by element: its images are as apart as its inputs", name)
		}
	}
}
