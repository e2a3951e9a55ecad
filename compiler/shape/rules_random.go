package shape

import (
	"slices"

	"github.com/bottlenet/bnc/compiler/ir"
)

// randomOf has attributes shape and dtype.
func randomOf(c *call) ([]Type, error) {
	dims, _ := c.ints("shape")
	return one(TensorOf(ir.DType(c.int("dtype", int64(ir.Float32))), constDims(dims)...))
}

// like has the shape of input 0 and the element type of attribute dtype, or
// else that of input 0.
func like(c *call) ([]Type, error) {
	x := c.arg(0)
	dtype := ir.DType(c.int("dtype", int64(x.DType)))
	return one(Type{Kind: Tensor, DType: dtype, Ranked: x.Ranked, Dims: x.Dims})
}

// multinomial draws sample_size classes for each row.
func multinomial(c *call) ([]Type, error) {
	dtype := ir.DType(c.int("dtype", int64(ir.Int32)))
	return one(TensorOf(dtype, c.samples(), Const(c.int("sample_size", 1))))
}

// fill is GivenTensorFill, retired: attribute shape, or with an input its shape
// or contents followed by extra_shape.
func fill(c *call) ([]Type, error) {
	if !c.has(0) {
		dims, _ := c.ints("shape")
		return one(TensorOf(ir.Float32, constDims(dims)...))
	}
	dims, known := c.arg(0).Dims, c.arg(0).Ranked
	if c.int("input_as_shape", 0) != 0 {
		dims, known = c.shapeArg("", 0)
	}
	if !known {
		return one(Unranked(ir.Float32))
	}
	extra, _ := c.ints("extra_shape")
	return one(TensorOf(ir.Float32, slices.Concat(dims, constDims(extra))...))
}
