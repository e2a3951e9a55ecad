package ort

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	yalue "github.com/yalue/onnxruntime_go"

	"github.com/bottlenet/bnc/runtime/model"
	"github.com/bottlenet/bnc/runtime/tensor"
)

// Value is what an output holds: a tensor, a sequence of values, or a map as
// two tensors of one length (as ONNX-ML's ZipMap gives it). Exactly one of
// Tensor, Sequence and Keys is set; an empty sequence is not nil.
type Value struct {
	Tensor       *tensor.Tensor
	Sequence     []Value
	Keys, Values *tensor.Tensor
}

// Result is one output of a run.
type Result struct {
	Name string
	Value
}

// Results are the outputs of a run in the model's order.
type Results []Result

// Find returns the output of that name.
func (r Results) Find(name string) (Value, bool) {
	i := slices.IndexFunc(r, func(x Result) bool { return x.Name == name })
	if i < 0 {
		return Value{}, false
	}
	return r[i].Value, true
}

// Tensor returns the output of that name, and an error if there is none or it
// is no tensor.
func (r Results) Tensor(name string) (*tensor.Tensor, error) {
	v, ok := r.Find(name)
	if !ok {
		return nil, fmt.Errorf("there is no output %q", name)
	}
	if v.Tensor == nil {
		return nil, fmt.Errorf("output %q is a sequence or a map, expected a tensor", name)
	}
	return v.Tensor, nil
}

// typed joins an element type with the binding's generic functions for it.
type typed struct {
	scalar func(*tensor.Tensor) (yalue.Value, error)
	read   func(yalue.Value) *tensor.Tensor // nil if the value has another type
}

// typedBy lists the element types that the binding knows by a Go type; float16
// and bfloat16 it carries as bytes only.
var typedBy = map[tensor.DType]typed{
	tensor.Float32: typedFor[float32](),
	tensor.Float64: typedFor[float64](),
	tensor.Int8:    typedFor[int8](),
	tensor.Int16:   typedFor[int16](),
	tensor.Int32:   typedFor[int32](),
	tensor.Int64:   typedFor[int64](),
	tensor.Uint8:   typedFor[uint8](),
	tensor.Uint16:  typedFor[uint16](),
	tensor.Uint32:  typedFor[uint32](),
	tensor.Uint64:  typedFor[uint64](),
	tensor.Bool:    typedFor[bool](),
}

func typedFor[T tensor.Element]() typed {
	return typed{
		scalar: func(t *tensor.Tensor) (yalue.Value, error) {
			return yalue.NewScalar(tensor.Slice[T](t)[0])
		},
		read: func(v yalue.Value) *tensor.Tensor {
			switch v := v.(type) {
			case *yalue.Tensor[T]:
				return tensor.Of(v.GetShape(), v.GetData())
			case *yalue.Scalar[T]:
				return tensor.Of([]int64{}, []T{v.GetData()})
			}
			return nil
		},
	}
}

// wrap makes ONNX Runtime's value over a tensor's memory. The value keeps the
// memory alive and must be destroyed.
func wrap(t *tensor.Tensor) (yalue.Value, error) {
	if t.DType == tensor.String {
		return wrapStrings(t)
	}
	if len(t.Shape) == 0 {
		row, ok := typedBy[t.DType]
		if !ok {
			return nil, fmt.Errorf("a scalar of %v cannot be passed: give it the shape [1]", t.DType)
		}
		return row.scalar(t)
	}
	data := t.Data
	if len(data) == 0 {
		// The binding takes no empty slice; ONNX Runtime takes more bytes than
		// the shape needs.
		data = make([]byte, 8)
	}
	return yalue.NewCustomDataTensor(yalue.Shape(t.Shape), data, yalue.TensorElementDataType(t.DType))
}

// wrapStrings copies a tensor of strings. The binding hands strings over as C
// strings, which would end at the first NUL.
func wrapStrings(t *tensor.Tensor) (yalue.Value, error) {
	if len(t.Shape) == 0 {
		return nil, errors.New("a scalar string cannot be passed: give it the shape [1]")
	}
	for i, s := range t.Strings {
		if strings.ContainsRune(s, 0) {
			return nil, fmt.Errorf("string %d holds a NUL byte: carry binary data as uint8", i)
		}
	}
	v, err := yalue.NewStringTensor(yalue.Shape(t.Shape))
	if err != nil {
		return nil, err
	}
	if err := v.SetContents(t.Strings); err != nil {
		v.Destroy()
		return nil, err
	}
	return v, nil
}

// unwrap makes a Value that shares the memory of v and outlives it.
func unwrap(v yalue.Value) (Value, error) {
	switch v := v.(type) {
	case *yalue.StringTensor:
		t, err := unwrapStrings(v)
		return Value{Tensor: t}, err
	case *yalue.CustomDataTensor:
		t, err := unwrapBytes(v)
		return Value{Tensor: t}, err
	case *yalue.Sequence:
		return unwrapSequence(v)
	case *yalue.Map:
		return unwrapMap(v)
	}
	dtype := tensor.DType(v.DataType())
	if row, ok := typedBy[dtype]; ok {
		if t := row.read(v); t != nil {
			return Value{Tensor: t}, nil
		}
	}
	return Value{}, fmt.Errorf("a value of kind %v and element type %v is not supported", v.GetONNXType(), dtype)
}

func unwrapBytes(v *yalue.CustomDataTensor) (*tensor.Tensor, error) {
	n, err := tensor.Elements(v.GetShape())
	if err != nil {
		return nil, err
	}
	dtype := tensor.DType(v.DataType())
	return tensor.FromBytes(dtype, v.GetShape(), v.GetData()[:n*dtype.Size()])
}

func unwrapStrings(v *yalue.StringTensor) (*tensor.Tensor, error) {
	t := &tensor.Tensor{DType: tensor.String, Shape: v.GetShape()}
	var err error
	if len(t.Shape) == 0 { // the binding counts no elements in a scalar
		var s string
		s, err = v.GetElement(0)
		t.Strings = []string{s}
	} else {
		t.Strings, err = v.GetContents()
	}
	return t, err
}

func unwrapSequence(v *yalue.Sequence) (Value, error) {
	items, err := v.GetValues()
	if err != nil {
		return Value{}, err
	}
	sequence := make([]Value, len(items))
	for i, item := range items {
		if sequence[i], err = unwrap(item); err != nil {
			return Value{}, fmt.Errorf("item %d of the sequence: %w", i, err)
		}
	}
	return Value{Sequence: sequence}, nil
}

func unwrapMap(v *yalue.Map) (Value, error) {
	keys, values, err := v.GetKeysAndValues()
	if err != nil {
		return Value{}, err
	}
	k, err := unwrap(keys)
	if err != nil {
		return Value{}, fmt.Errorf("keys of the map: %w", err)
	}
	x, err := unwrap(values)
	if err != nil {
		return Value{}, fmt.Errorf("values of the map: %w", err)
	}
	return Value{Keys: k.Tensor, Values: x.Tensor}, nil
}

// preallocate returns a tensor for an output that the binding cannot hand
// over by itself: a declared scalar, and 16-bit floats, of which it copies
// half the bytes. It returns nil for all others.
func preallocate(port model.Port, symbols map[string]int64) (*tensor.Tensor, error) {
	scalar := port.Ranked && len(port.Shape) == 0 && port.DType != tensor.String
	halves := port.DType == tensor.Float16 || port.DType == tensor.BFloat16
	if port.Kind != model.Tensor || !scalar && !halves {
		return nil, nil
	}
	shape, ok := Resolve(port, symbols)
	if !ok {
		return nil, fmt.Errorf("output %s: a %v output must have a shape that follows from the inputs' shapes: cast it to float32 in the graph", port, port.DType)
	}
	return tensor.New(port.DType, shape...)
}
