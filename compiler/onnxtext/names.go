package onnxtext

import (
	"strings"

	"github.com/bottlenet/bnc/compiler/onnxpb"
)

// elemTypes and attrTypes are the names of the syntax: those of the format in
// lower case.
var (
	elemTypes = lowered(onnxpb.TensorProto_DataType_value)
	attrTypes = lowered(onnxpb.AttributeProto_AttributeType_value)
)

func lowered(values map[string]int32) map[string]int32 {
	out := map[string]int32{}
	for name, v := range values {
		if v != 0 { // UNDEFINED
			out[strings.ToLower(name)] = v
		}
	}
	return out
}

// isTypeWord reports whether a type begins with the identifier s.
func isTypeWord(s string) bool {
	switch s {
	case "seq", "map", "optional", "sparse_tensor", "opaque":
		return true
	}
	return elemTypes[s] != 0
}

// listTypes gives the type of an attribute that is a list from that of an
// element.
var listTypes = map[onnxpb.AttributeProto_AttributeType]onnxpb.AttributeProto_AttributeType{
	onnxpb.AttributeProto_FLOAT:      onnxpb.AttributeProto_FLOATS,
	onnxpb.AttributeProto_INT:        onnxpb.AttributeProto_INTS,
	onnxpb.AttributeProto_STRING:     onnxpb.AttributeProto_STRINGS,
	onnxpb.AttributeProto_TENSOR:     onnxpb.AttributeProto_TENSORS,
	onnxpb.AttributeProto_GRAPH:      onnxpb.AttributeProto_GRAPHS,
	onnxpb.AttributeProto_TYPE_PROTO: onnxpb.AttributeProto_TYPE_PROTOS,
}

// name returns s as the syntax writes a name: quoted where it is no identifier
// or would be read as a type or a number.
func name(s string) string {
	if isIdent(s) && !isTypeWord(s) && !isFloatWord(s) {
		return s
	}
	return quote(s)
}

// word returns s as the syntax writes it where no type or number can stand.
func word(s string) string {
	if isIdent(s) {
		return s
	}
	return quote(s)
}

// qualified returns an operator with its domain, which is quoted as a whole
// where a part of it is no identifier.
func qualified(domain, op string) string {
	if domain == "" {
		return word(op)
	}
	for part := range strings.SplitSeq(domain, ".") {
		if !isIdent(part) {
			domain = quote(domain)
			break
		}
	}
	return domain + "." + word(op)
}
