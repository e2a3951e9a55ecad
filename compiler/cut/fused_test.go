package cut_test

import (
	"strings"
	"testing"
)

// TestFused: cuts between what quantises around an operator that ONNX Runtime has in
// integers, and no others. (passes/split/oracle
// compares halves with whole models.)
func TestFused(t *testing.T) {
	a := find(t, `g (float[1,1,4,4] x) => (float[1,1,4,4] y) <float s = {0.1}, uint8 z = {0}, int8[1,1,1,1] w = {3}, int8 v = {0}> {
		q0 = QuantizeLinear (x, s, z)
		d0 = DequantizeLinear (q0, s, z)
		dw = DequantizeLinear (w, s, v)
		c = Conv (d0, dw)
		r = Relu (c)
		q1 = QuantizeLinear (r, s, z)
		d1 = DequantizeLinear (q1, s, z)
		p = MaxPool <kernel_shape = [1,1]> (d1)
		n = LRN <size = 1> (p)
		f = Conv (n, dw)
		q2 = QuantizeLinear (f, s, z)
		y = DequantizeLinear (q2, s, z)
	}`)
	instead := map[string]string{"d0": `"q0"`, "c": `"q1"`, "r": `"q1"`}
	for i := range a.Cuts {
		c := &a.Cuts[i]
		why, want := a.Fused(c), instead[c.Tensor()]
		if (why == "") != (want == "") || !strings.Contains(why, want) {
			t.Errorf("%s: %q, expected that it names %s", c, why, want)
		}
	}
	if len(a.Cuts) != 10 {
		t.Errorf("%d cuts", len(a.Cuts))
	}
}
