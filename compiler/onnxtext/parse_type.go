package onnxtext

import (
	"math"

	"github.com/bottlenet/bnc/compiler/onnxpb"
	"google.golang.org/protobuf/proto"
)

// valueInfo reads a name with or without a type before it.
func (p *parser) valueInfo() *onnxpb.ValueInfoProto {
	info := &onnxpb.ValueInfoProto{}
	if p.atType() {
		info.Type = p.typ()
	}
	info.Name = proto.String(p.name("a type or the name of a value"))
	return info
}

func (p *parser) atType() bool { return p.tok.kind == ident && isTypeWord(p.tok.text) }

func (p *parser) typ() *onnxpb.TypeProto {
	t := &onnxpb.TypeProto{}
	p.nested(func() {
		if !p.atType() {
			p.fail("a type")
			return
		}
		switch p.tok.text {
		case "seq":
			p.advance()
			p.expect("(")
			t.Value = &onnxpb.TypeProto_SequenceType{SequenceType: &onnxpb.TypeProto_Sequence{ElemType: p.typ()}}
			p.expect(")")
		case "map":
			p.advance()
			p.expect("(")
			m := &onnxpb.TypeProto_Map{KeyType: p.elemType()}
			p.expect(",")
			m.ValueType = p.typ()
			t.Value = &onnxpb.TypeProto_MapType{MapType: m}
			p.expect(")")
		case "optional":
			p.advance()
			p.expect("(")
			t.Value = &onnxpb.TypeProto_OptionalType{OptionalType: &onnxpb.TypeProto_Optional{ElemType: p.typ()}}
			p.expect(")")
		case "sparse_tensor":
			p.advance()
			p.expect("(")
			t.Value = &onnxpb.TypeProto_SparseTensorType{
				SparseTensorType: &onnxpb.TypeProto_SparseTensor{ElemType: p.elemType(), Shape: p.shape()},
			}
			p.expect(")")
		case "opaque":
			p.advance()
			t.Value = &onnxpb.TypeProto_OpaqueType{OpaqueType: p.opaque()}
		default:
			t.Value = &onnxpb.TypeProto_TensorType{
				TensorType: &onnxpb.TypeProto_Tensor{ElemType: p.elemType(), Shape: p.shape()},
			}
		}
	})
	return t
}

func (p *parser) elemType() *int32 {
	t := elemTypes[p.tok.text]
	if p.tok.kind != ident || t == 0 {
		p.fail("the type of an element, like float")
	}
	p.advance()
	return proto.Int32(t)
}

// shape reads the dimensions of a tensor: none for a scalar, empty brackets,
// which give nil, where not even the rank is known.
func (p *parser) shape() *onnxpb.TensorShapeProto {
	s := &onnxpb.TensorShapeProto{}
	if !p.at("[") {
		return s
	}
	p.list("[", "]", func() {
		d := &onnxpb.TensorShapeProto_Dimension{}
		switch {
		case p.accept("?"):
		case p.atName():
			d.Value = &onnxpb.TensorShapeProto_Dimension_DimParam{DimParam: p.advance().text}
		case p.tok.kind == integer:
			d.Value = &onnxpb.TensorShapeProto_Dimension_DimValue{DimValue: p.int(math.MinInt64, math.MaxInt64)}
		default:
			p.fail(`a dimension: a number, a name or "?"`)
		}
		s.Dim = append(s.Dim, d)
	})
	if len(s.Dim) == 0 {
		return nil
	}
	return s
}

// opaque reads (), (name) or (domain, name).
func (p *parser) opaque() *onnxpb.TypeProto_Opaque {
	o := &onnxpb.TypeProto_Opaque{}
	var parts []string
	p.list("(", ")", func() {
		part := p.name("the domain or name of an opaque type")
		for p.accept(".") {
			part += "." + p.name("an identifier")
		}
		parts = append(parts, part)
	})
	switch len(parts) {
	case 0:
	case 1:
		o.Name = proto.String(parts[0])
	case 2:
		o.Domain, o.Name = proto.String(parts[0]), proto.String(parts[1])
	default:
		p.fail("an opaque type of at most a domain and a name before this")
	}
	return o
}
