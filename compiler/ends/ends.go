// Package ends tells what each output of a model ends in, from the graph and its shapes:
// which numbers stand for it where it is compared, and what they mean.
//
//	for _, e := range ends.Of(m, info) {
//		fmt.Println(e.Output.Name(), e.Kind, e.Axis) // scores softmax 1
//	}
//
// It looks through what leaves numbers as they are: views, transpositions, copies and
// conversions between floats, quantising among them. A Concat is looked at part by part: an
// output has an End for each part that ends in something of its own.
//
// What is known of operators is in their rows (compiler/shape): see [shape.Gives].
package ends

import (
	"slices"

	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/compiler/shape"
)

// Kind is what numbers are.
type Kind string

// The kinds.
const (
	Softmax Kind = "softmax" // shares of a whole along an axis, or their logarithms
	Sigmoid Kind = "sigmoid" // each from 0 to 1 by itself: scores, masks
	L2Norm  Kind = "l2norm"  // vectors along an axis, divided by their lengths
	Indices Kind = "indices" // what is chosen, counted or rounded, which has no gradient
	Values  Kind = "values"  // any other numbers
)

// End is what an output, or a part of it, ends in.
type End struct {
	Output *ir.Value
	Kind   Kind
	// Axis of the output: that of the shares of Softmax, of the vectors of L2Norm, of the
	// channels of Values. -1 for none, or where it is not known.
	Axis int
	// Where is the part of the output, one range for each axis that is divided. None stand
	// for all of it.
	Where []Range
	// From is the node that makes it what it is, nil for Values.
	From *ir.Node
	// Taught are the tensors that stand for it in a loss: what Softmax and Sigmoid read, the
	// vectors before they are divided, what Indices are chosen from, Values themselves. None
	// where it does not depend on what is in the model's inputs.
	Taught []Tensor
}

// Range is a part of an axis, which ends before Stop.
type Range struct {
	Axis        int
	Start, Stop int64
}

// Tensor stands for an output, or a part of it, in a loss.
type Tensor struct {
	Value *ir.Value // float
	Kind  Kind      // of what is made of it: never Indices
	Axis  int       // as that of an End, of Value
	// Order is the axis of the output that each axis of Value is; nil where they are not the
	// same.
	Order []int
}

// Of returns what m's outputs end in, in their order, and parts of one in theirs. Info is
// what is known of m's shapes.
func Of(m *ir.Model, info *shape.Info) []End {
	t := &teller{info: info, opset: m.Opset(""), contents: contents(m), hiding: map[visit]*ir.Node{}}
	var all []End
	for _, p := range m.Graph.Outputs() {
		found := t.output(p.Value)
		for i := range found {
			found[i].Output = p.Value
		}
		all = append(all, found...)
	}
	return all
}

// teller tells ends of one model.
type teller struct {
	info     *shape.Info
	opset    int64
	contents map[*ir.Value]bool // what depends on what is in the inputs
	hiding   map[visit]*ir.Node
}

// output returns what v ends in.
func (t *teller) output(v *ir.Value) []End {
	if hidden := t.hides(v, false); hidden != nil {
		return []End{{Kind: Indices, Axis: -1, From: hidden, Taught: t.behind(v)}}
	}
	return t.of(v)
}

// of returns what v ends in, which no choice hides.
func (t *teller) of(v *ir.Value) []End {
	n := v.Producer()
	if n == nil || !t.contents[v] {
		return t.values(v)
	}
	if v.Index() == 0 {
		if made := t.made(n); made != nil {
			return []End{*made}
		}
	}
	var found []End
	switch {
	case n.Op == "Concat" && n.Domain == "":
		found = t.parts(n)
	case v.Index() == 0 && (Transparent(n) || n.Op == "Transpose" && n.Domain == "") && n.Input(0) != nil && t.info.Of(n.Input(0)).DType != ir.Undefined:
		found = t.through(n, t.of(n.Input(0)))
	case shape.Of(n).Class == shape.Move && n.Input(0) != nil && slices.Contains([]string{"Slice", "Split"}, n.Op):
		if inner := t.of(n.Input(0)); len(inner) == 1 && inner[0].Kind != Values { // a part of the scores, as they are
			found = []End{{Kind: inner[0].Kind, Axis: inner[0].Axis, From: inner[0].From, Taught: t.values(v)[0].Taught}}
		}
	}
	if found == nil || !slices.ContainsFunc(found, func(e End) bool { return e.Kind != Values }) {
		return t.values(v)
	}
	return found
}

// values returns v as numbers of no particular kind.
func (t *teller) values(v *ir.Value) []End {
	axis := t.channels(v)
	e := End{Kind: Values, Axis: axis}
	if v.Producer() != nil && t.contents[v] && t.info.Of(v).DType.IsFloat() {
		e.Taught = []Tensor{{v, Values, axis, t.own(v)}}
	}
	return []End{e}
}

// made returns what n makes of its input where that has a kind, nil for none.
func (t *teller) made(n *ir.Node) *End {
	x, kind, axis := n.Input(0), Kind(""), -1
	switch gives := shape.Of(n).Gives; {
	case gives == shape.GivesShares:
		if axis = SharesAxis(n, t.info.Of(x), t.opset); axis >= 0 {
			kind = Softmax
		}
	case gives == shape.GivesScores:
		kind = Sigmoid
	case gives == shape.GivesUnits && n.Int("p", 2) == 2:
		if rank := len(t.info.Of(x).Dims); rank > 0 {
			kind, axis = L2Norm, (int(n.Int("axis", -1))+rank)%rank
		}
	default:
		if by, vectors := length(n); by != nil {
			if axis = t.along(by, vectors); axis >= 0 {
				x, kind = vectors, L2Norm
			}
		}
	}
	if kind == "" {
		return nil
	}
	return &End{Kind: kind, Axis: axis, From: n, Taught: []Tensor{{x, kind, axis, t.own(x)}}}
}

// own is the order of v's axes as they are.
func (t *teller) own(v *ir.Value) []int {
	order := make([]int, len(t.info.Of(v).Dims))
	for i := range order {
		order[i] = i
	}
	return order
}

// parts returns what the parts of a Concat end in, nil where their sizes are not known.
func (t *teller) parts(n *ir.Node) (found []End) {
	rank := len(t.info.Of(n.Output(0)).Dims)
	if rank == 0 {
		return nil
	}
	axis := (int(n.Int("axis", 1)) + rank) % rank
	at := int64(0)
	for _, x := range n.Inputs() {
		d := t.info.Of(x).Dims
		if len(d) != rank {
			return nil
		}
		size, ok := d[axis].Int()
		if !ok {
			return nil
		}
		for _, e := range t.of(x) {
			inner := slices.IndexFunc(e.Where, func(r Range) bool { return r.Axis == axis })
			e.Where = slices.Clone(e.Where)
			if inner >= 0 {
				e.Where[inner].Start, e.Where[inner].Stop = e.Where[inner].Start+at, e.Where[inner].Stop+at
			} else {
				e.Where = append(e.Where, Range{axis, at, at + size})
			}
			found = append(found, e)
		}
		at += size
	}
	return found
}

// through returns ends of n's first input as those of its output, nil where parts of one
// are none of the other.
func (t *teller) through(n *ir.Node, inner []End) []End {
	for i, e := range inner {
		if e.Axis >= 0 {
			inner[i].Axis = t.forward(n, e.Axis)
		}
		inner[i].Taught, inner[i].Where = slices.Clone(e.Taught), slices.Clone(e.Where)
		for j, x := range e.Taught {
			order := make([]int, len(x.Order))
			for k, axis := range x.Order {
				if order[k] = t.forward(n, axis); order[k] < 0 {
					order = nil
					break
				}
			}
			inner[i].Taught[j].Order = order
		}
		for j, r := range e.Where {
			axis := t.forward(n, r.Axis)
			if axis < 0 {
				return nil
			}
			inner[i].Where[j].Axis = axis
		}
	}
	return inner
}
