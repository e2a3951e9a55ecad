package tensor

import "fmt"

// DType is an ONNX element type, numbered as TensorProto.DataType in
// onnx.proto (ONNX Runtime's C API uses the same numbers for these).
type DType int32

// The element types that a Tensor can hold.
const (
	Undefined DType = 0
	Float32   DType = 1
	Uint8     DType = 2
	Int8      DType = 3
	Uint16    DType = 4
	Int16     DType = 5
	Int32     DType = 6
	Int64     DType = 7
	String    DType = 8
	Bool      DType = 9
	Float16   DType = 10
	Float64   DType = 11
	Uint32    DType = 12
	Uint64    DType = 13
	BFloat16  DType = 16
)

// dtypes holds the name and the size in bytes of every element type. Strings
// have no fixed size.
var dtypes = map[DType]struct {
	name string
	size int
}{
	Float32:  {"float32", 4},
	Uint8:    {"uint8", 1},
	Int8:     {"int8", 1},
	Uint16:   {"uint16", 2},
	Int16:    {"int16", 2},
	Int32:    {"int32", 4},
	Int64:    {"int64", 8},
	String:   {"string", 0},
	Bool:     {"bool", 1},
	Float16:  {"float16", 2},
	Float64:  {"float64", 8},
	Uint32:   {"uint32", 4},
	Uint64:   {"uint64", 8},
	BFloat16: {"bfloat16", 2},
}

// String returns the type's name as numpy spells it ("float32"), or
// "dtype(N)" for a number that is not in the table.
func (d DType) String() string {
	if row, ok := dtypes[d]; ok {
		return row.name
	}
	return fmt.Sprintf("dtype(%d)", int32(d))
}

// Size returns the bytes of one element: 0 for String and unknown types.
func (d DType) Size() int { return dtypes[d].size }

// IsFloat tells whether the type holds fractions.
func (d DType) IsFloat() bool {
	return d == Float32 || d == Float64 || d == Float16 || d == BFloat16
}
