package shape

import "github.com/bottlenet/bnc/compiler/ir"

// quantize has the element type of the zero point, or what output_dtype says,
// else uint8.
func quantize(c *call) ([]Type, error) {
	x := c.arg(0)
	dtype := ir.DType(c.int("output_dtype", 0))
	if dtype == ir.Undefined {
		dtype = ir.Uint8
		if c.has(2) {
			dtype = c.arg(2).DType
		}
	}
	return one(Type{Kind: Tensor, DType: dtype, Ranked: x.Ranked, Dims: x.Dims})
}

// dequantize has the element type of the scale, or what output_dtype says.
func dequantize(c *call) ([]Type, error) {
	x := c.arg(0)
	dtype := ir.DType(c.int("output_dtype", 0))
	if dtype == ir.Undefined {
		dtype = c.arg(1).DType
	}
	return one(Type{Kind: Tensor, DType: dtype, Ranked: x.Ranked, Dims: x.Dims})
}

// dynamicQuantize: the values, their scale, their zero point.
func dynamicQuantize(c *call) ([]Type, error) {
	x := c.arg(0)
	return []Type{
		{Kind: Tensor, DType: ir.Uint8, Ranked: x.Ranked, Dims: x.Dims},
		TensorOf(ir.Float32), TensorOf(ir.Uint8),
	}, nil
}

// broadcastOf is the rule of ONNX Runtime's quantised binary operators: the
// given inputs broadcast, scales and zero points stand between them.
func broadcastOf(inputs ...int) rule {
	return func(c *call) ([]Type, error) {
		dims, ranked, err := c.broadcast(inputs...)
		if err != nil {
			return nil, err
		}
		return one(Type{Kind: Tensor, DType: c.arg(inputs[len(inputs)-1]).DType, Ranked: ranked, Dims: dims})
	}
}

// qlinearConcat: the output's scale and zero point, then value, scale and zero
// point of each part.
func qlinearConcat(c *call) ([]Type, error) {
	var inputs []int
	for i := 2; i < len(c.in); i += 3 {
		inputs = append(inputs, i)
	}
	if len(inputs) == 0 {
		return nil, c.failf("expected parts to join, found none")
	}
	return c.concat(inputs)
}

// qlinearReduceMean has its axes as an attribute.
func qlinearReduceMean(c *call) ([]Type, error) { return c.reduce(opaque, len(c.in)) }
