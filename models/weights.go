package models

import (
	"crypto/sha256"
	"encoding/binary"
	"math"
	"math/rand/v2"

	"github.com/bottlenet/bnc/compiler/ir"
)

// filler returns the next weight of a tensor.
type filler func(rng *rand.PCG) float32

// param adds a float32 initializer. Its random numbers come from a stream that
// the network's seed and the tensor's name determine, so no tensor depends on
// which others there are or in which order they are written.
func (n *net) param(name string, fill filler, dims ...int) *ir.Value {
	size := int64(1)
	shape := make([]int64, len(dims))
	for i, d := range dims {
		shape[i] = int64(d)
		size *= shape[i]
	}
	key := sha256.Sum256(append(binary.LittleEndian.AppendUint64(nil, n.seed), name...))
	return n.g.Const(name, ir.NewTensor(ir.Float32, shape, ir.Lazy{N: 4 * size, Compute: func() ([]byte, error) {
		rng := rand.NewPCG(binary.LittleEndian.Uint64(key[:8]), binary.LittleEndian.Uint64(key[8:16]))
		b := make([]byte, 0, 4*size)
		for range size {
			b = binary.LittleEndian.AppendUint32(b, math.Float32bits(fill(rng)))
		}
		return b, nil
	}}))
}

// constant gives every weight the same value.
func constant(v float32) filler {
	return func(*rand.PCG) float32 { return v }
}

// normal draws from a bell of the given standard deviation and mean 0: the sum
// of twelve uniform 16-bit numbers, whose standard deviation is 2^16 to within
// 2^-33. Unlike the usual ways to a normal distribution it needs no logarithm
// or exponential function, which processors round differently; it ends at six
// standard deviations.
func normal(std float64) filler {
	scale := std / (1 << 16)
	return func(rng *rand.PCG) float32 {
		sum := int64(-12 * 0xffff / 2)
		for range 3 {
			u := rng.Uint64()
			sum += int64(u&0xffff + u>>16&0xffff + u>>32&0xffff + u>>48)
		}
		return float32(float64(sum) * scale)
	}
}

// he is He et al.'s initialisation for layers followed by a ReLU, scaled to
// keep the variance of gradients: fan_out counts the outputs one input feeds.
func he(fanOut int) filler { return normal(math.Sqrt(2 / float64(fanOut))) }

// uniform draws evenly from (-bound, bound).
func uniform(bound float64) filler {
	scale := bound / (1 << 32)
	return func(rng *rand.PCG) float32 {
		odd := int64(rng.Uint64()>>32)*2 + 1 - 1<<32 // of -2^32 .. 2^32
		return float32(float64(odd) * scale)
	}
}

// torchLinear is how PyTorch starts weight and bias of a Linear layer of which
// nothing else is said.
func torchLinear(in int) filler { return uniform(1 / math.Sqrt(float64(in))) }
