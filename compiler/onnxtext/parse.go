package onnxtext

import (
	"fmt"
	"math"

	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/compiler/onnx"
	"github.com/bottlenet/bnc/compiler/onnxpb"
	"google.golang.org/protobuf/proto"
)

// Parse reads a model. A text that is no model is a [*SyntaxError], one that
// describes a model that cannot be an error of compiler/onnx.
func Parse(src string) (*ir.Model, error) {
	pb, err := parseModel(src)
	if err != nil {
		return nil, fmt.Errorf("ONNX text: %w", err)
	}
	b, err := proto.Marshal(pb)
	if err != nil {
		return nil, fmt.Errorf("ONNX text: %w", err)
	}
	m, err := onnx.Parse(b)
	if err != nil {
		return nil, fmt.Errorf("ONNX text: %w", err)
	}
	return m, nil
}

func parseModel(src string) (*onnxpb.ModelProto, error) {
	p := newParser(src)
	m := p.model()
	return m, p.err
}

func (p *parser) model() *onnxpb.ModelProto {
	m := &onnxpb.ModelProto{}
	if p.at("<") {
		p.fields(map[string]func(){
			"ir_version":       func() { m.IrVersion = proto.Int64(p.int(0, math.MaxInt64)) },
			"opset_import":     func() { m.OpsetImport = p.opsets() },
			"producer_name":    func() { m.ProducerName = proto.String(p.string()) },
			"producer_version": func() { m.ProducerVersion = proto.String(p.string()) },
			"domain":           func() { m.Domain = proto.String(p.string()) },
			"model_version":    func() { m.ModelVersion = proto.Int64(p.int(math.MinInt64, math.MaxInt64)) },
			"doc_string":       func() { m.DocString = proto.String(p.string()) },
			"metadata_props":   func() { m.MetadataProps = p.entries() },
		})
	}
	m.Graph = p.graph(p.name("the name of a graph"))
	for p.err == nil && p.tok.kind != end {
		m.Functions = append(m.Functions, p.function())
	}
	return m
}

func (p *parser) opsets() []*onnxpb.OperatorSetIdProto {
	var out []*onnxpb.OperatorSetIdProto
	p.list("[", "]", func() {
		o := &onnxpb.OperatorSetIdProto{Domain: proto.String(p.string())}
		p.expect(":")
		o.Version = proto.Int64(p.int(0, math.MaxInt64))
		out = append(out, o)
	})
	return out
}

func (p *parser) entries() []*onnxpb.StringStringEntryProto {
	var out []*onnxpb.StringStringEntryProto
	p.list("[", "]", func() {
		e := &onnxpb.StringStringEntryProto{Key: proto.String(p.string())}
		p.expect(":")
		e.Value = proto.String(p.string())
		out = append(out, e)
	})
	return out
}

// graph reads what follows a graph's name.
func (p *parser) graph(name string) *onnxpb.GraphProto {
	g := &onnxpb.GraphProto{Name: proto.String(name)}
	p.nested(func() {
		p.list("(", ")", func() {
			info := p.valueInfo()
			g.Input = append(g.Input, info)
			if p.accept("=") {
				g.Initializer = append(g.Initializer, p.tensor(info.GetName(), info.Type))
			}
		})
		p.expect("=>")
		p.list("(", ")", func() { g.Output = append(g.Output, p.valueInfo()) })
		if p.at("<") {
			p.list("<", ">", func() {
				info := p.valueInfo()
				if p.accept("=") {
					g.Initializer = append(g.Initializer, p.tensor(info.GetName(), info.Type))
				} else {
					g.ValueInfo = append(g.ValueInfo, info)
				}
			})
		}
		g.Node = p.nodes()
	})
	return g
}

// function reads a model-local function.
func (p *parser) function() *onnxpb.FunctionProto {
	f := &onnxpb.FunctionProto{}
	if p.at("<") {
		p.fields(map[string]func(){
			"opset_import": func() { f.OpsetImport = p.opsets() },
			"domain":       func() { f.Domain = proto.String(p.string()) },
			"overload":     func() { f.Overload = proto.String(p.string()) },
			"doc_string":   func() { f.DocString = proto.String(p.string()) },
		})
	}
	f.Name = proto.String(p.name("the name of a function"))
	if p.at("<") {
		p.list("<", ">", func() {
			name := p.name("the name of an attribute")
			if p.at(":") || p.at("=") {
				f.AttributeProto = append(f.AttributeProto, p.attr(name))
			} else {
				f.Attribute = append(f.Attribute, name)
			}
		})
	}
	values := func(names *[]string) {
		p.list("(", ")", func() {
			info := p.valueInfo()
			*names = append(*names, info.GetName())
			if info.Type != nil {
				f.ValueInfo = append(f.ValueInfo, info)
			}
		})
	}
	values(&f.Input)
	p.expect("=>")
	values(&f.Output)
	if p.at("<") {
		p.list("<", ">", func() { f.ValueInfo = append(f.ValueInfo, p.valueInfo()) })
	}
	f.Node = p.nodes()
	return f
}

func (p *parser) nodes() []*onnxpb.NodeProto {
	var out []*onnxpb.NodeProto
	p.expect("{")
	for p.err == nil && !p.accept("}") {
		out = append(out, p.node())
	}
	return out
}

func (p *parser) node() *onnxpb.NodeProto {
	n := &onnxpb.NodeProto{}
	if p.accept("[") {
		if p.atName() {
			n.Name = proto.String(p.advance().text)
		}
		if !p.accept("]") {
			p.fail(`the name of a node and "]"`)
		}
	}
	n.Output = p.ids()
	if len(n.Output) == 0 && !p.at("=") {
		p.fail(`a node (y = Op (x)) or "}"`)
	}
	p.expect("=")
	op := p.name("an operator")
	for p.accept(".") {
		if n.Domain == nil {
			n.Domain = proto.String(op)
		} else {
			n.Domain = proto.String(*n.Domain + "." + op)
		}
		op = p.name("an operator")
	}
	n.OpType = proto.String(op)
	if p.accept(":") {
		n.Overload = proto.String(p.name("an overload"))
	}
	attrs := func() {
		if p.at("<") {
			p.list("<", ">", func() { n.Attribute = append(n.Attribute, p.attr(p.name("the name of an attribute"))) })
		}
	}
	attrs()
	p.expect("(")
	n.Input = p.ids()
	p.expect(")")
	if len(n.Attribute) == 0 { // they may stand on either side of the inputs
		attrs()
	}
	return n
}

// ids reads names with commas between them. Nothing before a comma is the empty
// name of an omitted value; nothing after the last comma is nothing.
func (p *parser) ids() []string {
	var out []string
	for {
		switch {
		case p.atName():
			out = append(out, p.advance().text)
		case p.at(","):
			out = append(out, "")
		default:
			return out
		}
		if !p.accept(",") {
			return out
		}
	}
}
