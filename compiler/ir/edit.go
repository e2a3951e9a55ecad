package ir

import (
	"fmt"
	"slices"

	"github.com/bottlenet/bnc/compiler/onnxpb"
	"google.golang.org/protobuf/proto"
)

// CutInput turns v, an output of a node or an initializer, into an input of g:
// the node (or constant) no longer produces it. The node is left without that
// output.
func (g *Graph) CutInput(v *Value) {
	if n := v.producer; n != nil {
		n.outputs[v.index] = nil
		v.producer = nil
	}
	if v.init != nil || v.sparse != nil {
		isV := func(w *Value) bool { return w == v }
		g.inits, g.sparse = slices.DeleteFunc(g.inits, isV), slices.DeleteFunc(g.sparse, isV)
		v.init, v.sparse = nil, nil
	}
	g.infos = slices.DeleteFunc(g.infos, func(p Port) bool { return p.Value == v })
	if !v.IsInput() {
		g.AddInput(v, nil)
	}
}

// MoveOutput makes n produce v, as its output i, instead of v's producer, which
// is left without that output. The output that n had there goes; nothing may
// use it but v's old producer.
func (g *Graph) MoveOutput(v *Value, n *Node, i int) {
	if old := n.outputs[i]; old != nil {
		for _, u := range old.Uses() {
			if u.Node != v.producer {
				panic(fmt.Sprintf("BUG: %q is still used by %s", old.name, u.Node.Label()))
			}
			u.Node.SetInput(u.Index, nil)
		}
		old.producer = nil
		g.RemoveValues(old)
	}
	if p := v.producer; p != nil {
		p.outputs[v.index] = nil
	}
	n.outputs[i] = v
	v.producer, v.index = n, i
}

// Remove deletes nodes whose outputs nothing outside of the set uses, and with
// them their outputs and bodies.
func (g *Graph) Remove(dead ...*Node) {
	gone := make(map[*Node]bool, len(dead))
	for _, n := range dead {
		gone[n] = true
	}
	for _, n := range dead {
		for i := range n.inputs {
			n.SetInput(i, nil)
		}
		for _, body := range n.Bodies() {
			body.release()
		}
	}
	var outs []*Value
	for _, n := range dead {
		for _, v := range n.outputs {
			if v != nil {
				v.producer = nil
				outs = append(outs, v)
			}
		}
		if g.nodeNames != nil {
			g.nodeNames.drop(n.Name)
		}
		n.graph = nil
	}
	g.RemoveValues(outs...)
	g.nodes = slices.DeleteFunc(g.nodes, func(n *Node) bool { return gone[n] })
}

// RemoveValues deletes initializers and inputs that nothing uses.
func (g *Graph) RemoveValues(dead ...*Value) {
	for _, v := range dead {
		if v.Used() || v.producer != nil {
			panic(fmt.Sprintf("BUG: removing value %q, which is still used or produced", v.name))
		}
	}
	gone := make(map[*Value]bool, len(dead))
	for _, v := range dead {
		gone[v] = true
		g.unregister(v)
		v.graph = nil
	}
	isGone := func(v *Value) bool { return gone[v] }
	portGone := func(p Port) bool { return gone[p.Value] }
	g.inits = slices.DeleteFunc(g.inits, isGone)
	g.sparse = slices.DeleteFunc(g.sparse, isGone)
	g.inputs = slices.DeleteFunc(g.inputs, portGone)
	g.infos = slices.DeleteFunc(g.infos, portGone)
}

// Freeze makes v, an output of a node, an initializer with constant t. The node
// goes if it has no other output.
func (g *Graph) Freeze(v *Value, t *Tensor) {
	if n := v.producer; n != nil {
		n.outputs[v.index] = nil
		v.producer = nil
		if !slices.ContainsFunc(n.outputs, func(o *Value) bool { return o != nil }) {
			g.Remove(n)
		}
	}
	g.SetInit(v, t)
}

// Rename gives v, neither input nor output of the model, another name, which
// must be free, where annotations mention it as well.
func (g *Graph) Rename(v *Value, name string) {
	if v.IsOutput() || v.IsInput() || g.names.count[name] > 0 {
		panic(fmt.Sprintf("BUG: %q cannot be renamed to %q", v.name, name))
	}
	renamed := func(s *string) *string {
		if s != nil && *s == v.name {
			return &name
		}
		return s
	}
	p := proto.Clone(g.Proto).(*onnxpb.GraphProto)
	for _, a := range p.QuantizationAnnotation {
		a.TensorName = renamed(a.TensorName)
		for _, q := range a.QuantParameterTensorNames {
			q.Value = renamed(q.Value)
		}
	}
	g.Proto = p
	g.unregister(v)
	v.name = name
	g.register(v)
}
