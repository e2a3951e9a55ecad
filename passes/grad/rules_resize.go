package grad

import (
	"slices"

	"github.com/bottlenet/bnc/compiler/ir"
)

// resizeRule: interpolation is separable and linear in x, y = A x B^T for each
// plane, so dx = A^T dy B. The matrices are what the node itself makes of those
// with ones on the diagonal: which element is nearest can depend on the last bit of
// a runtime's arithmetic.
func resizeRule(c *call) error {
	x, y := c.inDims(0), c.dims(c.out(0))
	switch {
	case len(x) != 4 || x[0] != y[0] || x[1] != y[1]:
		return c.errorf("only resizing of rows and columns has a gradient rule")
	case c.node.Str("coordinate_transformation_mode", "half_pixel") == "tf_crop_and_resize":
		return c.errorf("coordinate mode tf_crop_and_resize has no gradient rule")
	case c.in(3) != nil && c.node.Str("keep_aspect_ratio_policy", "stretch") != "stretch":
		return c.errorf("keep_aspect_ratio_policy has no gradient rule; export the model with sizes of their own")
	}
	if s := c.in(2); c.in(3) == nil && s != nil && s.Const() != nil && len(c.node.Ints("axes")) == 0 {
		if scales, err := s.Const().Floats(); err != nil || len(scales) != 4 || scales[0] != 1 || scales[1] != 1 {
			return c.errorf("only resizing of rows and columns has a gradient rule; found scales %v", scales)
		}
	}
	if !c.wants(0) {
		return nil
	}
	dx := c.dy(0)
	if !slices.Equal(x, y) { // else ONNX Runtime copies, whatever the scales are
		dx = c.matmul(c.resized(2), c.matmul(dx, c.transpose(c.resized(3), 1, 0)))
	}
	c.give(0, dx)
	return nil
}

// resized returns the matrix [in,out] of an axis, transposed: each row of the
// identity as the only row of an image, resized along the rows. There are two rows
// in the result, as an image that keeps its size would be copied.
func (c *call) resized(axis int64) *ir.Value {
	in, out := c.inDims(0)[axis], c.dims(c.out(0))[axis]
	ones := make([]float32, in*in)
	for i := range in {
		ones[i*in+i] = 1
	}
	inputs := []*ir.Value{c.floats(ones, in, 1, 1, in), nil, nil, c.ints(in, 1, 2, out)}
	if scales := c.in(2); c.in(3) == nil {
		at := axis
		if axes := c.node.Ints("axes"); len(axes) > 0 {
			at = int64(slices.IndexFunc(axes, func(a int64) bool { return fromFront(a, 4) == axis }))
		}
		scale := c.scalar(1)
		if at >= 0 {
			scale = c.slice(scales, 0, at, at+1)
		}
		inputs = []*ir.Value{inputs[0], nil, c.concat(0, c.floats([]float32{1, 1, 2}, 3), c.reshape(scale, 1))}
	}
	attrs := slices.DeleteFunc(c.node.Attrs(), func(a *ir.Attr) bool { return a.Name() == "axes" || a.Name() == "keep_aspect_ratio_policy" })
	wide := c.op("Resize", []int64{in, 1, 2, out}, inputs, attrs...)
	return c.reshape(c.slice(wide, 2, 0, 1), in, out)
}
