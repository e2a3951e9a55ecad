package shape

import (
	"slices"

	"github.com/bottlenet/bnc/compiler/ir"
)

// contentOf returns the only element of input i, unknown where there is none.
func (c *call) contentOf(i int) Dim {
	if content := c.arg(i).Content; len(content) == 1 {
		return content[0]
	}
	return Dim{}
}

// windowFunction makes a vector as long as input 0 says.
func windowFunction(c *call) ([]Type, error) {
	dtype := ir.DType(c.int("output_datatype", int64(ir.Float32)))
	return one(TensorOf(dtype, c.contentOf(0)))
}

// melWeights: number of mel bins, length of the DFT, ...; [dft/2+1, bins].
func melWeights(c *call) ([]Type, error) {
	dtype := ir.DType(c.int("output_datatype", int64(ir.Float32)))
	return one(TensorOf(dtype, c.contentOf(1).FloorDiv(Const(2)).Add(Const(1)), c.contentOf(0)))
}

// dft transforms along an axis, an attribute before operator set 20 and then an
// input; the last axis has real and imaginary part.
func dft(c *call) ([]Type, error) {
	x := c.arg(0)
	if !x.Ranked || len(x.Dims) < 2 {
		return one(Unranked(x.DType))
	}
	at := c.int("axis", 1)
	if c.version >= 20 {
		at = -2
		if c.has(2) {
			n, ok := c.contentOf(2).Int()
			if !ok {
				return one(TensorOf(x.DType, make([]Dim, len(x.Dims))...))
			}
			at = n
		}
	}
	axis, err := c.axis("axis", at, len(x.Dims), false)
	if err != nil {
		return nil, err
	}
	dims := slices.Clone(x.Dims)
	if c.has(1) {
		dims[axis] = c.contentOf(1)
	}
	last := len(dims) - 1
	dims[last] = Const(2)
	if c.int("onesided", 0) != 0 {
		if c.int("inverse", 0) != 0 {
			return one(TensorOf(x.DType, make([]Dim, len(dims))...))
		}
		dims[axis] = dims[axis].FloorDiv(Const(2)).Add(Const(1))
	}
	return one(TensorOf(x.DType, dims...))
}

// stft: signal [batch, length, 1 or 2], step, window, frame length; [batch,
// frames, bins, 2].
func stft(c *call) ([]Type, error) {
	x := c.arg(0)
	frame := c.contentOf(3)
	if w := c.arg(2); len(w.Dims) == 1 && !c.has(3) {
		frame = w.Dims[0]
	}
	frames, batch := Dim{}, Dim{}
	if len(x.Dims) > 1 {
		batch = x.Dims[0]
		frames = x.Dims[1].Sub(frame).FloorDiv(c.contentOf(1)).Add(Const(1))
	}
	bins := frame
	if c.int("onesided", 1) != 0 {
		bins = frame.FloorDiv(Const(2)).Add(Const(1))
	}
	return one(TensorOf(x.DType, batch, frames, bins, Const(2)))
}

// determinant drops the last two axes.
func determinant(c *call) ([]Type, error) {
	x := c.arg(0)
	if err := c.wantMinRank(0, 2); err != nil || !x.Ranked {
		return []Type{Unranked(x.DType)}, err
	}
	return one(TensorOf(x.DType, x.Dims[:len(x.Dims)-2]...))
}

// crossEntropy is a scalar, or with reduction none has the shape of the labels;
// the logarithms of the probabilities follow.
func crossEntropy(c *call) ([]Type, error) {
	x, labels := c.arg(0), c.arg(1)
	loss := TensorOf(x.DType)
	if c.str("reduction", "mean") == "none" {
		loss = Type{Kind: Tensor, DType: x.DType, Ranked: labels.Ranked, Dims: labels.Dims}
	}
	return []Type{loss, {Kind: Tensor, DType: x.DType, Ranked: x.Ranked, Dims: x.Dims}}, nil
}

// bitCast changes the element type to one of the same width.
func bitCast(c *call) ([]Type, error) {
	x := c.arg(0)
	return one(Type{Kind: Tensor, DType: ir.DType(c.int("to", 0)), Ranked: x.Ranked, Dims: x.Dims})
}
