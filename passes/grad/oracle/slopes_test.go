//go:build cgo

package oracle

import (
	"fmt"
	"math"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/bottlenet/bnc/internal/oracletest"
	"github.com/bottlenet/bnc/internal/rttest"
)

// otherFunctions are the cases that onnx's reference implementation cannot
// compute, or computes as another function than ONNX Runtime and PyTorch do, with
// the reason. The test demands of each that it is so.
var otherFunctions = []struct{ names, reason string }{
	{`convolution: SAME_UPPER, stride larger|shape: Pad, negative`, "it cannot pad by negative numbers"},
	{`convolution: VALID|pool: MaxPool, SAME_LOWER`, "auto_pad with strides gives another size"},
	{`normalisation: LRN (by default|of more)`, "it does as many channels as there are images"},
	{`normalisation: LpNormalization, p 1`, "it adds the numbers up without their magnitude"},
	{`normalisation: MeanVarianceNormalization`, "its function has constants in float32"},
	{`normalisation: SimplifiedLayerNormalization`, "the operator is ONNX Runtime's own"},
	{`reduction: Reduce(L1|L2|LogSum), none`, "it takes noop_with_empty_axes for the identity"},
	{`resize: .*align_corners, (by 1.6|down by 2)`, "align_corners with scales: it takes the size before rounding"},
	{`resize: nearest, asymmetric.*by 1.6`, "positions on a border, in float64 instead of float32"},
	{`transposed convolution: (groups|depthwise)$`, "it does not do groups with a bias or stride"},
	{`transposed convolution: output_shape, (smaller|output_padding)`, "it does not do output_shape without auto_pad"},
}

// noSlopes are the cases without one: gradients that a rule passes straight
// through, functions that the reference rounds to float32, and a gradient of
// constants, which cannot be moved.
var noSlopes = regexp.MustCompile(`^quantised|Floor|elementwise: (Erf|Gelu)$|GroupNormalization|Range$`)

// slowCases are modes of Resize that differ in nothing but how a position is
// rounded; the reference takes a second each.
var slowCases = regexp.MustCompile(`^resize: nearest, (half_pixel, (floor|ceil|round_prefer_ceil)|asymmetric, (ceil|round)|align|pytorch|half_pixel_symmetric)`)

// TestGradSlopes compares each rule's gradient along a random direction with a
// central difference in float64 of onnx's reference implementation: no
// derivative that anyone wrote takes part. Cases on kinks have none.
func TestGradSlopes(t *testing.T) {
	cases := runRuleCases(t, func(c ruleCase) bool {
		return !c.more.kinks && !c.more.batchNorm && !noSlopes.MatchString(c.name) && !slowCases.MatchString(c.name)
	})
	var questions []question
	for _, c := range cases {
		questions = append(questions, c.question)
	}
	var answer struct {
		Slopes [][]float64
		Errors []string
	}
	rttest.AskOracle(t, "oracle_slopes.py", questions, &answer)
	compared := 0
	for i, c := range cases {
		fault := answer.Errors[i]
		if fault == "" {
			fault = otherOutput(t, c)
		}
		reason := ""
		for _, o := range otherFunctions {
			if regexp.MustCompile(o.names).MatchString(c.name) {
				reason = o.reason
			}
		}
		switch {
		case fault != "" && reason == "":
			t.Errorf("%s: onnx.reference: %s", c.name, fault)
		case fault == "" && reason != "":
			t.Errorf("%s: onnx.reference agrees, although %s", c.name, reason)
		}
		if fault != "" {
			continue
		}
		for j, slope := range answer.Slopes[i] {
			g := oracletest.Floats(t, c.runs[0].grads[j])
			direction := floatsOf(t, filepath.Join(c.Dir, fmt.Sprint("direction.", j)))
			along, length := 0.0, 0.0
			for k := range g {
				along += g[k] * direction[k]
				length += g[k] * g[k]
			}
			compared++
			// The gradient's own error in float32 is at most about 1e-4 of its
			// length (TestGradRules); a difference of float64 adds 1e-9.
			if !(math.Abs(along-slope) <= 1e-4*math.Sqrt(length)+1e-8) {
				t.Errorf("%s: along a direction of %s the gradient is %.8g, a difference %.8g (length %.3g)", c.name, c.Wrt[j], along, slope, math.Sqrt(length))
			}
		}
	}
	t.Logf("%d cases, %d slopes", len(cases), compared)
}

// otherOutput tells where the reference's outputs are not ONNX Runtime's: another
// size, or further apart than rounding to float32 explains.
func otherOutput(t *testing.T, c *gradCase) string {
	t.Helper()
	for i, y := range c.runs[0].outputs {
		if !y.DType.IsFloat() {
			continue
		}
		want := floatsOf(t, filepath.Join(c.Dir, "reference."+c.outputs[i]))
		if y.Len() != len(want) {
			return fmt.Sprintf("output %s has %d elements, in ONNX Runtime %d", c.outputs[i], len(want), y.Len())
		}
		if apart, length := oracletest.Distance(oracletest.Floats(t, y), want); apart > 1e-5*length {
			return fmt.Sprintf("output %s differs by %.2g of %.2g", c.outputs[i], apart, length)
		}
	}
	return ""
}
