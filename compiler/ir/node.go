package ir

import (
	"fmt"
	"slices"

	"github.com/bottlenet/bnc/compiler/onnxpb"
)

// Node is one application of an operator or of a model-local function.
type Node struct {
	// Name is the node's own name; it may be empty. SetName changes it.
	Name string
	// Domain is "" for ai.onnx, whichever of its two spellings the file uses.
	Domain string
	Op     string
	// Overload tells functions of the same domain and name apart (IR 10).
	Overload string
	// Proto holds what the compiler does not look at: doc string, metadata,
	// device configurations, the domain's spelling, unknown fields.
	Proto *onnxpb.NodeProto

	graph   *Graph
	inputs  []*Value // nil for an omitted optional input
	outputs []*Value // nil for an omitted optional output
	attrs   []*Attr
}

// SetName names n: hint, or hint with the first free number. Runtimes refuse a
// graph with two nodes of one name.
func (n *Node) SetName(hint string) {
	names := n.graph.nodeNames
	if names == nil { // nodes of a file have their names without it
		names = newNames()
		for _, m := range n.graph.nodes {
			names.add(m.Name)
		}
		n.graph.nodeNames = names
	}
	names.drop(n.Name)
	n.Name = names.free(hint)
	names.add(n.Name)
}

// Graph returns the graph n is in, nil once it was removed.
func (n *Node) Graph() *Graph { return n.graph }

// Inputs returns the inputs in order, nil for omitted ones.
func (n *Node) Inputs() []*Value { return slices.Clone(n.inputs) }

// Outputs returns the outputs in order, nil for omitted ones.
func (n *Node) Outputs() []*Value { return slices.Clone(n.outputs) }

// Input returns input i, nil where it is omitted.
func (n *Node) Input(i int) *Value {
	if i < len(n.inputs) {
		return n.inputs[i]
	}
	return nil
}

// Output returns output i, nil where it is omitted.
func (n *Node) Output(i int) *Value {
	if i < len(n.outputs) {
		return n.outputs[i]
	}
	return nil
}

// NumInputs returns the number of inputs, omitted ones in between included.
func (n *Node) NumInputs() int { return len(n.inputs) }

// NumOutputs returns the number of outputs, omitted ones in between included.
func (n *Node) NumOutputs() int { return len(n.outputs) }

// Attrs returns the attributes in file order.
func (n *Node) Attrs() []*Attr { return slices.Clone(n.attrs) }

// Attr returns the named attribute or nil.
func (n *Node) Attr(name string) *Attr {
	for _, a := range n.attrs {
		if a.Name() == name {
			return a
		}
	}
	return nil
}

// SetAttr adds a or replaces the attribute of that name.
func (n *Node) SetAttr(a *Attr) {
	n.DelAttr(a.Name())
	n.attrs = append(n.attrs, a)
	for _, g := range a.Graphs {
		g.adopt(n)
	}
}

// DelAttr removes the named attribute if it is there.
func (n *Node) DelAttr(name string) {
	n.attrs = slices.DeleteFunc(n.attrs, func(a *Attr) bool {
		if a.Name() != name {
			return false
		}
		for _, g := range a.Graphs {
			g.release()
		}
		return true
	})
}

// Int returns an INT attribute or def.
func (n *Node) Int(name string, def int64) int64 {
	if a := n.Attr(name); a != nil && a.Proto.I != nil {
		return *a.Proto.I
	}
	return def
}

// Ints returns an INTS attribute, nil where it is absent.
func (n *Node) Ints(name string) []int64 {
	if a := n.Attr(name); a != nil {
		return a.Proto.Ints
	}
	return nil
}

// Float returns a FLOAT attribute or def.
func (n *Node) Float(name string, def float32) float32 {
	if a := n.Attr(name); a != nil && a.Proto.F != nil {
		return *a.Proto.F
	}
	return def
}

// Str returns a STRING attribute or def.
func (n *Node) Str(name, def string) string {
	if a := n.Attr(name); a != nil && a.Proto.S != nil {
		return string(a.Proto.S)
	}
	return def
}

// Tensor returns a TENSOR attribute or nil.
func (n *Node) Tensor(name string) *Tensor {
	if a := n.Attr(name); a != nil && len(a.Tensors) > 0 {
		return a.Tensors[0]
	}
	return nil
}

// Bodies returns the graphs among the attributes: branches, loop bodies.
func (n *Node) Bodies() []*Graph {
	var out []*Graph
	for _, a := range n.attrs {
		out = append(out, a.Graphs...)
	}
	return out
}

// Captures returns the values of enclosing graphs that n's bodies read or
// return, each once, in order of their first use.
func (n *Node) Captures() []*Value {
	seen := map[*Value]bool{}
	var out []*Value
	for _, body := range n.Bodies() {
		body.walkReads(func(v *Value) {
			if !v.graph.within(n) && !seen[v] {
				seen[v] = true
				out = append(out, v)
			}
		})
	}
	return out
}

// Reads returns the values that n needs: its inputs without omitted ones, and
// what its bodies capture.
func (n *Node) Reads() []*Value {
	var out []*Value
	for _, v := range n.inputs {
		if v != nil {
			out = append(out, v)
		}
	}
	return append(out, n.Captures()...)
}

// SetInput makes v input i, nil to omit it.
func (n *Node) SetInput(i int, v *Value) {
	for len(n.inputs) <= i {
		n.inputs = append(n.inputs, nil)
	}
	if old := n.inputs[i]; old != nil {
		old.dropUse(n, i)
	}
	n.inputs[i] = v
	if v != nil {
		if v.graph == nil {
			panic(fmt.Sprintf("BUG: value %q was removed", v.name))
		}
		v.uses = append(v.uses, Use{n, i})
	}
}

// TrimInputs drops the inputs from position count on.
func (n *Node) TrimInputs(count int) {
	for i := count; i < len(n.inputs); i++ {
		n.SetInput(i, nil)
	}
	n.inputs = n.inputs[:min(count, len(n.inputs))]
}

// SetOutput makes w, which nothing produces, output i in place of the value that
// was there; that one is left without a producer.
func (n *Node) SetOutput(i int, w *Value) {
	if w.producer != nil || w.init != nil || w.graph != n.graph {
		panic(fmt.Sprintf("BUG: %q cannot be an output of %s", w.name, n.Label()))
	}
	if old := n.outputs[i]; old != nil {
		old.producer = nil
	}
	n.outputs[i] = w
	w.producer, w.index = n, i
}

// DropOutput omits output i, which nothing may use.
func (n *Node) DropOutput(i int) {
	v := n.outputs[i]
	if v == nil {
		return
	}
	if v.Used() {
		panic(fmt.Sprintf("BUG: output %q is still used", v.name))
	}
	n.outputs[i] = nil
	v.producer = nil
	n.graph.RemoveValues(v)
	for len(n.outputs) > 0 && n.outputs[len(n.outputs)-1] == nil {
		n.outputs = n.outputs[:len(n.outputs)-1]
	}
}

func (v *Value) dropUse(n *Node, i int) {
	v.uses = slices.DeleteFunc(v.uses, func(u Use) bool { return u.Node == n && u.Index == i })
}

// Replace makes everything that reads v read w instead: nodes, and bodies that
// return v. The outputs of v's own graph stay: their names are the model's
// interface. It is an error where the element types of both are declared and differ.
func (v *Value) Replace(w *Value) error {
	if err := v.takes(w); err != nil {
		return err
	}
	for _, u := range v.Uses() {
		u.Node.SetInput(u.Index, w)
	}
	v.replaceReturns(w)
	return nil
}

// ReplaceIn is Replace for n, which has v's graph, and its bodies only.
func (v *Value) ReplaceIn(n *Node, w *Value) error {
	if err := v.takes(w); err != nil {
		return err
	}
	for _, u := range v.Uses() {
		if u.Node == n || u.Node.graph.within(n) {
			u.Node.SetInput(u.Index, w)
		}
	}
	n.replaceReturns(v, w)
	for _, body := range n.Bodies() {
		body.Walk(func(inner *Node) { inner.replaceReturns(v, w) })
	}
	return nil
}

// ReplaceUses is Replace for some of v's uses by nodes, and for the bodies that
// return v.
func (v *Value) ReplaceUses(uses []Use, w *Value) error {
	if err := v.takes(w); err != nil {
		return err
	}
	for _, u := range uses {
		u.Node.SetInput(u.Index, w)
	}
	v.replaceReturns(w)
	return nil
}

// takes returns why w cannot stand for v: another element type. Shapes that a file
// declares may be wrong, as runtimes compute their own.
func (v *Value) takes(w *Value) error {
	if a, b := v.DType(), w.DType(); a != b && a != Undefined && b != Undefined {
		return fmt.Errorf("%v %q cannot be replaced by %v %q", a, v.name, b, w.name)
	}
	return nil
}

// replaceReturns makes bodies that return v, captured, return w instead.
func (v *Value) replaceReturns(w *Value) {
	if v.IsOutput() { // else no body returns it
		v.graph.Walk(func(n *Node) { n.replaceReturns(v, w) })
	}
}

// replaceReturns makes n's own bodies that return v, captured, return w.
func (n *Node) replaceReturns(v, w *Value) {
	if !v.IsOutput() {
		return
	}
	for _, body := range n.Bodies() {
		for i, p := range body.outputs {
			if p.Value == v {
				body.outputs[i].Value = w
				v.graph.outputCount[v]--
				w.graph.outputCount[w]++
			}
		}
	}
}

// constant returns the tensor a Constant node makes, in any of its attribute
// forms but strings and sparse tensors.
func (n *Node) constant() *Tensor {
	if t := n.Tensor("value"); t != nil {
		return t
	}
	for _, a := range n.attrs {
		switch p := a.Proto; a.Name() {
		case "value_float":
			return Float32s([]float32{p.GetF()})
		case "value_floats":
			return Float32s(p.Floats, int64(len(p.Floats)))
		case "value_int":
			t := Int64s(p.GetI())
			return NewTensor(Int64, nil, t.Raw)
		case "value_ints":
			return Int64s(p.Ints...)
		}
	}
	return nil
}

// Label names n in messages: its op and name, or its first output.
func (n *Node) Label() string {
	op := n.Op
	if n.Domain != "" {
		op = n.Domain + "." + op
	}
	if n.Name != "" {
		return fmt.Sprintf("%s node %q", op, n.Name)
	}
	for _, v := range n.outputs {
		if v != nil {
			return fmt.Sprintf("%s node of %q", op, v.name)
		}
	}
	return op + " node"
}
