package grad_test

import (
	"errors"
	"reflect"
	"testing"

	"github.com/bottlenet/bnc/passes"
	"github.com/bottlenet/bnc/passes/grad"
	"github.com/bottlenet/bnc/passes/internal/passtest"
)

// TestSetWeights changes initializers, constants and what is computed of them, and
// nothing where one does not fit.
func TestSetWeights(t *testing.T) {
	m := passtest.Parse(t, passtest.Header+`g (float[N,2] x) => (float[N,2] y) <float[2,2] w = {1,2,3,4}> {
		b = Constant <value_floats = [1.0, 2.0]> () h = MatMul (x, w) c = Identity (b) s = Add (h, c) e = Neg (b) y = Mul (s, e) }`)
	if err := grad.SetWeights(m, map[string][]float32{"w": {5, 6, 7, 8}, "b": {3, 4}, "c": {5, 6}}); err != nil {
		t.Fatal(err)
	}
	if err := m.Verify(); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string][]float32{"w": {5, 6, 7, 8}, "b": {3, 4}, "c": {5, 6}} {
		v := m.Graph.Value(name)
		c := v.Const()
		if v.Init() != nil {
			c = v.Init()
		}
		if got, err := c.Floats(); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s is %v, %v", name, got, err)
		}
	}
	var unsuitable *passes.UnsuitableError
	for what, weights := range map[string]map[string][]float32{"too many": {"w": {1, 2, 3, 4, 5}}, "computed": {"h": {1, 2}}} {
		if err := grad.SetWeights(m, weights); !errors.As(err, &unsuitable) {
			t.Errorf("%s: %v", what, err)
		}
	}
}
