// Package cut finds the places where a model can be divided: tensors through
// which every path of activations to what comes after them passes.
package cut

import (
	"fmt"
	"slices"

	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/compiler/shape"
)

// Cut is one place to divide a model.
type Cut struct {
	// ID is cut1, cut2, ... in topological order.
	ID string
	// Aliases holds rbK where the tensor is the K-th residual sum or the
	// activation right after it.
	Aliases []string
	// Tensors cross there, one or more: together they separate the inputs of the model
	// from every output that depends on them.
	Tensors []Tensor
	// Late are the inputs of the model that only the side behind the cut reads: they travel
	// as they are, beside what crosses.
	Late []*ir.Value
	// Inverted are read behind the cut and laid out again there.
	Inverted []Inverted

	// behind are the nodes that carry activations behind the cut, nil where its only
	// tensor is a gate.
	behind map[*ir.Node]bool
}

// Tensor is a tensor that crosses.
type Tensor struct {
	Value *ir.Value
	Type  shape.Type
	// NoBottleneck says why it takes no bottleneck, "" where it takes one.
	NoBottleneck string
}

// Input reports whether the tensor is an input of the model, which crosses because both
// sides read it.
func (t Tensor) Input() bool { return t.Value.Producer() == nil }

// Analysis is what is known about dividing one model. It is valid until the
// model is edited.
type Analysis struct {
	Model *ir.Model
	Info  *shape.Info
	Cuts  []Cut

	flow   *flow
	order  map[*ir.Node]int
	reads  [][]read // of nodes, in their order
	mobile *mobile  // what was before the cut that was asked about last
	axes   map[*ir.Value]axisOrder
	vertex map[any]int // of *ir.Node and *ir.Value that carry activations to an output
	gates  *sources
	ends   []int // the vertices of the model's outputs
	// reaching holds the values from which activations flow to an output of the
	// model, not only their shapes.
	reaching map[*ir.Value]bool
	// shapes lists the uses of shape-only values by nodes that carry activations,
	// and as outputs of the model.
	shapes  []ShapeUse
	outputs map[*ir.Value]bool // of the model
	// frontiers are those that were asked for, by the most tensors that they have.
	frontiers map[int][]Cut
}

// read is a value that a node reads.
type read struct {
	value *ir.Value
	from  int // the order of the node that makes it, -1 for none
}

// Find analyses a model whose types are known. Nodes are in topological order,
// as [ir.Graph.Sort] leaves them.
func Find(m *ir.Model, info *shape.Info) *Analysis {
	a := &Analysis{
		Model: m, Info: info, flow: newFlow(m), order: map[*ir.Node]int{}, vertex: map[any]int{},
		reaching: map[*ir.Value]bool{}, outputs: map[*ir.Value]bool{}, frontiers: map[int][]Cut{},
	}
	nodes := m.Graph.Nodes()
	for i, n := range nodes {
		a.order[n] = i
		var reads []read
		for _, v := range a.flow.reads[n] {
			reads = append(reads, read{v, a.place(v)})
		}
		a.reads = append(a.reads, reads)
	}
	a.findGates(nodes)
	rank4 := func(v *ir.Value) bool { t := a.Info.Of(v); return t.Ranked && len(t.Dims) == 4 }
	a.axes = axisOrders(m, rank4)
	for _, n := range nodes {
		if a.flow.nodes[n] != activation {
			continue
		}
		for _, v := range a.flow.reads[n] {
			if a.flow.kinds[v] == shapeOnly {
				a.shapes = append(a.shapes, ShapeUse{v, n})
			}
		}
	}
	for _, p := range m.Graph.Outputs() {
		a.outputs[p.Value] = true
		if a.flow.kinds[p.Value] == shapeOnly {
			a.shapes = append(a.shapes, ShapeUse{Value: p.Value})
		}
	}
	a.list(nodes)
	return a
}

// findGates builds the graph of what carries activations to an output, nodes
// and values being vertices and vertex 0 the source of all inputs.
func (a *Analysis) findGates(nodes []*ir.Node) {
	alive := map[*ir.Value]bool{}
	for _, p := range a.Model.Graph.Outputs() {
		alive[p.Value], a.reaching[p.Value] = true, true
	}
	for _, n := range slices.Backward(nodes) {
		some := func(set map[*ir.Value]bool) bool {
			return slices.ContainsFunc(n.Outputs(), func(v *ir.Value) bool { return v != nil && set[v] })
		}
		living, reaching := some(alive), some(a.reaching) && a.flow.nodes[n] == activation
		for _, v := range a.flow.reads[n] {
			alive[v] = alive[v] || living
			a.reaching[v] = a.reaching[v] || reaching
		}
	}
	a.gates = newSources()
	add := func(x any, from ...int) { a.vertex[x] = a.gates.add(from...) }
	for _, v := range a.Model.Graph.Feeds() {
		if alive[v] {
			a.vertex[v] = a.gates.addInput(v)
		}
	}
	for _, n := range nodes {
		var from []int
		for _, v := range a.flow.reads[n] {
			if id, ok := a.vertex[v]; ok && !slices.Contains(from, id) {
				from = append(from, id)
			}
		}
		outs := slices.DeleteFunc(n.Outputs(), func(v *ir.Value) bool { return v == nil || !alive[v] })
		if a.flow.nodes[n] != activation || len(outs) == 0 {
			continue
		}
		if len(from) == 0 { // draws random numbers
			from = []int{0}
		}
		add(n, from...)
		for _, v := range outs {
			add(v, a.vertex[n])
		}
	}
	for _, p := range a.Model.Graph.Outputs() {
		if id := a.vertex[p.Value]; id > 0 {
			a.ends = append(a.ends, id)
		}
	}
}

func (a *Analysis) list(nodes []*ir.Node) {
	at := map[*ir.Value]int{}
	for _, n := range nodes {
		for _, v := range n.Outputs() {
			if v == nil || a.Why(v) != "" {
				continue
			}
			late, _ := a.gates.lateOf(a.vertex[v], a.ends)
			at[v] = len(a.Cuts)
			a.Cuts = append(a.Cuts, Cut{ID: fmt.Sprintf("cut%d", len(a.Cuts)+1), Tensors: []Tensor{a.tensor(v)}, Late: late})
		}
	}
	sums := 0
	for _, n := range nodes {
		if i, ok := a.residual(n, at); ok {
			sums++
			a.Cuts[i].Aliases = append(a.Cuts[i].Aliases, fmt.Sprintf("rb%d", sums))
		}
	}
}

// tensor is v as one that crosses.
func (a *Analysis) tensor(v *ir.Value) Tensor {
	t := a.Info.Of(v)
	return Tensor{v, t, noBottleneck(t, a.axes[v])}
}

// Behind reports whether node n belongs behind cut c: it reads, directly or not, activations
// that come out of it, or makes something there of inputs that only that side reads.
func (a *Analysis) Behind(c *Cut, n *ir.Node) bool {
	if c.behind != nil {
		return c.behind[n]
	}
	id, ok := a.vertex[n]
	return ok && slices.ContainsFunc(c.Tensors, func(t Tensor) bool {
		at := a.vertex[t.Value]
		return a.gates.behind(at, id) || a.gates.beside(at, id, c.Late)
	})
}

// computedBehind reports whether value w is there behind cut c: computed there, one of its
// tensors, or an input that only that side reads.
func (a *Analysis) computedBehind(c *Cut, w *ir.Value) bool {
	return c.Has(w) || slices.Contains(c.Late, w) || w.Producer() != nil && a.Behind(c, w.Producer())
}

// residual returns the index of the cut that n's residual sum makes: that of
// its output or, where an activation function is the only reader of that, of
// the activation's output.
func (a *Analysis) residual(n *ir.Node, at map[*ir.Value]int) (int, bool) {
	if n.Domain != "" || n.Op != "Add" && n.Op != "Sum" {
		return 0, false
	}
	var summands []*ir.Value
	for _, v := range n.Inputs() {
		if v != nil && a.flow.kinds[v] == activation && !slices.Contains(summands, v) {
			summands = append(summands, v)
		}
	}
	i, ok := at[n.Output(0)]
	if !ok || len(summands) < 2 {
		return 0, false
	}
	uses := n.Output(0).Uses()
	if len(uses) == 1 && shape.Of(uses[0].Node).Class == shape.Activation && uses[0].Node.Graph() == n.Graph() {
		if j, ok := at[uses[0].Node.Output(0)]; ok {
			return j, true
		}
	}
	return i, true
}

func noBottleneck(t shape.Type, axes axisOrder) string {
	switch {
	case t.DType != ir.Float32 && t.DType != ir.Float16 && t.DType != ir.Float64:
		return fmt.Sprintf("it is %v, not float", t.DType)
	case !t.Ranked:
		return "its rank is not known"
	case len(t.Dims) != 4:
		return fmt.Sprintf("it has rank %d, not 4", len(t.Dims))
	case axes != channelFirst && axes != "":
		return fmt.Sprintf("its axes are %s, not NCHW", axes)
	case axes == "":
		return "no operator around it tells which of its axes is the channel"
	}
	for _, d := range t.Dims[1:] {
		if n, ok := d.Int(); !ok || n < 1 {
			return fmt.Sprintf("its shape %v leaves channels, height or width open (fix them with --input NAME=DIMS)", t)
		}
	}
	return ""
}
