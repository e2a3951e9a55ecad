package task

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/bottlenet/bnc/runtime/ort"
	"github.com/bottlenet/bnc/runtime/tensor"
)

// verdict is what a model makes of one image: the best class, and how many
// classes it ranks before the labelled one. Of equal scores the lower class
// comes first.
type verdict struct{ class, before int }

// outside is the place of a label that is not ranked at all.
const outside = 1 << 30

// judge ranks the first n images of a batch's outputs against their labels. The
// width is the number of classes, 0 where the outputs do not tell. The scores
// are those that Top takes; plain matrices of them need no sorting.
func judge(outputs ort.Results, labels []int, names []string) (verdicts []verdict, width int, err error) {
	_, _, sorted := TopK(outputs)
	for _, out := range outputs {
		if sorted {
			break
		}
		n, k, ok := Matrix(out.Tensor)
		if !ok {
			continue
		}
		read, ok := rankers[out.Tensor.DType]
		if !ok {
			continue
		}
		if n < len(labels) {
			return nil, 0, fmt.Errorf("output %s: %v for a batch of %d images", out.Name, out.Tensor, len(labels))
		}
		verdicts, err := read(out.Tensor, k, labels)
		if err != nil {
			return nil, 0, fmt.Errorf("output %s: %w", out.Name, err)
		}
		return verdicts, k, nil
	}
	rows, err := Top(outputs, names, best)
	if err != nil {
		return nil, 0, err
	}
	if len(rows) < len(labels) {
		return nil, 0, fmt.Errorf("the outputs rank %d images of a batch of %d", len(rows), len(labels))
	}
	for i, label := range labels {
		v := verdict{rows[i][0].Class, slices.IndexFunc(rows[i], func(c Class) bool { return c.Class == label })}
		if v.before < 0 {
			v.before = outside
		}
		verdicts = append(verdicts, v)
	}
	return verdicts, 0, nil
}

// rankers read the element types that scores have.
var rankers = map[tensor.DType]func(t *tensor.Tensor, k int, labels []int) ([]verdict, error){
	tensor.Float32: rankSlice[float32],
	tensor.Float64: rankSlice[float64],
	tensor.Uint8:   rankSlice[uint8],
	tensor.Int8:    rankSlice[int8],
	tensor.Float16: rankFloats,
}

func rankSlice[T float32 | float64 | uint8 | int8](t *tensor.Tensor, k int, labels []int) ([]verdict, error) {
	return place(tensor.Slice[T](t), k, labels)
}

func rankFloats(t *tensor.Tensor, k int, labels []int) ([]verdict, error) {
	values, err := t.Floats()
	if err != nil {
		return nil, err
	}
	return place(values, k, labels)
}

// place judges rows of k scores.
func place[T cmp.Ordered](values []T, k int, labels []int) ([]verdict, error) {
	verdicts := make([]verdict, len(labels))
	for i, label := range labels {
		row := values[i*k : (i+1)*k]
		v := verdict{before: outside}
		for class, score := range row {
			if score != score {
				return nil, errors.New("the scores hold NaN")
			}
			if score > row[v.class] {
				v.class = class
			}
		}
		if label >= 0 && label < k {
			v.before = before(row, label)
		}
		verdicts[i] = v
	}
	return verdicts, nil
}

// before counts the classes of a row that come before one.
func before[T cmp.Ordered](row []T, class int) int {
	count := 0
	for other, score := range row {
		if score > row[class] || score == row[class] && other < class {
			count++
		}
	}
	return count
}
