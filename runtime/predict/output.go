package predict

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"

	"github.com/bottlenet/bnc/runtime/ort"
	"github.com/bottlenet/bnc/runtime/tensor"
	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/stat"
)

// mostValues is how many elements of an output are told one by one.
const mostValues = 1000

// Output is an output as results tell it.
type Output struct {
	Name  string  `json:"name"`
	DType string  `json:"dtype"` // "sequence" and "map" for what is no tensor
	Shape []int64 `json:"shape"` // with the batch of 1; of a sequence or a map, its length
	// Values are the elements row by row, null for what is not finite; nil for more than
	// 1,000, and for sequences and maps.
	Values json.RawMessage `json:"values,omitempty"`
	// Summary is that of the elements where there are more.
	Summary *Summary `json:"summary,omitempty"`
}

// String is an output in words, as in "boxes float32[1 100 4] -0.5 .. 1.2".
func (o Output) String() string {
	text := fmt.Sprintf("%s %s%v", o.Name, o.DType, o.Shape)
	switch {
	case o.Summary != nil:
		text += " " + o.Summary.String()
	case len(o.Values) > 0 && len(o.Values) <= shortest:
		text += " " + string(o.Values)
	}
	return text
}

// shortest is how many characters of values are shown with an output's name.
const shortest = 100

// Summary sums up the finite elements of a tensor.
type Summary struct {
	Min       float64 `json:"min"`
	Max       float64 `json:"max"`
	Mean      float64 `json:"mean"`
	Std       float64 `json:"std"`
	NonFinite int     `json:"non_finite,omitempty"` // how many are not finite
	finite    int     // how many are
}

// String is a summary in words, as in "-0.5 .. 1.2, mean 0.3".
func (s *Summary) String() string {
	text := fmt.Sprintf("%.4g .. %.4g, mean %.4g", s.Min, s.Max, s.Mean)
	switch {
	case s.finite == 0:
		return "no element is finite"
	case s.NonFinite > 0:
		text += fmt.Sprintf(", %d elements are not finite", s.NonFinite)
	}
	return text
}

// describe tells what outputs hold.
func describe(outputs ort.Results) []Output {
	told := make([]Output, len(outputs))
	for i, out := range outputs {
		o := Output{Name: out.Name}
		switch t := out.Tensor; {
		case out.Keys != nil:
			o.DType, o.Shape = "map", []int64{int64(out.Keys.Len())}
		case t == nil:
			o.DType, o.Shape = "sequence", []int64{int64(len(out.Sequence))}
		default:
			o.DType, o.Shape = t.DType.String(), append([]int64{}, t.Shape...)
			if t.Len() <= mostValues {
				o.Values = values(t)
			} else {
				o.Summary = summarise(t)
			}
		}
		told[i] = o
	}
	return told
}

// values are the elements as a JSON array.
func values(t *tensor.Tensor) json.RawMessage {
	if t.DType == tensor.String {
		text, err := json.Marshal(append([]string{}, t.Strings...))
		if err != nil {
			panic("BUG: " + err.Error()) // strings
		}
		return text
	}
	text := []byte{'['}
	bits := 64
	if t.DType == tensor.Float32 || t.DType == tensor.Float16 || t.DType == tensor.BFloat16 {
		bits = 32
	}
	whole := integers(t)
	numbers, err := t.Floats()
	if whole == nil && err != nil {
		return nil
	}
	for i := range t.Len() {
		if i > 0 {
			text = append(text, ',')
		}
		switch {
		case whole != nil:
			text = strconv.AppendInt(text, whole[i], 10)
		case math.IsNaN(numbers[i]) || math.IsInf(numbers[i], 0):
			text = append(text, "null"...)
		default:
			text = strconv.AppendFloat(text, numbers[i], 'g', -1, bits)
		}
	}
	return append(text, ']')
}

// integers are the elements of an int64 tensor, which float64 may not hold; nil for others.
func integers(t *tensor.Tensor) []int64 {
	if t.DType != tensor.Int64 {
		return nil
	}
	return tensor.Slice[int64](t)
}

// summarise returns nil for what are no numbers.
func summarise(t *tensor.Tensor) *Summary {
	numbers, err := t.Floats()
	if err != nil {
		return nil
	}
	finite := slices.DeleteFunc(numbers, func(v float64) bool { return math.IsNaN(v) || math.IsInf(v, 0) })
	s := &Summary{NonFinite: t.Len() - len(finite), finite: len(finite)}
	if len(finite) > 0 {
		s.Min, s.Max = floats.Min(finite), floats.Max(finite)
		s.Mean, s.Std = stat.PopMeanStdDev(finite, nil)
	}
	return s
}
