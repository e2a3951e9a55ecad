package onnx

import (
	"fmt"

	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/compiler/onnxpb"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// minIR is the first IR version with operator sets.
const minIR = 3

// decoder turns unmarshalled messages into the IR. It takes the messages over:
// what it moves into typed fields it clears in them.
type decoder struct {
	external *external
	data     func(index []byte) (ir.Data, error) // of a raw_data in the skeleton
}

func (d *decoder) model(pb *onnxpb.ModelProto) (*ir.Model, error) {
	if pb.Graph == nil {
		return nil, fmt.Errorf("no graph in the file")
	}
	if v := pb.GetIrVersion(); v < minIR {
		return nil, fmt.Errorf("IR version %d, expected %d or newer: convert it with onnx.version_converter", v, minIR)
	}
	graph, functions := pb.Graph, pb.Functions
	pb.Graph, pb.Functions = nil, nil
	if err := d.restoreRaw(pb.ProtoReflect()); err != nil {
		return nil, err
	}
	m := ir.ModelOf(pb, graph.GetName())
	if err := d.graph(m.Graph, graph); err != nil {
		return nil, err
	}
	if err := m.Graph.Sort(); err != nil {
		return nil, err
	}
	for _, f := range functions {
		fn, err := d.function(f)
		if err != nil {
			return nil, fmt.Errorf("function %q: %w", f.GetName(), err)
		}
		m.Functions = append(m.Functions, fn)
	}
	return m, m.Verify()
}

func (d *decoder) function(pb *onnxpb.FunctionProto) (*ir.Function, error) {
	g := ir.NewGraph(pb.GetName())
	for _, name := range pb.Input {
		v, err := g.NewValue(name, nil)
		if err != nil {
			return nil, err
		}
		g.AddInput(v, nil)
	}
	nodes := pb.Node
	pb.Node = nil
	if err := d.restoreRaw(pb.ProtoReflect()); err != nil {
		return nil, err
	}
	if err := d.nodes(g, nodes); err != nil {
		return nil, err
	}
	for _, name := range pb.Output {
		v := g.Lookup(name)
		if v == nil {
			return nil, fmt.Errorf("output %q is not defined", name)
		}
		g.AddOutput(v, nil)
	}
	return &ir.Function{Proto: pb, Body: g}, g.Sort()
}

func (d *decoder) graph(g *ir.Graph, pb *onnxpb.GraphProto) error {
	for _, info := range pb.Input {
		v, err := g.NewValue(info.GetName(), info.Type)
		if err != nil {
			return err
		}
		g.AddInput(v, info)
	}
	own := func(name string) (*ir.Value, error) {
		if v := g.Value(name); v != nil { // IR 3: listed as input too
			if v.Init() != nil || v.SparseInit() != nil {
				return nil, fmt.Errorf("graph %q: initializer %q is defined twice", g.Name, name)
			}
			return v, nil
		}
		return g.NewValue(name, nil)
	}
	for _, t := range pb.Initializer {
		v, err := own(t.GetName())
		if err != nil {
			return err
		}
		tensor, err := d.tensor(t)
		if err != nil {
			return fmt.Errorf("initializer %q: %w", t.GetName(), err)
		}
		g.SetInit(v, tensor)
	}
	for _, s := range pb.SparseInitializer {
		name := s.GetValues().GetName()
		sparse, err := d.sparse(s)
		if err != nil {
			return fmt.Errorf("sparse initializer %q: %w", name, err)
		}
		v, err := own(name)
		if err != nil {
			return err
		}
		g.SetSparseInit(v, sparse)
	}
	nodes, infos, outputs := pb.Node, pb.ValueInfo, pb.Output
	pb.Node, pb.Input, pb.Output, pb.Initializer, pb.SparseInitializer, pb.ValueInfo = nil, nil, nil, nil, nil, nil
	g.Proto = pb
	if err := d.nodes(g, nodes); err != nil {
		return err
	}
	for _, info := range infos {
		g.AddInfo(g.Value(info.GetName()), info)
	}
	for _, info := range outputs {
		v := g.Lookup(info.GetName())
		if v == nil {
			return fmt.Errorf("graph %q: output %q is not defined", g.Name, info.GetName())
		}
		g.AddOutput(v, info)
	}
	return nil
}

func (d *decoder) nodes(g *ir.Graph, pbs []*onnxpb.NodeProto) error {
	outputs := make([][]*ir.Value, len(pbs))
	for i, pb := range pbs { // all values first: files exist whose nodes are not sorted
		for _, name := range pb.Output {
			var v *ir.Value
			if name != "" {
				var err error
				if v, err = g.NewValue(name, nil); err != nil {
					return fmt.Errorf("%s node %q: %w", pb.GetOpType(), pb.GetName(), err)
				}
			}
			outputs[i] = append(outputs[i], v)
		}
	}
	for i, pb := range pbs {
		var inputs []*ir.Value
		for _, name := range pb.Input {
			var v *ir.Value
			if name != "" {
				if v = g.Lookup(name); v == nil {
					return fmt.Errorf("%s node %q: input %q is not defined", pb.GetOpType(), pb.GetName(), name)
				}
			}
			inputs = append(inputs, v)
		}
		n := g.NewNode(ir.NormalDomain(pb.GetDomain()), pb.GetOpType(), inputs, outputs[i])
		n.Name, n.Overload = pb.GetName(), pb.GetOverload()
		attrs := pb.Attribute
		pb.Input, pb.Output, pb.Attribute = nil, nil, nil
		n.Proto = pb
		for _, a := range attrs {
			attr, err := d.attr(n, a)
			if err != nil {
				return fmt.Errorf("%s: attribute %q: %w", n.Label(), a.GetName(), err)
			}
			if n.Attr(attr.Name()) != nil {
				return fmt.Errorf("%s: attribute %q is there twice", n.Label(), attr.Name())
			}
			n.SetAttr(attr)
		}
	}
	return nil
}

func (d *decoder) attr(n *ir.Node, pb *onnxpb.AttributeProto) (*ir.Attr, error) {
	a := &ir.Attr{Proto: pb}
	tensors, graphs, sparse := pb.Tensors, pb.Graphs, pb.SparseTensors
	if pb.T != nil {
		tensors = append(tensors, pb.T)
	}
	if pb.G != nil {
		graphs = append(graphs, pb.G)
	}
	if pb.SparseTensor != nil {
		sparse = append(sparse, pb.SparseTensor)
	}
	for _, t := range tensors {
		tensor, err := d.tensor(t)
		if err != nil {
			return nil, err
		}
		a.Tensors = append(a.Tensors, tensor)
	}
	for _, s := range sparse {
		st, err := d.sparse(s)
		if err != nil {
			return nil, err
		}
		a.Sparse = append(a.Sparse, st)
	}
	for _, g := range graphs {
		body := n.NewBody(g.GetName())
		if err := d.graph(body, g); err != nil {
			return nil, err
		}
		if err := body.Sort(); err != nil {
			return nil, err
		}
		a.Graphs = append(a.Graphs, body)
	}
	pb.T, pb.G, pb.SparseTensor, pb.Tensors, pb.Graphs, pb.SparseTensors = nil, nil, nil, nil, nil, nil
	return a, nil
}

func (d *decoder) sparse(pb *onnxpb.SparseTensorProto) (*ir.Sparse, error) {
	if pb.Values == nil || pb.Indices == nil {
		return nil, fmt.Errorf("sparse tensor without values or indices")
	}
	s := &ir.Sparse{Proto: pb}
	var err error
	if s.Values, err = d.tensor(pb.Values); err != nil {
		return nil, fmt.Errorf("values: %w", err)
	}
	if s.Indices, err = d.tensor(pb.Indices); err != nil {
		return nil, fmt.Errorf("indices: %w", err)
	}
	pb.Values, pb.Indices = nil, nil
	return s, nil
}

func (d *decoder) tensor(pb *onnxpb.TensorProto) (*ir.Tensor, error) {
	t := &ir.Tensor{Proto: pb}
	n, bits := t.Len(), t.DType().Bits()
	if n < 0 {
		return nil, fmt.Errorf("dims %v are negative or too large", pb.Dims)
	}
	want := int64(-1)
	if bits > 0 {
		want = t.Size()
	}
	var err error
	switch {
	case pb.GetDataLocation() == onnxpb.TensorProto_EXTERNAL:
		t.Raw, err = d.external.data(pb, want)
		pb.ExternalData, pb.DataLocation = nil, nil
	case pb.RawData != nil:
		t.Raw, err = d.data(pb.RawData)
	case typedLen(pb) != n:
		err = fmt.Errorf("%v %v: expected %d elements, found %d", t.DType(), pb.Dims, n, typedLen(pb))
	}
	if err != nil {
		return nil, err
	}
	if t.Raw != nil && want >= 0 && t.Raw.Size() != want {
		return nil, fmt.Errorf("%v %v: expected %d bytes, found %d", t.DType(), pb.Dims, want, t.Raw.Size())
	}
	pb.RawData = nil
	return t, nil
}

// typedLen returns the number of elements in the typed fields of pb; for types
// that are packed into a byte, the number pb.Dims asks for if the bytes fit.
func typedLen(pb *onnxpb.TensorProto) int64 {
	n := len(pb.FloatData) + len(pb.DoubleData) + len(pb.Int64Data) + len(pb.Uint64Data) + len(pb.Int32Data) + len(pb.StringData)
	t := ir.Tensor{Proto: pb}
	bits := t.DType().Bits()
	switch {
	case t.DType() == ir.DType(onnxpb.TensorProto_COMPLEX64) || t.DType() == ir.DType(onnxpb.TensorProto_COMPLEX128):
		return int64(n / 2)
	case bits > 0 && bits < 8 && int64(n) == t.Size():
		return t.Len()
	case bits == 0 && t.DType() != ir.String: // a type of a later version
		return t.Len()
	}
	return int64(n)
}

// restoreRaw puts the bytes back into tensors of messages that stay messages.
func (d *decoder) restoreRaw(m protoreflect.Message) error {
	if t, ok := m.Interface().(*onnxpb.TensorProto); ok && t.RawData != nil {
		data, err := d.data(t.RawData)
		if err != nil {
			return err
		}
		t.RawData, err = data.Bytes()
		return err
	}
	var err error
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		if f.Kind() != protoreflect.MessageKind {
			return true
		}
		if f.IsList() {
			for i := 0; i < v.List().Len() && err == nil; i++ {
				err = d.restoreRaw(v.List().Get(i).Message())
			}
		} else {
			err = d.restoreRaw(v.Message())
		}
		return err == nil
	})
	return err
}

// marshal is how every message is written: same input, same bytes.
var marshal = proto.MarshalOptions{Deterministic: true}
