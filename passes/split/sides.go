package split

import (
	"slices"

	"github.com/bottlenet/bnc/compiler/cut"
	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/compiler/shape"
	"github.com/bottlenet/bnc/passes"
	"github.com/bottlenet/bnc/passes/opt"
)

// Sides divides what both sides of a cut of several tensors need, so that each side has a
// copy of its own: nodes that both compute are doubled, and those behind the cut that read
// one of its tensors in the layout it had before read it laid out again.
func Sides(a *cut.Analysis, c *cut.Cut) passes.Pass {
	return passes.Pass{
		Name:     "two-sides",
		Requires: []passes.Requirement{{Property: passes.NoFormalInputs, Reason: "it adds constants"}},
		Breaks:   []*passes.Property{opt.NoDeadCode},
		Run: func(m *ir.Model) (int, error) {
			doubled, err := double(m, a, c)
			if err != nil {
				return 0, err
			}
			e := ir.Emitter{Graph: m.Graph, Opset: m.Opset(""), Prefix: "bnc.layout."}
			for _, i := range c.Inverted {
				before := len(m.Graph.Nodes())
				again := layOut(e, a, i)
				readers := readersBehind(m, a, c, i.Value)
				for _, n := range m.Graph.Nodes()[before:] {
					c.Join(n)
				}
				for _, n := range readers {
					if err := i.Value.ReplaceIn(n, again); err != nil {
						return 0, err
					}
				}
			}
			return doubled + len(c.Inverted), m.Graph.Sort()
		},
	}
}

// twoSides reports whether a cut needs [Sides]: halves of a plain split each have all that
// they compute in any case.
func twoSides(a *cut.Analysis, c *cut.Cut, plain bool) bool {
	return len(c.Inverted) > 0 || !plain && len(a.BothSides(c)) > 0
}

// double adds a copy of every node of both sides for the side before the cut.
func double(m *ir.Model, a *cut.Analysis, c *cut.Cut) (int, error) {
	copies := map[*ir.Value]*ir.Value{}
	both := a.BothSides(c)
	for _, n := range both {
		if len(n.Bodies()) > 0 {
			return 0, passes.Unsuitable(n.Label(), "both sides of the cut compute it, and it has bodies: let what it makes cross too")
		}
		inputs, outputs := n.Inputs(), n.Outputs()
		for i, v := range inputs {
			if copies[v] != nil {
				inputs[i] = copies[v]
			}
		}
		for i, v := range outputs {
			if v != nil {
				outputs[i] = m.Graph.Temp("bnc.before."+v.Name(), v.Type())
			}
		}
		copied := m.Graph.NewNode(n.Domain, n.Op, inputs, outputs, n.Attrs()...)
		copied.Overload, copied.Proto = n.Overload, n.Proto
		copied.SetName("bnc.before." + n.Name)
		for i, v := range n.Outputs() {
			switch {
			case v == nil:
			case c.Has(v):
				m.Graph.MoveOutput(v, copied, i)
			default:
				copies[v] = outputs[i]
			}
		}
	}
	before := slices.DeleteFunc(m.Graph.Nodes(), func(n *ir.Node) bool { return a.Behind(c, n) })
	for v, w := range copies {
		for _, n := range before {
			if slices.Contains(n.Reads(), v) {
				if err := v.ReplaceIn(n, w); err != nil {
					return 0, err
				}
			}
		}
	}
	return len(both), nil
}

// layOut undoes what is between i.Value and i.From.
func layOut(e ir.Emitter, a *cut.Analysis, i cut.Inverted) *ir.Value {
	x := i.From
	for v := i.From; v != i.Value; {
		n := v.Producer()
		v = a.LaidOut(n)
		dims := a.Info.Of(v).Dims
		switch row := shape.Of(n); {
		case row.Axes == shape.AxesPermuted:
			perm := n.Ints("perm")
			back := make([]int64, len(dims))
			for axis := range back {
				to := int64(len(dims) - 1 - axis)
				if len(perm) > 0 {
					to = perm[axis]
				}
				back[to] = int64(axis)
			}
			x = e.Transpose(v.Name(), x, back...)
		case row.Class == shape.View:
			sizes := make([]int64, len(dims))
			for axis, d := range dims {
				size, known := d.Int()
				if sizes[axis] = size; !known {
					sizes[axis] = -1
				}
			}
			x = e.Reshape(v.Name(), x, sizes...)
		}
	}
	return x
}

// readersBehind returns the nodes behind the cut that read v.
func readersBehind(m *ir.Model, a *cut.Analysis, c *cut.Cut, v *ir.Value) []*ir.Node {
	return slices.DeleteFunc(m.Graph.Nodes(), func(n *ir.Node) bool { return !a.Behind(c, n) || !slices.Contains(n.Reads(), v) })
}
