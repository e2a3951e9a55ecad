package oip

import (
	"strings"

	"github.com/bottlenet/bnc/runtime/tensor"
)

// datatypes pairs the protocol's names of element types with the tensor
// package's.
var datatypes = []struct {
	name  string
	dtype tensor.DType
}{
	{"BOOL", tensor.Bool},
	{"UINT8", tensor.Uint8},
	{"UINT16", tensor.Uint16},
	{"UINT32", tensor.Uint32},
	{"UINT64", tensor.Uint64},
	{"INT8", tensor.Int8},
	{"INT16", tensor.Int16},
	{"INT32", tensor.Int32},
	{"INT64", tensor.Int64},
	{"FP16", tensor.Float16},
	{"BF16", tensor.BFloat16},
	{"FP32", tensor.Float32},
	{"FP64", tensor.Float64},
	{"BYTES", tensor.String},
}

// Datatype returns the protocol's name of an element type, "" for a type that
// the protocol does not have.
func Datatype(d tensor.DType) string {
	for _, row := range datatypes {
		if row.dtype == d {
			return row.name
		}
	}
	return ""
}

// ParseDatatype returns the element type of that name ("UINT8", "FP32"). The
// error (Invalid) lists the names.
func ParseDatatype(name string) (tensor.DType, error) {
	var names []string
	for _, row := range datatypes {
		if row.name == name {
			return row.dtype, nil
		}
		names = append(names, row.name)
	}
	return tensor.Undefined, Errorf(Invalid, "unknown datatype %s, expected one of %s", quote(name), strings.Join(names, ", "))
}
