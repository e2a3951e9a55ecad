package oip

import (
	"math"
	"slices"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/bottlenet/bnc/runtime/oip/oippb"
	"github.com/bottlenet/bnc/runtime/tensor"
)

// contents has a row for every element type that typed contents can hold: the
// field of InferTensorContents and how it becomes a tensor.
var contents = map[tensor.DType]struct {
	field protoreflect.Name
	make  func(what string, shape []int64, c *oippb.InferTensorContents) (*tensor.Tensor, error)
}{
	tensor.Bool:    {"bool_contents", typed((*oippb.InferTensorContents).GetBoolContents)},
	tensor.Int8:    {"int_contents", narrowed[int8]((*oippb.InferTensorContents).GetIntContents, math.MinInt8, math.MaxInt8)},
	tensor.Int16:   {"int_contents", narrowed[int16]((*oippb.InferTensorContents).GetIntContents, math.MinInt16, math.MaxInt16)},
	tensor.Int32:   {"int_contents", typed((*oippb.InferTensorContents).GetIntContents)},
	tensor.Int64:   {"int64_contents", typed((*oippb.InferTensorContents).GetInt64Contents)},
	tensor.Uint8:   {"uint_contents", narrowed[uint8]((*oippb.InferTensorContents).GetUintContents, 0, math.MaxUint8)},
	tensor.Uint16:  {"uint_contents", narrowed[uint16]((*oippb.InferTensorContents).GetUintContents, 0, math.MaxUint16)},
	tensor.Uint32:  {"uint_contents", typed((*oippb.InferTensorContents).GetUintContents)},
	tensor.Uint64:  {"uint64_contents", typed((*oippb.InferTensorContents).GetUint64Contents)},
	tensor.Float32: {"fp32_contents", typed((*oippb.InferTensorContents).GetFp32Contents)},
	tensor.Float64: {"fp64_contents", typed((*oippb.InferTensorContents).GetFp64Contents)},
	tensor.String:  {"bytes_contents", stringContents},
}

// fromContents returns the tensor of typed contents. Exactly the datatype's own
// field may hold something. what names the tensor in errors.
func fromContents(what string, dtype tensor.DType, shape []int64, c *oippb.InferTensorContents) (*tensor.Tensor, error) {
	n, err := dimensions(what, shape)
	if err != nil {
		return nil, err
	}
	row, ok := contents[dtype]
	if !ok {
		return nil, Errorf(Invalid, "%s: %s has no typed contents, expected raw contents", what, Datatype(dtype))
	}
	found := 0
	c.ProtoReflect().Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		if f.Name() == row.field {
			found = v.List().Len()
		} else {
			err = Errorf(Invalid, "%s: %s is expected in %s, found %s", what, Datatype(dtype), row.field, f.Name())
		}
		return err == nil
	})
	if err != nil {
		return nil, err
	}
	if found != n {
		return nil, Errorf(Invalid, "%s: shape %v holds %d elements, found %d in %s", what, shape, n, found, row.field)
	}
	return row.make(what, shape, c)
}

// typed makes tensors of a field whose elements have the tensor's own type.
func typed[T tensor.Element](get func(*oippb.InferTensorContents) []T) func(string, []int64, *oippb.InferTensorContents) (*tensor.Tensor, error) {
	return func(_ string, shape []int64, c *oippb.InferTensorContents) (*tensor.Tensor, error) {
		return tensor.Of(shape, get(c)), nil
	}
}

// narrowed makes tensors of a field whose elements are wider than T, which
// holds low..high.
func narrowed[T int8 | int16 | uint8 | uint16, W int32 | uint32](get func(*oippb.InferTensorContents) []W, low, high W) func(string, []int64, *oippb.InferTensorContents) (*tensor.Tensor, error) {
	return func(what string, shape []int64, c *oippb.InferTensorContents) (*tensor.Tensor, error) {
		wide := get(c)
		values := make([]T, len(wide))
		for i, v := range wide {
			if v < low || v > high {
				return nil, Errorf(Invalid, "%s: element %d: expected %d to %d, found %d", what, i, low, high, v)
			}
			values[i] = T(v)
		}
		return tensor.Of(shape, values), nil
	}
}

// stringContents makes tensors of bytes_contents.
func stringContents(_ string, shape []int64, c *oippb.InferTensorContents) (*tensor.Tensor, error) {
	values := make([]string, 0, len(c.GetBytesContents()))
	for _, b := range c.GetBytesContents() {
		values = append(values, string(b))
	}
	return &tensor.Tensor{DType: tensor.String, Shape: slices.Clone(shape), Strings: values}, nil
}
