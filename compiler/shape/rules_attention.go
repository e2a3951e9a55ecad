package shape

import "slices"

// attention is ONNX's: Q, K, V with heads as axis 1 of rank 4, or with heads
// inside the last of three axes, their numbers being attributes; Y like Q with
// V's head size, and the keys, values and products as [batch, heads, ...].
func attention(c *call) ([]Type, error) {
	q, v := c.arg(0), c.arg(2)
	y := Unranked(q.DType)
	state := TensorOf(q.DType, Dim{}, Dim{}, Dim{}, Dim{})
	switch {
	case len(q.Dims) == 4 && len(v.Dims) == 4:
		y = TensorOf(q.DType, q.Dims[0], q.Dims[1], q.Dims[2], v.Dims[3])
	case len(q.Dims) == 3 && len(v.Dims) == 3:
		heads, groups := Const(c.int("q_num_heads", 0)), Const(c.int("kv_num_heads", 0))
		y = TensorOf(q.DType, q.Dims[0], q.Dims[1], v.Dims[2].FloorDiv(groups).Mul(heads))
	}
	return []Type{y, state, state, state}, nil
}

// packedAttention is ONNX Runtime's Attention: input [batch, length, C], weights
// [C, 3*hidden] unless attribute qkv_hidden_sizes divides them otherwise.
func packedAttention(c *call) ([]Type, error) {
	x, w := c.arg(0), c.arg(1)
	state := TensorOf(x.DType, Const(2), Dim{}, Dim{}, Dim{}, Dim{})
	if len(x.Dims) != 3 || len(w.Dims) != 2 {
		return []Type{Unranked(x.DType), state}, nil
	}
	dims := slices.Clone(x.Dims)
	dims[2] = w.Dims[1].FloorDiv(Const(3))
	if sizes, _ := c.ints("qkv_hidden_sizes"); len(sizes) == 3 {
		dims[2] = Const(sizes[2])
	}
	return []Type{TensorOf(x.DType, dims...), state}, nil
}

// multiHeadAttention is ONNX Runtime's: like the query where all three are given
// apart, with the value's width.
func multiHeadAttention(c *call) ([]Type, error) {
	q, v := c.arg(0), c.arg(2)
	y := Unranked(q.DType)
	if len(q.Dims) == 3 && len(v.Dims) == 3 {
		y = TensorOf(q.DType, q.Dims[0], q.Dims[1], v.Dims[2])
	}
	state := TensorOf(q.DType, Dim{}, Dim{}, Dim{}, Dim{})
	return []Type{y, state, state, state}, nil
}

// attentionMACs: of all heads, every query meets every key, with which the values are
// then weighted. Those of the past count.
func attentionMACs(c *call, outs []Type) Dim {
	q, k := c.arg(0), c.arg(1)
	if len(outs) == 0 || len(q.Dims) != len(k.Dims) || len(q.Dims) != 3 && len(q.Dims) != 4 || len(outs[0].Dims) != len(q.Dims) {
		return Dim{}
	}
	length := len(q.Dims) - 2
	keys := k.Dims[length]
	if past := c.arg(4); c.has(4) {
		if len(past.Dims) != 4 {
			return Dim{}
		}
		keys = keys.Add(past.Dims[2])
	}
	return q.Elements().Add(outs[0].Elements()).Mul(keys)
}

// packedAttentionMACs: the product with the weights, and the attention of what comes
// out, as attentionMACs has it.
func packedAttentionMACs(c *call, outs []Type) Dim {
	x, w := c.arg(0), c.arg(1)
	if len(x.Dims) != 3 || len(w.Dims) != 2 || c.has(4) { // the past
		return Dim{}
	}
	rows, values := x.Dims[0].Mul(x.Dims[1]), outs[0].Dims[2]
	queries := w.Dims[1].Sub(values).FloorDiv(Const(2)) // as wide as the keys
	return rows.Mul(w.Elements()).Add(rows.Mul(x.Dims[1]).Mul(queries.Add(values)))
}

// multiHeadMACs is attentionMACs of ONNX Runtime's operator, whose past is inputs 6
// and 7.
func multiHeadMACs(c *call, outs []Type) Dim {
	q, k := c.arg(0), c.arg(1)
	if len(q.Dims) != 3 || len(k.Dims) != 3 || len(outs[0].Dims) != 3 || c.has(6) {
		return Dim{}
	}
	return q.Elements().Add(outs[0].Elements()).Mul(k.Dims[1])
}
