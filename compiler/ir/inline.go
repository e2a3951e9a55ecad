package ir

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/bottlenet/bnc/compiler/onnxpb"
	"google.golang.org/protobuf/proto"
)

// Inline replaces n, a call of f, by the nodes of f's body (ONNX, IR.md, Functions).
// The outputs of n keep their names; names of the body get that of n before them.
// The graph has to be sorted afterwards. What f asks of its caller and does not get
// is an error, after which the graph is of no use.
func (n *Node) Inline(f *Function) error {
	g, outs := n.graph, n.outputs
	in := inliner{call: n, f: f, at: map[*Value]*Value{}}
	for _, v := range outs {
		if in.prefix = n.Name; in.prefix == "" && v != nil {
			in.prefix = v.name
		}
		if v != nil {
			v.producer = nil
		}
	}
	in.prefix += "/"
	n.outputs = nil
	for i, p := range f.Body.inputs {
		in.at[p.Value] = n.Input(i)
	}
	for i, p := range f.Body.outputs {
		if v := p.Value; i < len(outs) && outs[i] != nil && v.producer != nil && in.at[v] == nil {
			in.at[v] = outs[i]
		}
	}
	for _, d := range f.Body.nodes {
		for _, v := range d.outputs {
			if v != nil && in.at[v] == nil {
				in.at[v] = g.Temp(in.prefix+v.name, nil)
			}
		}
	}
	for _, d := range f.Body.nodes {
		if err := in.node(d); err != nil {
			return err
		}
	}
	for i, p := range f.Body.outputs { // an input that is handed back, or one output twice
		if i < len(outs) && outs[i] != nil && outs[i].producer == nil {
			from := in.at[p.Value]
			if from == nil {
				return fmt.Errorf("function %q: its output %q is none without its input %q", f.Proto.GetName(), outs[i].name, p.Value.name)
			}
			g.NewNode("", "Identity", []*Value{from}, []*Value{outs[i]}).SetName(in.prefix + p.Value.name)
		}
	}
	g.Remove(n)
	return nil
}

// inliner copies the nodes of a function's body to where it is called.
type inliner struct {
	call   *Node
	f      *Function
	prefix string
	at     map[*Value]*Value // values of the body and what they are at the caller's
}

func (in *inliner) node(d *Node) error {
	take := func(vs []*Value) []*Value {
		out := make([]*Value, len(vs))
		for i, v := range vs {
			if v != nil {
				out[i] = in.at[v]
			}
		}
		return out
	}
	for _, v := range d.Captures() {
		if in.at[v] == nil {
			return fmt.Errorf("function %q: %s reads its input %q, which is omitted", in.f.Proto.GetName(), d.Label(), v.name)
		}
	}
	c := in.call.graph.NewNode(d.Domain, d.Op, take(d.inputs), take(d.outputs))
	c.Overload, c.Proto = d.Overload, d.Proto
	c.SetName(in.prefix + cmp.Or(d.Name, d.Op))
	for _, a := range d.attrs {
		if len(a.Graphs) > 0 {
			a = &Attr{Proto: a.Proto, Graphs: slices.Clone(a.Graphs)}
			for i, body := range a.Graphs {
				a.Graphs[i] = body.clone(c, in.at)
				a.Graphs[i].rename(in.prefix)
			}
		}
		c.attrs = append(c.attrs, a)
	}
	return in.bind(c)
}

// bind gives n and the nodes of its bodies the attributes of the call that they
// refer to.
func (in *inliner) bind(n *Node) error {
	var bound []*Attr
	for _, a := range n.attrs {
		ref := a.Proto.GetRefAttrName()
		if ref == "" {
			bound = append(bound, a)
			continue
		}
		given := in.call.Attr(ref)
		if given == nil {
			i := slices.IndexFunc(in.f.Proto.AttributeProto, func(p *onnxpb.AttributeProto) bool { return p.GetName() == ref })
			if i < 0 {
				continue // the operator's own default
			}
			given = defaultAttr(in.f.Proto.AttributeProto[i])
		}
		p := proto.CloneOf(given.Proto)
		if p.SparseTensor != nil || p.G != nil || len(p.Tensors)+len(p.SparseTensors)+len(p.Graphs)+len(given.Graphs) > 0 {
			return fmt.Errorf("function %q: its attribute %q is a %v, which is not inlined", in.f.Proto.GetName(), ref, p.GetType())
		}
		p.Name = proto.String(a.Name())
		bound = append(bound, &Attr{Proto: p, Tensors: given.Tensors, Sparse: given.Sparse})
	}
	n.attrs = bound
	for _, body := range n.Bodies() {
		for _, d := range body.nodes {
			if err := in.bind(d); err != nil {
				return err
			}
		}
	}
	return nil
}

// defaultAttr is an attribute as a function's own message holds it.
func defaultAttr(p *onnxpb.AttributeProto) *Attr {
	a := &Attr{Proto: proto.CloneOf(p)}
	if t := a.Proto.T; t != nil {
		tensor := &Tensor{Proto: t}
		if t.RawData != nil {
			tensor.Raw, t.RawData = Memory(t.RawData), nil
		}
		a.Proto.T, a.Tensors = nil, []*Tensor{tensor}
	}
	return a
}

// rename puts prefix before the names of g's values and nodes and of those of the
// graphs nested in it. Nobody outside knows them by name.
func (g *Graph) rename(prefix string) {
	for _, name := range slices.Sorted(maps.Keys(g.values)) {
		v := g.values[name]
		g.unregister(v)
		v.name = g.FreeName(prefix + name)
		g.register(v)
	}
	for _, n := range g.nodes {
		for _, body := range n.Bodies() {
			body.rename(prefix)
		}
	}
}
