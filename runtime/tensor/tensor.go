// Package tensor holds the arrays that cross bnc's runtime: graph inputs and
// outputs, prepared images, .npy files and the protocol's raw contents.
//
// A Tensor is a type, a shape and little-endian bytes in row-major order,
// which is ONNX Runtime's, numpy's and the Open Inference Protocol's own form,
// so that none of them needs a conversion. Slice gives the typed view of the
// same memory. The package is pure Go and assumes a little-endian machine, as
// ONNX Runtime does.
//
//	t := tensor.Of([]int64{2, 2}, []float32{1, 2, 3, 4})
//	t.DType            // tensor.Float32
//	tensor.Slice[float32](t)[3] = 5
package tensor

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"unsafe"
)

// Tensor is one dense array. Data holds the elements of every type but
// String, whose elements are in Strings. A rank-0 tensor has an empty Shape
// and one element. The zero Tensor is not valid.
type Tensor struct {
	DType   DType
	Shape   []int64
	Data    []byte
	Strings []string
}

// Element is a Go type that is the typed view of a tensor's elements. float16
// and bfloat16 have no Go type: use Floats.
type Element interface {
	float32 | float64 | int8 | int16 | int32 | int64 | uint8 | uint16 | uint32 | uint64 | bool
}

// TypeOf returns the element type that T is the view of.
func TypeOf[T Element]() DType {
	var zero T
	switch any(zero).(type) {
	case float32:
		return Float32
	case float64:
		return Float64
	case int8:
		return Int8
	case int16:
		return Int16
	case int32:
		return Int32
	case int64:
		return Int64
	case uint8:
		return Uint8
	case uint16:
		return Uint16
	case uint32:
		return Uint32
	case uint64:
		return Uint64
	default:
		return Bool
	}
}

// Elements returns how many elements the shape holds, and an error if a
// dimension is negative or the product does not fit in an int.
func Elements(shape []int64) (int, error) {
	n := int64(1)
	for i, d := range shape {
		if d < 0 {
			return 0, fmt.Errorf("dimension %d of shape %v is negative", i, shape)
		}
		if d > 0 && n > math.MaxInt64/d {
			return 0, fmt.Errorf("shape %v holds more elements than this machine can address", shape)
		}
		n *= d
	}
	return int(n), nil
}

// New returns a zeroed tensor, and an error for a bad shape or an unknown type.
func New(dtype DType, shape ...int64) (*Tensor, error) {
	n, err := Elements(shape)
	if err != nil {
		return nil, err
	}
	t := &Tensor{DType: dtype, Shape: slices.Clone(shape)}
	if dtype == String {
		t.Strings = make([]string, n)
		return t, nil
	}
	size := dtype.Size()
	if size == 0 {
		return nil, fmt.Errorf("a tensor of type %v is not supported", dtype)
	}
	if n > math.MaxInt/size {
		return nil, fmt.Errorf("shape %v of %v is larger than this machine can address", shape, dtype)
	}
	t.Data = make([]byte, n*size)
	return t, nil
}

// Of returns a tensor that shares the memory of values. It panics if the
// shape does not hold len(values) elements.
func Of[T Element](shape []int64, values []T) *Tensor {
	n, err := Elements(shape)
	if err != nil || n != len(values) {
		panic(fmt.Sprintf("BUG: %d values for a tensor of shape %v", len(values), shape))
	}
	return &Tensor{DType: TypeOf[T](), Shape: slices.Clone(shape), Data: bytesOf(values)}
}

// FromBytes returns a tensor over data, which holds the elements as
// little-endian bytes in row-major order. It shares data's memory unless data
// is not aligned for the type. It returns an error if the number of bytes is
// not what type and shape need, or the type is String.
func FromBytes(dtype DType, shape []int64, data []byte) (*Tensor, error) {
	t := &Tensor{DType: dtype, Shape: slices.Clone(shape), Data: data}
	if err := t.Validate(); err != nil {
		return nil, err
	}
	size := dtype.Size()
	if len(data) > 0 && uintptr(unsafe.Pointer(&data[0]))%uintptr(size) != 0 {
		t.Data = make([]byte, len(data))
		copy(t.Data, data)
	}
	return t, nil
}

// Validate tells what is wrong with a tensor that was put together by hand:
// an unknown type, a negative dimension, or contents of another length than
// type and shape need.
func (t *Tensor) Validate() error {
	n, err := Elements(t.Shape)
	if err != nil {
		return err
	}
	if t.DType == String {
		if len(t.Strings) != n {
			return fmt.Errorf("shape %v holds %d strings, found %d", t.Shape, n, len(t.Strings))
		}
		return nil
	}
	size := t.DType.Size()
	if size == 0 {
		return fmt.Errorf("a tensor of type %v is not supported", t.DType)
	}
	if n > math.MaxInt/size || len(t.Data) != n*size {
		return fmt.Errorf("shape %v of %v needs %d bytes, found %d", t.Shape, t.DType, n*size, len(t.Data))
	}
	return nil
}

// Len returns the number of elements.
func (t *Tensor) Len() int {
	if t.DType == String {
		return len(t.Strings)
	}
	return len(t.Data) / t.DType.Size()
}

// Reshape returns a tensor of the same contents in another shape, sharing
// memory. It returns an error if the number of elements differs.
func (t *Tensor) Reshape(shape ...int64) (*Tensor, error) {
	n, err := Elements(shape)
	if err != nil {
		return nil, err
	}
	if n != t.Len() {
		return nil, fmt.Errorf("shape %v holds %d elements, cannot become %v of %d", t.Shape, t.Len(), shape, n)
	}
	return &Tensor{DType: t.DType, Shape: slices.Clone(shape), Data: t.Data, Strings: t.Strings}, nil
}

// String describes type and shape, as in "float32[1 3 224 224]".
func (t *Tensor) String() string { return fmt.Sprintf("%v%v", t.DType, t.Shape) }

// Slice returns the typed view of the tensor's elements: the same memory. It
// panics if T is not the tensor's type.
func Slice[T Element](t *Tensor) []T {
	if want := TypeOf[T](); want != t.DType {
		panic(fmt.Sprintf("BUG: view of a %v tensor as %v", t.DType, want))
	}
	if len(t.Data) == 0 {
		return nil
	}
	var zero T
	return unsafe.Slice((*T)(unsafe.Pointer(&t.Data[0])), len(t.Data)/int(unsafe.Sizeof(zero)))
}

// bytesOf returns the memory of values as bytes.
func bytesOf[T Element](values []T) []byte {
	if len(values) == 0 {
		return []byte{}
	}
	var zero T
	return unsafe.Slice((*byte)(unsafe.Pointer(&values[0])), len(values)*int(unsafe.Sizeof(zero)))
}

// errNotNumeric is Floats' answer to a tensor of strings.
var errNotNumeric = errors.New("a string tensor has no numbers")

// Words returns the tensor's memory as unsigned integers of the element's
// size, whatever the type. It panics if the size is another one.
func Words[W uint8 | uint16 | uint32 | uint64](t *Tensor) []W {
	var zero W
	if int(unsafe.Sizeof(zero)) != t.DType.Size() {
		panic(fmt.Sprintf("BUG: view of a %v tensor as words of %d bytes", t.DType, unsafe.Sizeof(zero)))
	}
	if len(t.Data) == 0 {
		return nil
	}
	return unsafe.Slice((*W)(unsafe.Pointer(&t.Data[0])), len(t.Data)/t.DType.Size())
}
