package onnx

import (
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/compiler/onnxpb"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// generator makes random models that hold together: every name that is read is
// defined, tensors have as many elements as they say.
type generator struct {
	*rand.Rand
	names int
}

func generate(seed uint64) *onnxpb.ModelProto {
	g := &generator{Rand: rand.New(rand.NewPCG(seed, 1))}
	m := &onnxpb.ModelProto{
		IrVersion: proto.Int64(3 + g.Int64N(11)), Graph: g.graph(nil, 0), ProducerVersion: proto.String("0"),
		OpsetImport: []*onnxpb.OperatorSetIdProto{{Version: proto.Int64(17)}, {Domain: proto.String("d"), Version: proto.Int64(1)}},
	}
	for i := range g.IntN(3) {
		in := fmt.Sprint("in", i)
		f := g.graph([]string{in}, 1)
		function := &onnxpb.FunctionProto{Name: proto.String(fmt.Sprint("F", i)), Domain: proto.String("d"), Node: f.Node, OpsetImport: m.OpsetImport}
		function.Input = []string{in}
		function.Attribute, function.AttributeProto = []string{"free"}, []*onnxpb.AttributeProto{g.attribute(nil, 9)}
		known := map[string]bool{in: true}
		for _, n := range function.Node { // a function has no initializers
			for j, name := range n.Input {
				if !known[name] {
					n.Input[j] = ""
				}
			}
			for _, name := range n.Output {
				known[name] = true
			}
			n.Attribute = nil
		}
		m.Functions = append(m.Functions, function)
	}
	if g.IntN(3) == 0 {
		m.TrainingInfo = []*onnxpb.TrainingInfoProto{{Algorithm: g.graph(nil, 1)}}
	}
	g.decorate(m.ProtoReflect())
	return m
}

// name returns a name that no value has yet.
func (g *generator) name() string {
	g.names++
	return fmt.Sprint("v", g.names)
}

// graph makes a graph that may read the outer names.
func (g *generator) graph(outer []string, depth int) *onnxpb.GraphProto {
	p := &onnxpb.GraphProto{Name: proto.String("graph")}
	visible := slices.Clone(outer)
	declare := func(name string) *onnxpb.ValueInfoProto {
		v := &onnxpb.ValueInfoProto{Name: proto.String(name)}
		if g.IntN(4) > 0 {
			v.Type = ir.TensorType(ir.DType(1+g.IntN(20)), []ir.Dim{{N: g.Int64N(5)}, ir.Sym("n"), ir.UnknownDim}[:g.IntN(4)])
		}
		return v
	}
	for range g.IntN(3) {
		v := declare(g.name())
		p.Input, visible = append(p.Input, v), append(visible, v.GetName())
	}
	for range g.IntN(4) {
		t := g.tensor(g.name())
		p.Initializer, visible = append(p.Initializer, t), append(visible, t.GetName())
		if g.IntN(4) == 0 { // as IR 3 has it
			p.Input = append(p.Input, declare(t.GetName()))
		}
	}
	if g.IntN(3) == 0 {
		s := g.sparse(g.name())
		p.SparseInitializer, visible = append(p.SparseInitializer, s), append(visible, s.Values.GetName())
	}
	for range g.IntN(5) {
		n := &onnxpb.NodeProto{
			OpType: proto.String([]string{"Relu", "Unheard"}[g.IntN(2)]),
			Domain: [](*string){nil, proto.String(""), proto.String("ai.onnx"), proto.String("d")}[g.IntN(4)],
		}
		for range g.IntN(4) {
			n.Input = append(n.Input, append(visible, "")[g.IntN(len(visible)+1)])
		}
		for range g.IntN(3) {
			name := g.name()
			n.Output, visible = append(n.Output, name, ""), append(visible, name)
			if g.IntN(3) == 0 {
				p.ValueInfo = append(p.ValueInfo, declare(name))
			}
		}
		for range g.IntN(3) {
			a := g.attribute(visible[:len(visible)-len(n.Output)/2], depth)
			a.Name = proto.String(fmt.Sprint("a", len(n.Attribute)))
			n.Attribute = append(n.Attribute, a)
		}
		p.Node = append(p.Node, n)
	}
	for _, name := range visible {
		if g.IntN(4) == 0 {
			p.Output = append(p.Output, declare(name))
		}
	}
	return p
}

func (g *generator) attribute(outer []string, depth int) *onnxpb.AttributeProto {
	type kind = onnxpb.AttributeProto_AttributeType
	a := &onnxpb.AttributeProto{Name: proto.String("a")}
	kinds := 14
	if depth > 1 { // no further graphs
		kinds = 12
	}
	k := []kind{1, 2, 3, 4, 6, 7, 8, 9, 11, 12, 13, 14, 5, 10}[g.IntN(kinds)]
	a.Type = &k
	switch k {
	case onnxpb.AttributeProto_FLOAT:
		a.F = proto.Float32(g.Float32())
	case onnxpb.AttributeProto_INT:
		a.I = proto.Int64(g.Int64())
	case onnxpb.AttributeProto_STRING:
		a.S = g.bytes(3)
	case onnxpb.AttributeProto_TENSOR:
		a.T = g.tensor("")
	case onnxpb.AttributeProto_GRAPH:
		a.G = g.graph(outer, depth+1)
	case onnxpb.AttributeProto_FLOATS:
		a.Floats = []float32{g.Float32(), 0}
	case onnxpb.AttributeProto_INTS:
		a.Ints = []int64{0, -1}
	case onnxpb.AttributeProto_STRINGS:
		a.Strings = [][]byte{g.bytes(2), {}}
	case onnxpb.AttributeProto_TENSORS:
		a.Tensors = []*onnxpb.TensorProto{g.tensor(""), g.tensor("t")}[:g.IntN(3)]
	case onnxpb.AttributeProto_GRAPHS:
		a.Graphs = []*onnxpb.GraphProto{g.graph(outer, depth+1), g.graph(outer, depth+1)}[:g.IntN(3)]
	case onnxpb.AttributeProto_SPARSE_TENSOR:
		a.SparseTensor = g.sparse("")
	case onnxpb.AttributeProto_SPARSE_TENSORS:
		a.SparseTensors = []*onnxpb.SparseTensorProto{g.sparse("s")}
	case onnxpb.AttributeProto_TYPE_PROTO:
		a.Tp = ir.TensorType(ir.Int8, nil)
	case onnxpb.AttributeProto_TYPE_PROTOS:
		a.TypeProtos = []*onnxpb.TypeProto{ir.TensorType(ir.BFloat16, nil)}
	}
	return a
}

func (g *generator) bytes(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(g.IntN(256))
	}
	return b
}

func (g *generator) sparse(name string) *onnxpb.SparseTensorProto {
	n := g.Int64N(4)
	raw := &onnxpb.TensorProto{Name: proto.String(name), DataType: proto.Int32(1), Dims: []int64{n}, RawData: g.bytes(int(4 * n))}
	return &onnxpb.SparseTensorProto{Dims: []int64{9}, Values: raw,
		Indices: &onnxpb.TensorProto{DataType: proto.Int32(7), Dims: []int64{n}, Int64Data: make([]int64, n)}}
}

// tensor makes a tensor of any type in raw_data or in the field that the format
// has for the type.
func (g *generator) tensor(name string) *onnxpb.TensorProto {
	numbers := len(onnxpb.TensorProto_DataType_name)
	d := ir.DType(1 + g.IntN(numbers-1))
	t := &onnxpb.TensorProto{Name: proto.String(name), DataType: proto.Int32(int32(d)), Dims: []int64{g.Int64N(4), 1 + g.Int64N(20)}[:g.IntN(3)]}
	n := int64(1)
	for _, dim := range t.Dims {
		n *= dim
	}
	if d != ir.String && g.IntN(2) == 0 {
		t.RawData = g.bytes(int(d.Bytes(n)))
		if g.IntN(8) == 0 { // large enough to leave the file, and to stay in it
			t.Dims = []int64{5000}
			t.RawData = g.bytes(int(d.Bytes(5000)))
		}
		return t
	}
	switch d {
	case ir.String:
		for range n {
			t.StringData = append(t.StringData, g.bytes(3))
		}
	case ir.Float32:
		t.FloatData = make([]float32, n)
	case ir.DType(onnxpb.TensorProto_COMPLEX64):
		t.FloatData = make([]float32, 2*n)
	case ir.Float64:
		t.DoubleData = make([]float64, n)
	case ir.DType(onnxpb.TensorProto_COMPLEX128):
		t.DoubleData = make([]float64, 2*n)
	case ir.Int64:
		t.Int64Data = make([]int64, n)
	case ir.Uint32, ir.Uint64:
		t.Uint64Data = make([]uint64, n)
	default: // one element an entry, or as many as a byte has
		if d.Bits() < 8 {
			n = d.Bytes(n)
		}
		t.Int32Data = make([]int32, n)
	}
	return t
}

// decorate gives some messages fields that a later version may have.
func (g *generator) decorate(m protoreflect.Message) {
	walk(m, func(m protoreflect.Message) {
		if doc := m.Descriptor().Fields().ByName("doc_string"); doc != nil && g.IntN(4) == 0 {
			m.Set(doc, protoreflect.ValueOfString("doc"))
		}
		if g.IntN(8) == 0 {
			m.SetUnknown(protowire.AppendVarint(protowire.AppendTag(nil, 1000, protowire.VarintType), g.Uint64()))
		}
	})
}

// walk calls f for all messages in m, in order of their fields, and then for m.
func walk(m protoreflect.Message, f func(protoreflect.Message)) {
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		field := fields.Get(i)
		switch {
		case field.Message() == nil || !m.Has(field):
		case field.IsList():
			for j := range m.Get(field).List().Len() {
				walk(m.Get(field).List().Get(j).Message(), f)
			}
		default:
			walk(m.Get(field).Message(), f)
		}
	}
	f(m)
}
