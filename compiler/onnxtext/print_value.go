package onnxtext

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/compiler/onnxpb"
)

func (p *printer) typ(t *onnxpb.TypeProto) {
	switch v := t.GetValue().(type) {
	case *onnxpb.TypeProto_TensorType:
		p.elemType(v.TensorType.GetElemType())
		p.shape(v.TensorType.Shape)
	case *onnxpb.TypeProto_SparseTensorType:
		p.print("sparse_tensor(")
		p.elemType(v.SparseTensorType.GetElemType())
		p.shape(v.SparseTensorType.Shape)
		p.print(")")
	case *onnxpb.TypeProto_SequenceType:
		p.print("seq(")
		p.typ(v.SequenceType.ElemType)
		p.print(")")
	case *onnxpb.TypeProto_MapType:
		p.print("map(")
		p.elemType(v.MapType.GetKeyType())
		p.print(", ")
		p.typ(v.MapType.ValueType)
		p.print(")")
	case *onnxpb.TypeProto_OptionalType:
		p.print("optional(")
		p.typ(v.OptionalType.ElemType)
		p.print(")")
	case *onnxpb.TypeProto_OpaqueType:
		p.print("opaque(")
		if o := v.OpaqueType; o.GetDomain() != "" {
			p.print(name(o.GetDomain()), ", ", name(o.GetName()))
		} else if o.GetName() != "" {
			p.print(name(o.GetName()))
		}
		p.print(")")
	default:
		p.fail(fmt.Errorf("ONNX text cannot say a type without contents"))
	}
}

func (p *printer) elemType(t int32) {
	s, ok := onnxpb.TensorProto_DataType_name[t]
	if !ok || t == 0 {
		p.fail(fmt.Errorf("ONNX text has no word for element type %d", t))
	}
	p.print(strings.ToLower(s))
}

func (p *printer) shape(s *onnxpb.TensorShapeProto) {
	if s == nil {
		p.print("[]")
		return
	}
	if len(s.Dim) == 0 {
		return
	}
	p.print("[")
	p.each(len(s.Dim), ", ", func(i int) {
		switch d := s.Dim[i].Value.(type) {
		case *onnxpb.TensorShapeProto_Dimension_DimValue:
			p.print(strconv.FormatInt(d.DimValue, 10))
		case *onnxpb.TensorShapeProto_Dimension_DimParam:
			p.print(word(d.DimParam))
		default:
			p.print("?")
		}
	})
	p.print("]")
}

func (p *printer) attr(a *ir.Attr) {
	pb := a.Proto
	p.print(word(a.Name()))
	if pb.GetType() != onnxpb.AttributeProto_UNDEFINED { // a reference may be without
		p.print(": ", strings.ToLower(pb.GetType().String()))
	}
	p.print(" = ")
	if pb.GetRefAttrName() != "" {
		p.print("@", word(pb.GetRefAttrName()))
		return
	}
	one := func(n int, element func(i int)) {
		if n != 1 { // graphs of functions' default attributes are not in the IR
			p.fail(fmt.Errorf("attribute %q: expected 1 value, found %d", a.Name(), n))
			return
		}
		element(0)
	}
	list := func(n int, element func(i int)) {
		p.print("[")
		p.each(n, ", ", element)
		p.print("]")
	}
	tensor := func(i int) { p.tensor(a.Tensors[i], a.Tensors[i].Proto.GetName(), " ") }
	graph := func(i int) { p.graph(a.Graphs[i]) }
	switch pb.GetType() {
	case onnxpb.AttributeProto_FLOAT:
		p.print(attrFloat32(pb.GetF()))
	case onnxpb.AttributeProto_INT:
		p.print(strconv.FormatInt(pb.GetI(), 10))
	case onnxpb.AttributeProto_STRING:
		p.print(quote(string(pb.S)))
	case onnxpb.AttributeProto_TYPE_PROTO:
		p.typ(pb.Tp)
	case onnxpb.AttributeProto_TENSOR:
		one(len(a.Tensors), tensor)
	case onnxpb.AttributeProto_GRAPH:
		one(len(a.Graphs), graph)
	case onnxpb.AttributeProto_FLOATS:
		list(len(pb.Floats), func(i int) { p.print(attrFloat32(pb.Floats[i])) })
	case onnxpb.AttributeProto_INTS:
		list(len(pb.Ints), func(i int) { p.print(strconv.FormatInt(pb.Ints[i], 10)) })
	case onnxpb.AttributeProto_STRINGS:
		list(len(pb.Strings), func(i int) { p.print(quote(string(pb.Strings[i]))) })
	case onnxpb.AttributeProto_TYPE_PROTOS:
		list(len(pb.TypeProtos), func(i int) { p.typ(pb.TypeProtos[i]) })
	case onnxpb.AttributeProto_TENSORS:
		list(len(a.Tensors), tensor)
	case onnxpb.AttributeProto_GRAPHS:
		list(len(a.Graphs), graph)
	default:
		p.omit("an attribute of the type " + pb.GetType().String())
		p.line()
	}
}

// attrFloat32 writes v with a point or an exponent: onnx.parser reads a whole
// number without as an integer and a float at once.
func attrFloat32(v float32) string {
	s := formatFloat(float64(v), 32)
	if _, err := strconv.Atoi(s); err == nil {
		return s + ".0"
	}
	return s
}
