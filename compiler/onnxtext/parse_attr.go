package onnxtext

import (
	"math"
	"strings"

	"github.com/bottlenet/bnc/compiler/onnxpb"
	"google.golang.org/protobuf/proto"
)

type attrType = onnxpb.AttributeProto_AttributeType

const (
	attrUndefined = onnxpb.AttributeProto_UNDEFINED
	attrFloat     = onnxpb.AttributeProto_FLOAT
	attrInt       = onnxpb.AttributeProto_INT
	attrString    = onnxpb.AttributeProto_STRING
	attrTensor    = onnxpb.AttributeProto_TENSOR
	attrGraph     = onnxpb.AttributeProto_GRAPH
	attrTypeProto = onnxpb.AttributeProto_TYPE_PROTO
)

// attr reads what follows an attribute's name: its type, which may be left out,
// and its value.
func (p *parser) attr(name string) *onnxpb.AttributeProto {
	a := &onnxpb.AttributeProto{Name: proto.String(name)}
	want := attrUndefined
	if p.accept(":") {
		if want = attrType(attrTypes[p.tok.text]); want == attrUndefined {
			p.fail("the type of an attribute, like ints")
		}
		p.advance()
	}
	p.expect("=")
	switch {
	case p.accept("@"):
		a.RefAttrName = proto.String(p.name("the name of an attribute of the function"))
		if want != attrUndefined {
			a.Type = want.Enum()
		}
	case p.at("["):
		p.attrList(a, want)
	default:
		p.attrValue(a, want)
	}
	return a
}

// attrList reads the values of a list, all of one type.
func (p *parser) attrList(a *onnxpb.AttributeProto, want attrType) {
	element := attrUndefined
	for one, many := range listTypes {
		if many == want {
			element = one
		}
	}
	if want != attrUndefined && element == attrUndefined {
		p.fail("one value of the type " + strings.ToLower(want.String()))
		return
	}
	open := p.tok
	p.list("[", "]", func() {
		var v onnxpb.AttributeProto
		p.attrValue(&v, element)
		element = v.GetType()
		switch element {
		case attrFloat:
			a.Floats = append(a.Floats, v.GetF())
		case attrInt:
			a.Ints = append(a.Ints, v.GetI())
		case attrString:
			a.Strings = append(a.Strings, v.S)
		case attrTensor:
			a.Tensors = append(a.Tensors, v.T)
		case attrGraph:
			a.Graphs = append(a.Graphs, v.G)
		case attrTypeProto:
			a.TypeProtos = append(a.TypeProtos, v.Tp)
		}
	})
	if element == attrUndefined {
		p.failAt(open, `a type, like ": ints", for an empty list`, "none")
		return
	}
	a.Type = listTypes[element].Enum()
}

// attrValue reads one value of the wanted type or, where that is undefined, of
// any. An integer is a float where one is wanted.
func (p *parser) attrValue(a *onnxpb.AttributeProto, want attrType) {
	start := p.tok
	set := func(t attrType) {
		a.Type = t.Enum()
		if want != attrUndefined && t != want {
			p.failAt(start, "a value of the type "+strings.ToLower(want.String()), start.String())
		}
	}
	switch {
	case p.atType():
		t := p.typ()
		if p.at("{") || p.at("=") || p.atName() {
			name := ""
			if p.atName() {
				name = p.advance().text
			}
			p.accept("=")
			a.T = p.tensor(name, t)
			set(attrTensor)
			return
		}
		a.Tp = t
		set(attrTypeProto)
	case p.tok.kind == integer && want != attrFloat:
		a.I = proto.Int64(p.int(math.MinInt64, math.MaxInt64))
		set(attrInt)
	case p.atFloat():
		a.F = proto.Float32(float32(p.float(32)))
		set(attrFloat)
	case p.atName():
		name := p.advance()
		if name.kind == quoted && !p.at("(") {
			a.S = []byte(name.text)
			set(attrString)
			return
		}
		a.G = p.graph(name.text)
		set(attrGraph)
	default:
		p.fail("the value of an attribute")
	}
}
