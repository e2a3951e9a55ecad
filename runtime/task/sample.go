package task

import (
	"math/rand/v2"

	"github.com/bottlenet/bnc/runtime/tensor"
)

// mostKept is how many numbers of an output are kept for an image, so that large outputs of
// thousands of images fit into memory. Of more, so many are compared: one of each of as many
// parts of equal size, chosen at random, always the same ones for outputs of one size. A
// mean square error over them is off by 1% or so.
const mostKept = 1 << 16

// places are those of n that are kept, in their order.
func places(n, most int) []int {
	kept := make([]int, min(n, most))
	r := rand.New(rand.NewPCG(uint64(n), 0))
	for i := range kept {
		from, to := i*n/len(kept), (i+1)*n/len(kept)
		kept[i] = from + r.IntN(to-from)
	}
	return kept
}

// numbers are those of an output for an image.
type numbers struct {
	kept      []float32
	all       int
	low, high float64 // of all of them
	whole     bool    // they are of an integer type
}

// numbersOf are those of a tensor, of which each has to be finite.
func numbersOf(t *tensor.Tensor) (numbers, error) {
	values, err := finite(t)
	if err != nil {
		return numbers{}, err
	}
	n := numbers{all: len(values), low: values[0], high: values[0], whole: !t.DType.IsFloat()}
	for _, v := range values {
		n.low, n.high = min(n.low, v), max(n.high, v)
	}
	for _, i := range places(len(values), mostKept) {
		n.kept = append(n.kept, float32(values[i]))
	}
	return n, nil
}

func (n numbers) floats() []float64 {
	wide := make([]float64, len(n.kept))
	for i, v := range n.kept {
		wide[i] = float64(v)
	}
	return wide
}
