package serve

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"

	"github.com/bottlenet/bnc/runtime/oip"
	"github.com/bottlenet/bnc/runtime/tensor"
)

// maxClasses is how many elements of an image are ranked: more are pixels.
const maxClasses = 1_000_000

// scored ranks the elements of a tensor.
type scored struct {
	compare func(i, j int) int // as cmp.Compare: NaN is below all others
	text    func(i int) string
}

// rankings has a row for every element type that has an order.
var rankings = map[tensor.DType]func(*tensor.Tensor) scored{
	tensor.Int8:     whole[int8],
	tensor.Int16:    whole[int16],
	tensor.Int32:    whole[int32],
	tensor.Int64:    whole[int64],
	tensor.Uint8:    whole[uint8],
	tensor.Uint16:   whole[uint16],
	tensor.Uint32:   whole[uint32],
	tensor.Uint64:   whole[uint64],
	tensor.Float16:  halves,
	tensor.BFloat16: halves,
	tensor.Float32:  func(t *tensor.Tensor) scored { return real(tensor.Slice[float32](t), 32) },
	tensor.Float64:  func(t *tensor.Tensor) scored { return real(tensor.Slice[float64](t), 64) },
}

func whole[T int8 | int16 | int32 | int64 | uint8 | uint16 | uint32 | uint64](t *tensor.Tensor) scored {
	values := tensor.Slice[T](t)
	return scored{
		func(i, j int) int { return cmp.Compare(values[i], values[j]) },
		func(i int) string { return fmt.Sprint(values[i]) },
	}
}

func real[T float32 | float64](values []T, bits int) scored {
	return scored{
		func(i, j int) int { return cmp.Compare(values[i], values[j]) },
		func(i int) string { return strconv.FormatFloat(float64(values[i]), 'g', -1, bits) },
	}
}

func halves(t *tensor.Tensor) scored {
	values, err := t.Floats()
	if err != nil {
		panic("BUG: " + err.Error())
	}
	return real(values, 32)
}

// classify returns the k largest elements of each image of an output [N ...], the
// largest first and of equal ones the first, as BYTES [N, min(k, elements)] of
// "VALUE:INDEX" or "VALUE:INDEX:LABEL"; of a vector, BYTES [min(k, elements)].
// Labels count where there is one for each element. It is Triton's classification
// extension (docs/protocol/extension_classification.md).
func classify(name string, t *tensor.Tensor, k int64, labels []string) (*tensor.Tensor, error) {
	ranking, ok := rankings[t.DType]
	if !ok || len(t.Shape) == 0 {
		return nil, oip.Errorf(oip.Invalid, "output %q is %s, which has no classes: ask for it without parameter %s", name, describe(t), oip.ParamClassification)
	}
	shape := slices.Clone(t.Shape[:min(len(t.Shape)-1, 1)])
	rows, width := 1, t.Len()
	if len(shape) > 0 {
		rows = int(shape[0])
		width /= max(rows, 1)
	}
	if width > maxClasses {
		return nil, oip.Errorf(oip.Invalid, "output %q has %d elements an image: at most %d are taken for classes", name, width, maxClasses)
	}
	k = min(k, int64(width))
	if len(labels) != width {
		labels = nil
	}
	s, order := ranking(t), make([]int, width)
	top := make([]string, 0, int64(rows)*k)
	for row := range rows {
		for i := range order {
			order[i] = row*width + i
		}
		slices.SortStableFunc(order, func(i, j int) int { return s.compare(j, i) })
		for _, at := range order[:k] {
			text := s.text(at) + ":" + strconv.Itoa(at-row*width)
			if labels != nil {
				text += ":" + labels[at-row*width]
			}
			top = append(top, text)
		}
	}
	return &tensor.Tensor{DType: tensor.String, Shape: append(shape, k), Strings: top}, nil
}
