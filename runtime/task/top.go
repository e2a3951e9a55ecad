package task

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/bottlenet/bnc/runtime/ort"
	"github.com/bottlenet/bnc/runtime/tensor"
)

// Class is one entry of a ranking of classes.
type Class struct {
	Class int     `json:"class"`
	Label string  `json:"label"`
	Score float64 `json:"score"`
}

// Top returns the k best classes of each image of the batch, best first; of
// equal ones the lower class first. Labels, where there are any, are named by
// their position.
//
// The scores are taken from the first of these that the outputs have:
//
//  0. values and indices of a TopK: see [TopK];
//  1. a floating-point or 8-bit tensor of shape [N K], axes of 1 behind them
//     left out;
//  2. a sequence of maps from class to score (ZipMap): the keys name the
//     classes, by number or by label;
//  3. an int64 tensor [N] or [N 1] of class numbers (ArgMax), with score 1;
//  4. a string tensor [N] or [N 1] of labels, with score 1;
//  5. a floating-point tensor [K], for a model without a batch axis.
//
// Floating-point scores that are not probabilities already (each in 0..1,
// together 1) go through a softmax; a single score [N 1] stays as it is. 8-bit
// scores, whose scale the graph does not tell, become their share of the sum,
// counted from the type's lowest value.
func Top(outputs ort.Results, labels []string, k int) ([][]Class, error) {
	if k < 1 {
		return nil, fmt.Errorf("top %d: expected 1 or more", k)
	}
	if values, indices, ok := TopK(outputs); ok {
		return fromTopK(values, indices, labels, k)
	}
	for _, read := range []func(ort.Value, []string) ([][]Class, error){
		fromScores, fromMaps, fromNumbers, fromLabels, fromVector,
	} {
		for _, out := range outputs {
			rows, err := read(out.Value, labels)
			if err != nil {
				return nil, fmt.Errorf("output %s: %w", out.Name, err)
			}
			if rows == nil {
				continue
			}
			for i, row := range rows {
				slices.SortStableFunc(row, func(a, b Class) int { return cmp.Compare(b.Score, a.Score) })
				rows[i] = row[:min(k, len(row))]
			}
			return rows, nil
		}
	}
	return nil, fmt.Errorf("none of the outputs %s looks like class scores: expected [batch classes]", describe(outputs))
}

// TopK returns what a TopK at the model's end gives: values, floating-point [N K] with
// falling rows, and indices, int64 [N K].
func TopK(outputs ort.Results) (values, indices *tensor.Tensor, ok bool) {
	for _, v := range outputs {
		n, k, matrix := Matrix(v.Tensor)
		if !matrix || !v.Tensor.DType.IsFloat() || !falling(v.Tensor, k) {
			continue
		}
		for _, i := range outputs {
			if rows, columns, matrix := Matrix(i.Tensor); matrix && i.Tensor.DType == tensor.Int64 && rows == n && columns == k {
				return v.Tensor, i.Tensor, true
			}
		}
	}
	return nil, nil, false
}

// falling reports whether no element of a row of k is larger than the one before.
func falling(t *tensor.Tensor, k int) bool {
	values, err := t.Floats()
	if err != nil {
		return false
	}
	for i := 1; i < len(values); i++ {
		if i%k != 0 && values[i] > values[i-1] {
			return false
		}
	}
	return true
}

// fromTopK takes the classes from the indices. Values that may be some of all
// probabilities stay as they are.
func fromTopK(values, indices *tensor.Tensor, labels []string, k int) ([][]Class, error) {
	scores, err := values.Floats()
	if err != nil {
		return nil, err
	}
	n, width, _ := Matrix(indices)
	classes := tensor.Slice[int64](indices)
	rows := make([][]Class, n)
	for i := range rows {
		if rows[i], err = rank(scores[i*width:(i+1)*width], nil, partial); err != nil {
			return nil, err
		}
		for j, class := range classes[i*width : (i+1)*width] {
			rows[i][j].Class, rows[i][j].Label = int(class), label(labels, int(class))
		}
		rows[i] = rows[i][:min(k, width)]
	}
	return rows, nil
}

// partial is softmax for a row of the largest scores only.
func partial(row []float64) {
	sum := 0.0
	for _, v := range row {
		sum += v
	}
	if slices.Min(row) >= 0 && sum <= 1+1e-2 {
		return
	}
	softmax(row)
}

// Matrix returns the sizes of a tensor [N K 1 1 ...] and whether it is one.
func Matrix(t *tensor.Tensor) (n, k int, ok bool) {
	if t == nil {
		return 0, 0, false
	}
	shape := t.Shape
	for len(shape) > 2 && shape[len(shape)-1] == 1 {
		shape = shape[:len(shape)-1]
	}
	if len(shape) != 2 || t.Len() == 0 {
		return 0, 0, false
	}
	return int(shape[0]), int(shape[1]), true
}

// column returns whether a tensor is [N] or [N 1].
func column(t *tensor.Tensor) bool {
	return t != nil && t.Len() > 0 && (len(t.Shape) == 1 || len(t.Shape) == 2 && t.Shape[1] == 1)
}

func fromScores(v ort.Value, labels []string) ([][]Class, error) {
	n, k, ok := Matrix(v.Tensor)
	if !ok {
		return nil, nil
	}
	normalise := softmax
	switch {
	case v.Tensor.DType == tensor.Int8:
		normalise = func(row []float64) { shares(row, math.MinInt8) }
	case v.Tensor.DType == tensor.Uint8:
		normalise = func(row []float64) { shares(row, 0) }
	case !v.Tensor.DType.IsFloat():
		return nil, nil
	}
	values, err := v.Tensor.Floats()
	if err != nil {
		return nil, err
	}
	rows := make([][]Class, n)
	for i := range rows {
		if rows[i], err = rank(values[i*k:(i+1)*k], labels, normalise); err != nil {
			return nil, err
		}
	}
	return rows, nil
}

func fromVector(v ort.Value, labels []string) ([][]Class, error) {
	if v.Tensor == nil || len(v.Tensor.Shape) != 1 || !v.Tensor.DType.IsFloat() {
		return nil, nil
	}
	batch, err := v.Tensor.Reshape(1, v.Tensor.Shape[0])
	if err != nil {
		return nil, err
	}
	return fromScores(ort.Value{Tensor: batch}, labels)
}

// rank names the classes of one row of scores.
func rank(scores []float64, labels []string, normalise func([]float64)) ([]Class, error) {
	if slices.ContainsFunc(scores, math.IsNaN) {
		return nil, errors.New("the scores hold NaN")
	}
	if len(scores) > 1 {
		normalise(scores)
	}
	row := make([]Class, len(scores))
	for class, score := range scores {
		row[class] = Class{class, label(labels, class), score}
	}
	return row, nil
}

func label(labels []string, class int) string {
	if class < 0 || class >= len(labels) {
		return ""
	}
	return labels[class]
}

// softmax turns a row into probabilities in place, unless it is that already.
// The sum may be off by what a thousand roundings to float16 amount to.
func softmax(row []float64) {
	const slack = 1e-2
	sum, low, high := 0.0, row[0], row[0]
	for _, v := range row {
		sum, low, high = sum+v, min(low, v), max(high, v)
	}
	if low >= 0 && high <= 1+slack && math.Abs(sum-1) <= slack {
		return
	}
	sum = 0
	for i, v := range row {
		row[i] = math.Exp(v - high)
		if math.IsInf(v, 1) {
			row[i] = 1
		}
		sum += row[i]
	}
	for i := range row {
		row[i] /= sum
	}
}

// shares turns a row into parts of its sum, counted from low.
func shares(row []float64, low float64) {
	sum := 0.0
	for i := range row {
		row[i] -= low
		sum += row[i]
	}
	if sum == 0 {
		return
	}
	for i := range row {
		row[i] /= sum
	}
}

func fromMaps(v ort.Value, labels []string) ([][]Class, error) {
	if len(v.Sequence) == 0 || v.Sequence[0].Keys == nil {
		return nil, nil
	}
	rows := make([][]Class, len(v.Sequence))
	for i, m := range v.Sequence {
		if m.Keys == nil {
			return nil, fmt.Errorf("item %d of the sequence is no map", i)
		}
		scores, err := m.Values.Floats()
		if err != nil {
			return nil, err
		}
		if len(scores) != m.Keys.Len() {
			return nil, fmt.Errorf("map %d has %d keys and %d values", i, m.Keys.Len(), len(scores))
		}
		if rows[i], err = rank(scores, nil, softmax); err != nil {
			return nil, err
		}
		if err := nameByKeys(rows[i], m.Keys, labels); err != nil {
			return nil, err
		}
	}
	return rows, nil
}

// nameByKeys gives the entries of a map their classes: a number is the class;
// a label has the number of its place in labels, or in the map.
func nameByKeys(row []Class, keys *tensor.Tensor, labels []string) error {
	if keys.DType == tensor.String {
		for i, key := range keys.Strings {
			row[i].Label = key
			if class := slices.Index(labels, key); class >= 0 {
				row[i].Class = class
			}
		}
		return nil
	}
	numbers, err := keys.Floats()
	if err != nil {
		return err
	}
	for i, key := range numbers {
		row[i].Class, row[i].Label = int(key), label(labels, int(key))
	}
	return nil
}

func fromNumbers(v ort.Value, labels []string) ([][]Class, error) {
	if !column(v.Tensor) || v.Tensor.DType != tensor.Int64 {
		return nil, nil
	}
	var rows [][]Class
	for _, class := range tensor.Slice[int64](v.Tensor) {
		rows = append(rows, []Class{{int(class), label(labels, int(class)), 1}})
	}
	return rows, nil
}

func fromLabels(v ort.Value, labels []string) ([][]Class, error) {
	if !column(v.Tensor) || v.Tensor.DType != tensor.String {
		return nil, nil
	}
	var rows [][]Class
	for _, name := range v.Tensor.Strings {
		rows = append(rows, []Class{{slices.Index(labels, name), name, 1}})
	}
	return rows, nil
}

// describe lists the outputs for an error.
func describe(outputs ort.Results) string {
	words := make([]string, len(outputs))
	for i, out := range outputs {
		words[i] = out.Name
		if out.Tensor != nil {
			words[i] += " " + out.Tensor.String()
		}
	}
	return strings.Join(words, ", ")
}
