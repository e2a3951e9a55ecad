package serve

import (
	"fmt"
	"slices"

	"github.com/bottlenet/bnc/runtime/ort"
	"github.com/bottlenet/bnc/runtime/tensor"
)

// rows returns places from to to of a tensor's first axis, sharing its memory
// where alignment allows.
func rows(t *tensor.Tensor, from, to int) (*tensor.Tensor, error) {
	n := int(t.Shape[0])
	if from == 0 && to == n {
		return t, nil
	}
	shape := slices.Clone(t.Shape)
	shape[0] = int64(to - from)
	if t.DType == tensor.String {
		one := len(t.Strings) / n
		return &tensor.Tensor{DType: tensor.String, Shape: shape, Strings: t.Strings[from*one : to*one]}, nil
	}
	one := len(t.Data) / n
	return tensor.FromBytes(t.DType, shape, t.Data[from*one:to*one:to*one])
}

// feedRows is rows of every tensor.
func feedRows(feed ort.Feed, from, to int) (ort.Feed, error) {
	part := make(ort.Feed, len(feed))
	for name, t := range feed {
		var err error
		if part[name], err = rows(t, from, to); err != nil {
			return nil, fmt.Errorf("input %s: %w", name, err)
		}
	}
	return part, nil
}

// concat joins tensors of one type along their first axis. It copies, unless
// there is only one.
func concat(parts []*tensor.Tensor) (*tensor.Tensor, error) {
	if len(parts) == 1 {
		return parts[0], nil
	}
	shape := slices.Clone(parts[0].Shape)
	size := 0
	for _, t := range parts {
		if t.DType != parts[0].DType || len(t.Shape) != len(shape) || !slices.Equal(t.Shape[1:], shape[1:]) {
			return nil, fmt.Errorf("%v and %v cannot be joined", parts[0], t)
		}
		size += len(t.Data)
	}
	shape[0] = 0
	joined := &tensor.Tensor{DType: parts[0].DType, Shape: shape, Data: make([]byte, 0, size)}
	for _, t := range parts {
		shape[0] += t.Shape[0]
		joined.Data = append(joined.Data, t.Data...)
		joined.Strings = append(joined.Strings, t.Strings...)
	}
	return joined, nil
}

// concatFeeds is concat for each name.
func concatFeeds(feeds []ort.Feed) (ort.Feed, error) {
	joined := make(ort.Feed, len(feeds[0]))
	parts := make([]*tensor.Tensor, len(feeds))
	for name := range feeds[0] {
		for i, feed := range feeds {
			parts[i] = feed[name]
		}
		var err error
		if joined[name], err = concat(parts); err != nil {
			return nil, fmt.Errorf("input %s: %w", name, err)
		}
	}
	return joined, nil
}

// concatResults is concat for each output of runs of one model.
func concatResults(runs []ort.Results) (ort.Results, error) {
	if len(runs) == 1 {
		return runs[0], nil
	}
	joined := slices.Clone(runs[0])
	parts := make([]*tensor.Tensor, len(runs))
	for i := range joined {
		for k, run := range runs {
			parts[k] = run[i].Tensor
		}
		t, err := concat(parts)
		if err != nil {
			return nil, fmt.Errorf("output %s: %w", joined[i].Name, err)
		}
		joined[i].Value = ort.Value{Tensor: t}
	}
	return joined, nil
}

// resultRows is rows of every output.
func resultRows(results ort.Results, from, to int) (ort.Results, error) {
	part := slices.Clone(results)
	for i, out := range results {
		t, err := rows(out.Tensor, from, to)
		if err != nil {
			return nil, fmt.Errorf("output %s: %w", out.Name, err)
		}
		part[i].Value = ort.Value{Tensor: t}
	}
	return part, nil
}

// divisible tells whether a run of n images gave a row for each.
func divisible(results ort.Results, n int) bool {
	return !slices.ContainsFunc(results, func(out ort.Result) bool {
		return len(out.Tensor.Shape) == 0 || out.Tensor.Shape[0] != int64(n)
	})
}
