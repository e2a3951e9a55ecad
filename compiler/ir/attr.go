package ir

import (
	"github.com/bottlenet/bnc/compiler/onnxpb"
	"google.golang.org/protobuf/proto"
)

// Attr is an attribute of a node. Scalars, lists and strings are in Proto;
// tensors and graphs, which Proto lacks, are here.
type Attr struct {
	Proto   *onnxpb.AttributeProto
	Tensors []*Tensor // of t or tensors
	Sparse  []*Sparse // of sparse_tensor or sparse_tensors
	Graphs  []*Graph  // of g or graphs
}

// Name returns the attribute's name.
func (a *Attr) Name() string { return a.Proto.GetName() }

func newAttr(name string, t onnxpb.AttributeProto_AttributeType) *Attr {
	return &Attr{Proto: &onnxpb.AttributeProto{Name: proto.String(name), Type: t.Enum()}}
}

// IntAttr returns an attribute of type INT.
func IntAttr(name string, v int64) *Attr {
	a := newAttr(name, onnxpb.AttributeProto_INT)
	a.Proto.I = proto.Int64(v)
	return a
}

// IntsAttr returns an attribute of type INTS.
func IntsAttr(name string, v ...int64) *Attr {
	a := newAttr(name, onnxpb.AttributeProto_INTS)
	a.Proto.Ints = v
	return a
}

// FloatAttr returns an attribute of type FLOAT.
func FloatAttr(name string, v float32) *Attr {
	a := newAttr(name, onnxpb.AttributeProto_FLOAT)
	a.Proto.F = proto.Float32(v)
	return a
}

// StringAttr returns an attribute of type STRING.
func StringAttr(name, v string) *Attr {
	a := newAttr(name, onnxpb.AttributeProto_STRING)
	a.Proto.S = []byte(v)
	return a
}

// TensorAttr returns an attribute of type TENSOR.
func TensorAttr(name string, t *Tensor) *Attr {
	a := newAttr(name, onnxpb.AttributeProto_TENSOR)
	a.Tensors = []*Tensor{t}
	return a
}
