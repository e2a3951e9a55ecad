package onnx

import (
	"strconv"

	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/compiler/onnxpb"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

// rope is a serialised message in pieces: bytes, and constants that are still
// elsewhere.
type rope struct {
	size  int64
	parts []ir.Data
}

func (r *rope) bytes(b []byte) {
	if len(b) == 0 {
		return
	}
	r.size += int64(len(b))
	if n := len(r.parts); n > 0 {
		if last, ok := r.parts[n-1].(ir.Memory); ok && len(last)+len(b) < 1<<16 {
			r.parts[n-1] = append(last, b...)
			return
		}
	}
	r.parts = append(r.parts, ir.Memory(b))
}

func (r *rope) data(d ir.Data) {
	r.size += d.Size()
	if m, ok := d.(ir.Memory); ok {
		d = m[:len(m):len(m)] // shared: nothing may be appended in place
	}
	r.parts = append(r.parts, d)
}

func (r *rope) message(field protowire.Number, sub rope) {
	tag := protowire.AppendTag(nil, field, protowire.BytesType)
	r.bytes(protowire.AppendVarint(tag, uint64(sub.size)))
	r.size += sub.size
	r.parts = append(r.parts, sub.parts...)
}

func (r *rope) string(field protowire.Number, s string) {
	r.bytes(protowire.AppendString(protowire.AppendTag(nil, field, protowire.BytesType), s))
}

// changed writes s unless the rest of the message, written before, has it: of a
// field that is there twice the last one counts.
func (r *rope) changed(field protowire.Number, s, written string) {
	if s != written {
		r.string(field, s)
	}
}

func (r *rope) proto(m proto.Message) {
	b, err := marshal.Marshal(m)
	if err != nil { // proto2 without required fields
		panic("BUG: " + err.Error())
	}
	r.bytes(b)
}

// encoder turns the IR into ropes. Where external is not nil, large constants
// go there instead of into the model.
type encoder struct{ external *externalWriter }

func (e *encoder) model(m *ir.Model) rope {
	var r rope
	rest := &onnxpb.ModelProto{}
	proto.Merge(rest, m.Proto)
	rest.MetadataProps = nil
	r.proto(rest)
	r.message(7, e.graph(m.Graph))
	for _, f := range m.Functions {
		var fr rope
		fr.proto(f.Proto)
		for _, n := range f.Body.Nodes() {
			fr.message(7, e.node(n))
		}
		r.message(25, fr)
	}
	return r
}

// metadata returns metadata_props, the last fields of a file.
func metadata(m *ir.Model) []byte {
	b, err := marshal.Marshal(&onnxpb.ModelProto{MetadataProps: m.Proto.MetadataProps})
	if err != nil {
		panic("BUG: " + err.Error())
	}
	return b
}

func (e *encoder) graph(g *ir.Graph) rope {
	var r rope
	r.proto(g.Proto)
	r.changed(2, g.Name, g.Proto.GetName())
	for _, n := range g.Nodes() {
		r.message(1, e.node(n))
	}
	for _, v := range g.Inits() {
		r.message(5, e.tensor(v.Init(), v.Name()))
	}
	for _, v := range g.SparseInits() {
		r.message(15, e.sparse(v.SparseInit(), v.Name()))
	}
	for _, list := range []struct {
		field protowire.Number
		ports []ir.Port
	}{{11, g.Inputs()}, {12, g.Outputs()}, {13, g.Infos()}} {
		for _, p := range list.ports {
			var pr rope
			pr.proto(p.Info)
			pr.changed(1, p.Name(), p.Info.GetName())
			r.message(list.field, pr)
		}
	}
	return r
}

func (e *encoder) node(n *ir.Node) rope {
	var r rope
	for _, v := range n.Inputs() {
		r.string(1, nameOf(v))
	}
	for _, v := range n.Outputs() {
		r.string(2, nameOf(v))
	}
	r.proto(n.Proto)
	r.changed(3, n.Name, n.Proto.GetName())
	r.changed(4, n.Op, n.Proto.GetOpType())
	if ir.NormalDomain(n.Proto.GetDomain()) != n.Domain {
		r.string(7, n.Domain)
	}
	r.changed(8, n.Overload, n.Proto.GetOverload())
	for _, a := range n.Attrs() {
		r.message(5, e.attr(a))
	}
	return r
}

func nameOf(v *ir.Value) string {
	if v == nil {
		return ""
	}
	return v.Name()
}

func (e *encoder) attr(a *ir.Attr) rope {
	var r rope
	r.proto(a.Proto)
	one := func(t onnxpb.AttributeProto_AttributeType, single, list protowire.Number) protowire.Number {
		if a.Proto.GetType() == t {
			return single
		}
		return list
	}
	for _, t := range a.Tensors {
		r.message(one(onnxpb.AttributeProto_TENSOR, 5, 10), e.tensor(t, t.Proto.GetName()))
	}
	for _, s := range a.Sparse {
		r.message(one(onnxpb.AttributeProto_SPARSE_TENSOR, 22, 23), e.sparse(s, s.Values.Proto.GetName()))
	}
	for _, g := range a.Graphs {
		r.message(one(onnxpb.AttributeProto_GRAPH, 6, 11), e.graph(g))
	}
	return r
}

// sparse encodes s; the name of a sparse tensor is that of its values.
func (e *encoder) sparse(s *ir.Sparse, name string) rope {
	var r rope
	r.proto(s.Proto)
	r.message(1, e.tensor(s.Values, name))
	r.message(2, e.tensor(s.Indices, s.Indices.Proto.GetName()))
	return r
}

func (e *encoder) tensor(t *ir.Tensor, name string) rope {
	var r rope
	r.proto(t.Proto)
	r.changed(8, name, t.Proto.GetName())
	switch {
	case t.Raw == nil:
	case e.external != nil && t.Raw.Size() >= externalLimit:
		ref := &onnxpb.TensorProto{DataLocation: onnxpb.TensorProto_EXTERNAL.Enum()}
		for _, kv := range [][2]string{
			{"location", e.external.location},
			{"offset", strconv.FormatInt(e.external.add(t.Raw), 10)},
			{"length", strconv.FormatInt(t.Raw.Size(), 10)},
		} {
			ref.ExternalData = append(ref.ExternalData,
				&onnxpb.StringStringEntryProto{Key: proto.String(kv[0]), Value: proto.String(kv[1])})
		}
		r.proto(ref)
	default:
		r.bytes(protowire.AppendVarint(protowire.AppendTag(nil, rawDataField, protowire.BytesType), uint64(t.Raw.Size())))
		r.data(t.Raw)
	}
	return r
}
