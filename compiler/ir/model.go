package ir

import (
	"slices"

	"github.com/bottlenet/bnc/compiler/onnxpb"
	"google.golang.org/protobuf/proto"
)

// Model is a graph with what it needs to be a file: operator set versions,
// model-local functions and metadata.
type Model struct {
	// Proto holds everything but graph and functions: IR version, operator sets,
	// producer, metadata, training info, unknown fields.
	Proto     *onnxpb.ModelProto
	Graph     *Graph
	Functions []*Function
}

// Function is a model-local function (IR 8).
type Function struct {
	// Proto holds everything but the nodes.
	Proto *onnxpb.FunctionProto
	// Body has the function's inputs and outputs, without types.
	Body *Graph
}

// FunctionID identifies a function: nodes call it by these three.
type FunctionID struct{ Domain, Name, Overload string }

// ID returns the function's identifier, its domain normalised.
func (f *Function) ID() FunctionID {
	return FunctionID{NormalDomain(f.Proto.GetDomain()), f.Proto.GetName(), f.Proto.GetOverload()}
}

// Callee returns the identifier a node would call a function by.
func (n *Node) Callee() FunctionID { return FunctionID{n.Domain, n.Op, n.Overload} }

// NormalDomain maps both spellings of the default domain to "".
func NormalDomain(d string) string {
	if d == "ai.onnx" {
		return ""
	}
	return d
}

// NewModel returns an empty model of the given IR and ai.onnx operator set
// version.
func NewModel(irVersion, opset int64) *Model {
	m := ModelOf(&onnxpb.ModelProto{IrVersion: proto.Int64(irVersion), ProducerName: proto.String("bnc")}, "main")
	m.SetOpset("", opset)
	return m
}

// ModelOf returns a model with an empty graph of that name and all else as p says.
func ModelOf(p *onnxpb.ModelProto, graph string) *Model {
	m := &Model{Proto: p, Graph: NewGraph(graph)}
	m.Graph.formal = m.formal()
	return m
}

// formal reports whether initializers are listed as inputs as a matter of form.
func (m *Model) formal() bool { return m.IRVersion() < 4 }

// IRVersion returns the version of the file format.
func (m *Model) IRVersion() int64 { return m.Proto.GetIrVersion() }

// Opset returns the version of a domain's operator set that the model imports,
// 0 where it imports none.
func (m *Model) Opset(domain string) int64 {
	for _, o := range m.Proto.OpsetImport {
		if NormalDomain(o.GetDomain()) == domain {
			return o.GetVersion()
		}
	}
	return 0
}

// SetOpset imports a domain at a version.
func (m *Model) SetOpset(domain string, version int64) {
	for _, o := range m.Proto.OpsetImport {
		if NormalDomain(o.GetDomain()) == domain {
			o.Version = proto.Int64(version)
			return
		}
	}
	m.Proto.OpsetImport = append(m.Proto.OpsetImport,
		&onnxpb.OperatorSetIdProto{Domain: proto.String(domain), Version: proto.Int64(version)})
}

// Meta returns a metadata property.
func (m *Model) Meta(key string) (string, bool) {
	for _, p := range m.Proto.MetadataProps {
		if p.GetKey() == key {
			return p.GetValue(), true
		}
	}
	return "", false
}

// SetMeta sets a metadata property, keeping the order of those that exist.
func (m *Model) SetMeta(key, value string) {
	for _, p := range m.Proto.MetadataProps {
		if p.GetKey() == key {
			p.Value = proto.String(value)
			return
		}
	}
	m.Proto.MetadataProps = append(m.Proto.MetadataProps,
		&onnxpb.StringStringEntryProto{Key: proto.String(key), Value: proto.String(value)})
}

// DelMeta removes the metadata properties for which drop returns true.
func (m *Model) DelMeta(drop func(key string) bool) {
	m.Proto.MetadataProps = slices.DeleteFunc(m.Proto.MetadataProps,
		func(p *onnxpb.StringStringEntryProto) bool { return drop(p.GetKey()) })
}

// Function returns the function a node calls, nil where it applies an operator.
func (m *Model) Function(id FunctionID) *Function {
	for _, f := range m.Functions {
		if f.ID() == id {
			return f
		}
	}
	return nil
}

// Clone returns a copy whose graph can be edited without changing m. Constants
// and attributes are shared.
func (m *Model) Clone() *Model {
	c := &Model{Proto: proto.Clone(m.Proto).(*onnxpb.ModelProto), Graph: m.Graph.clone(nil, map[*Value]*Value{})}
	for _, f := range m.Functions {
		c.Functions = append(c.Functions, &Function{f.Proto, f.Body.clone(nil, map[*Value]*Value{})})
	}
	return c
}

func (g *Graph) clone(owner *Node, seen map[*Value]*Value) *Graph {
	c := NewGraph(g.Name)
	c.Proto, c.owner, c.formal = g.Proto, owner, g.formal
	if owner != nil {
		c.names = owner.graph.names
	}
	copyValue := func(v *Value) *Value {
		if w := seen[v]; w != nil {
			return w
		}
		w := &Value{name: v.name, graph: c, init: v.init, sparse: v.sparse, typ: v.typ}
		c.register(w)
		seen[v] = w
		return w
	}
	copyAll := func(vs []*Value) []*Value {
		out := make([]*Value, len(vs))
		for i, v := range vs {
			if v != nil {
				out[i] = copyValue(v)
			}
		}
		return out
	}
	copyPorts := func(ports []Port) []Port {
		out := make([]Port, len(ports))
		for i, p := range ports {
			out[i].Info = p.Info
			if p.Value != nil {
				out[i].Value = copyValue(p.Value)
			}
		}
		return out
	}
	c.inputs = copyPorts(g.inputs)
	c.inits, c.sparse = copyAll(g.inits), copyAll(g.sparse)
	for _, n := range g.nodes { // all outputs first: a node may stand before its producer
		copyAll(n.outputs)
	}
	for _, n := range g.nodes {
		d := c.NewNode(n.Domain, n.Op, copyAll(n.inputs), copyAll(n.outputs))
		d.Name, d.Overload, d.Proto = n.Name, n.Overload, n.Proto
		for _, a := range n.attrs {
			if len(a.Graphs) > 0 {
				a = &Attr{Proto: a.Proto, Graphs: slices.Clone(a.Graphs)}
				for i, body := range a.Graphs {
					a.Graphs[i] = body.clone(d, seen)
				}
			}
			d.attrs = append(d.attrs, a)
		}
	}
	c.infos = copyPorts(g.infos)
	for _, p := range g.outputs {
		w := copyValue(p.Value)
		c.outputs = append(c.outputs, Port{w, p.Info})
		w.graph.outputCount[w]++
	}
	return c
}

// SetIRVersion sets the version of the file format.
func (m *Model) SetIRVersion(v int64) {
	m.Proto.IrVersion = proto.Int64(v)
	m.Graph.formal = m.formal()
}

// UsesDomain reports whether the graph has a node of that operator domain, in bodies
// too.
func (m *Model) UsesDomain(domain string) bool {
	found := false
	m.Graph.Walk(func(n *Node) { found = found || n.Domain == domain })
	return found
}

// DropOpset removes the import of a domain and returns how many there were.
func (m *Model) DropOpset(domain string) int {
	n := len(m.Proto.OpsetImport)
	m.Proto.OpsetImport = slices.DeleteFunc(m.Proto.OpsetImport,
		func(o *onnxpb.OperatorSetIdProto) bool { return NormalDomain(o.GetDomain()) == domain })
	return n - len(m.Proto.OpsetImport)
}
