package ir

import (
	"fmt"

	"github.com/bottlenet/bnc/compiler/onnxpb"
)

// DType is an element type, numbered as TensorProto.DataType.
type DType int32

// The element types the compiler itself creates or asks for. Every other type
// of the format is carried by its number.
const (
	Undefined DType = DType(onnxpb.TensorProto_UNDEFINED)
	Float32   DType = DType(onnxpb.TensorProto_FLOAT)
	Uint8     DType = DType(onnxpb.TensorProto_UINT8)
	Int8      DType = DType(onnxpb.TensorProto_INT8)
	Uint16    DType = DType(onnxpb.TensorProto_UINT16)
	Int16     DType = DType(onnxpb.TensorProto_INT16)
	Int32     DType = DType(onnxpb.TensorProto_INT32)
	Int64     DType = DType(onnxpb.TensorProto_INT64)
	String    DType = DType(onnxpb.TensorProto_STRING)
	Bool      DType = DType(onnxpb.TensorProto_BOOL)
	Float16   DType = DType(onnxpb.TensorProto_FLOAT16)
	Float64   DType = DType(onnxpb.TensorProto_DOUBLE)
	Uint32    DType = DType(onnxpb.TensorProto_UINT32)
	Uint64    DType = DType(onnxpb.TensorProto_UINT64)
	BFloat16  DType = DType(onnxpb.TensorProto_BFLOAT16)
)

// bits is the width of an element in raw_data; strings have none.
var bits = map[onnxpb.TensorProto_DataType]int64{
	onnxpb.TensorProto_FLOAT: 32, onnxpb.TensorProto_UINT8: 8, onnxpb.TensorProto_INT8: 8,
	onnxpb.TensorProto_UINT16: 16, onnxpb.TensorProto_INT16: 16, onnxpb.TensorProto_INT32: 32,
	onnxpb.TensorProto_INT64: 64, onnxpb.TensorProto_BOOL: 8, onnxpb.TensorProto_FLOAT16: 16,
	onnxpb.TensorProto_DOUBLE: 64, onnxpb.TensorProto_UINT32: 32, onnxpb.TensorProto_UINT64: 64,
	onnxpb.TensorProto_COMPLEX64: 64, onnxpb.TensorProto_COMPLEX128: 128, onnxpb.TensorProto_BFLOAT16: 16,
	onnxpb.TensorProto_FLOAT8E4M3FN: 8, onnxpb.TensorProto_FLOAT8E4M3FNUZ: 8,
	onnxpb.TensorProto_FLOAT8E5M2: 8, onnxpb.TensorProto_FLOAT8E5M2FNUZ: 8, onnxpb.TensorProto_FLOAT8E8M0: 8,
	onnxpb.TensorProto_UINT4: 4, onnxpb.TensorProto_INT4: 4, onnxpb.TensorProto_FLOAT4E2M1: 4,
	onnxpb.TensorProto_UINT2: 2, onnxpb.TensorProto_INT2: 2,
	onnxpb.TensorProto_FLOAT6E2M3: 6, onnxpb.TensorProto_FLOAT6E3M2: 6,
}

// Bits returns the width of one element as raw_data packs it, 0 for strings
// and for types that are not known.
func (d DType) Bits() int64 { return bits[onnxpb.TensorProto_DataType(d)] }

// Bytes returns the size of n packed elements, rounded up to whole bytes.
func (d DType) Bytes(n int64) int64 { return (n*d.Bits() + 7) / 8 }

// IsFloat reports whether d is one of the floating-point types that a
// convolution takes: float16, bfloat16, float32, float64.
func (d DType) IsFloat() bool {
	return d == Float32 || d == Float16 || d == Float64 || d == BFloat16
}

// String returns numpy's name where there is one, the format's otherwise.
func (d DType) String() string {
	if s, ok := dtypeNames[d]; ok {
		return s
	}
	if s, ok := onnxpb.TensorProto_DataType_name[int32(d)]; ok {
		return s
	}
	return fmt.Sprintf("dtype(%d)", int32(d))
}

var dtypeNames = map[DType]string{
	Float32: "float32", Uint8: "uint8", Int8: "int8", Uint16: "uint16", Int16: "int16",
	Int32: "int32", Int64: "int64", String: "string", Bool: "bool", Float16: "float16",
	Float64: "float64", Uint32: "uint32", Uint64: "uint64", BFloat16: "bfloat16",
}
