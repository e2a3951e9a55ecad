package grad

import (
	"math"
)

// resizeRule: interpolation is separable and linear in x, y = A x B^T for each
// plane with constant matrices A and B, so dx = A^T dy B.
func resizeRule(c *call) error {
	if !c.wants(0) {
		return nil
	}
	x, y := c.inDims(0), c.dims(c.out(0))
	mode := c.node.Str("mode", "nearest")
	switch {
	case len(x) != 4 || x[0] != y[0] || x[1] != y[1]:
		return c.errorf("only resizing of rows and columns has a gradient rule")
	case mode == "cubic" || c.node.Int("antialias", 0) != 0:
		return c.errorf("mode %q with antialias %d has no gradient rule", mode, c.node.Int("antialias", 0))
	case c.node.Str("coordinate_transformation_mode", "half_pixel") == "tf_crop_and_resize":
		return c.errorf("coordinate mode tf_crop_and_resize has no gradient rule")
	}
	scales := []float64{0, 0}
	for i := range scales {
		scales[i] = float64(y[2+i]) / float64(x[2+i])
	}
	if s := c.in(2); s != nil && s.Const() != nil {
		if given, err := s.Const().Floats(); err == nil && len(given) >= 2 {
			scales = []float64{float64(given[len(given)-2]), float64(given[len(given)-1])}
		}
	}
	dy := c.dy(0)
	rows := c.interpolation(x[2], y[2], scales[0], mode)
	dy = c.matmul(c.transpose(c.floats(rows, y[2], x[2]), 1, 0), dy)
	columns := c.interpolation(x[3], y[3], scales[1], mode)
	c.give(0, c.matmul(dy, c.floats(columns, y[3], x[3])))
	return nil
}

// interpolation returns the matrix [out,in] of one axis (ONNX Resize, opset 11
// and newer).
func (c *call) interpolation(in, out int64, scale float64, mode string) []float32 {
	m := make([]float32, in*out)
	for i := range out {
		at := float64(c.source(float32(i), float32(in), float32(out), float32(scale)))
		row := m[i*in:]
		if mode == "linear" {
			at = min(max(at, 0), float64(in-1))
			lo := math.Floor(at)
			hi := min(int64(lo)+1, in-1)
			row[int64(lo)] += float32(1 - (at - lo))
			row[hi] += float32(at - lo)
			continue
		}
		var near float64
		switch c.node.Str("nearest_mode", "round_prefer_floor") {
		case "floor":
			near = math.Floor(at)
		case "ceil":
			near = math.Ceil(at)
		case "round_prefer_ceil":
			near = math.Floor(at + 0.5)
		default:
			near = math.Ceil(at - 0.5)
		}
		row[int64(min(max(near, 0), float64(in-1)))]++
	}
	return m
}

// source returns where in an axis of in elements position i of out is. It
// computes in float32 and in ONNX Runtime's order: nearest neighbours depend on
// the last bit where a position is a whole number or a half.
func (c *call) source(i, in, out, scale float32) float32 {
	switch c.node.Str("coordinate_transformation_mode", "half_pixel") {
	case "asymmetric":
		return i / scale
	case "align_corners":
		if out == 1 {
			return 0
		}
		return i * (in - 1) / (out - 1)
	case "pytorch_half_pixel":
		if out == 1 {
			return 0
		}
	case "half_pixel_symmetric":
		offset := in / 2 * (1 - out/(scale*in))
		return offset + (i+0.5)/scale - 0.5
	}
	return (i+0.5)/scale - 0.5
}
