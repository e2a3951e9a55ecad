package opt_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/bottlenet/bnc/passes"
	"github.com/bottlenet/bnc/passes/internal/passtest"
	"github.com/bottlenet/bnc/passes/opt"
)

// TestFoldFrozenBatchNorm folds where nothing changes, and only there.
func TestFoldFrozenBatchNorm(t *testing.T) {
	const text = passtest.Header + `g (float[N,2,4,4] x) => (float[N,2,4,4] y)
		<float[2,2,1,1] w1 = {1,2,3,4}, float[2] g1 = {2,3}, float[2] b1 = {1,1}, float[2] m1 = {0,1}, float[2] v1 = {1,4},
		 float[2,2,1,1] w2 = {1,2,3,4}, float[2] g2 = {2,3}, float[2] b2 = {1,1}, float[2] m2 = {0,1}, float[2] v2 = {1,4}> {
		a = Conv (x, w1) n = BatchNormalization (a, g1, b1, m1, v1) r = Relu (n) c = Conv (r, w2) y = BatchNormalization (c, g2, b2, m2, v2) }`
	for _, c := range []struct {
		trained string
		left    int
	}{{"", 0}, {"w1", 1}, {"g1", 1}, {"b2", 1}, {"w1 g2", 2}, {"w1 g1 b1 w2 g2 b2", 2}} {
		m := passtest.Parse(t, text)
		names := strings.Fields(c.trained)
		if _, err := passes.Run(m, []passes.Pass{opt.FoldFrozenBatchNorm(func(name string) bool { return slices.Contains(names, name) })}, nil); err != nil {
			t.Fatal(err)
		}
		if got := passtest.Count(m, "BatchNormalization"); got != c.left {
			t.Errorf("with %q trained %d are left, expected %d", c.trained, got, c.left)
		}
		for _, name := range names {
			if m.Graph.Value(name) == nil {
				t.Errorf("with %q trained %s is gone", c.trained, name)
			}
		}
	}
}
