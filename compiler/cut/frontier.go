package cut

import (
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"strings"

	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/compiler/shape"
)

const (
	// FrontierTensors is how many tensors those frontiers have at most that are called
	// frontier1, frontier2, ...; those of up to N others are called frontierKofN.
	FrontierTensors = 4
	// MostTensors is how many tensors frontiers can be looked for with.
	MostTensors = 16
)

// Frontiers returns the cuts of two to most tensors that no other of those beats: that has
// neither more bytes nor more multiply-adds before it, and less of one. They are in
// topological order.
//
// The cuts that compete are these. Every node of activations is computed before the cut, or
// behind it, or, where that is cheap and what it reads is on both sides, on both ([shape.Op]
// Cheap). What is computed before and read behind crosses, unless both sides compute it.
// Tensors that are the same numbers in another layout are one ([Analysis.LaidOut]); so are
// an input and what lays it out. Inputs that nothing before reads are late. Outputs of the
// model that depend on what crosses are behind, the others before; none crosses. Of cuts
// with equal numbers one is returned: that takes a bottleneck, has fewer tensors, and is
// nearer to the outputs, in this order.
//
// Sizes that the model leaves open cannot be compared: such tensors do not cross here.
func (a *Analysis) Frontiers(most int) []Cut {
	if found, ok := a.frontiers[most]; ok {
		return found
	}
	s := newSweep(a, min(most, MostTensors))
	s.run()
	var cuts []Cut
	for _, f := range slices.Backward(s.best) { // from few multiply-adds on
		var values []*ir.Value
		for l := f.sent; l != nil; l = l.next {
			values = append(values, s.classes[l.class].crosses)
		}
		slices.SortFunc(values, func(x, y *ir.Value) int { return a.place(x) - a.place(y) })
		c, err := a.Of(values...)
		if err != nil { // a shape that the tensors do not tell
			continue
		}
		c.ID = frontierID(len(cuts)+1, most)
		cuts = append(cuts, *c)
	}
	a.frontiers[most] = cuts
	return cuts
}

func frontierID(k, most int) string {
	if most == FrontierTensors {
		return fmt.Sprintf("frontier%d", k)
	}
	return fmt.Sprintf("frontier%dof%d", k, most)
}

// frontierNamed returns the frontier of that ID. It is false where name is none.
func (a *Analysis) frontierNamed(name string) (*Cut, bool, error) {
	number, is := strings.CutPrefix(name, "frontier")
	number, bound, given := strings.Cut(number, "of")
	k, err := strconv.Atoi(number)
	if !is || err != nil {
		return nil, false, nil
	}
	most := FrontierTensors
	if given {
		if most, err = strconv.Atoi(bound); err != nil || most < 2 || most > MostTensors {
			return nil, true, &Error{Name: name, Reason: fmt.Sprintf("frontiers of up to 2 to %d tensors are looked for", MostTensors)}
		}
	}
	found := a.Frontiers(most)
	if k < 1 || k > len(found) {
		return nil, true, &Error{Name: name, Reason: fmt.Sprintf("the model has %d frontiers of up to %d tensors (bnc inspect --tensors %d lists them)", len(found), most, most)}
	}
	return &found[k-1], true, nil
}

// class is a tensor in all its layouts.
type class struct {
	members []*ir.Value // the first is computed, or an input; the others lay it out
	crosses *ir.Value   // the member that crosses, nil where none can
	bytes   int64
	plain   bool     // what crosses takes no bottleneck
	reach   *big.Int // the outputs of the model, by number, that depend on it
	unit    int      // that makes it
	readers []int    // units
	last    int      // of them, -1 for none
	slot    int      // of its status, while it is open
}

// unit is an input of the model, or a node that makes activations and does not only lay out.
type unit struct {
	input bool
	cheap bool
	macs  int64
	reads []int // classes
	makes []int
	ends  *big.Int // the outputs of the model among what it makes
}

// reduce makes units and classes of the graph.
func (s *sweep) reduce() {
	a := s.a
	of := map[*ir.Value]int{}
	ends := map[*ir.Value]int{}
	for i, p := range a.Model.Graph.Outputs() {
		ends[p.Value] = i
	}
	add := func(v *ir.Value) int {
		of[v] = len(s.classes)
		s.classes = append(s.classes, class{members: []*ir.Value{v}, unit: len(s.units), last: -1})
		return of[v]
	}
	for _, v := range a.gates.inputs {
		s.units = append(s.units, unit{input: true, makes: []int{add(v)}, ends: new(big.Int)})
	}
	for _, n := range a.Model.Graph.Nodes() {
		if _, ok := a.vertex[n]; !ok {
			continue
		}
		if v := a.LaidOut(n); v != nil {
			of[n.Outputs()[0]] = of[v]
			c := &s.classes[of[v]]
			c.members = append(c.members, n.Outputs()[0])
			continue
		}
		u := unit{cheap: shape.Of(n).Cheap() && len(n.Bodies()) == 0, ends: new(big.Int)}
		if macs := a.MACs(slices.Values([]*ir.Node{n})); macs != nil {
			u.macs = *macs
		}
		for _, v := range a.flow.reads[n] {
			if c, ok := of[v]; ok && !slices.Contains(u.reads, c) {
				u.reads = append(u.reads, c)
				s.classes[c].readers = append(s.classes[c].readers, len(s.units))
				s.classes[c].last = len(s.units)
			}
		}
		for _, v := range n.Outputs() {
			if v == nil || a.vertex[v] == 0 {
				continue
			}
			u.makes = append(u.makes, add(v))
			if i, ok := ends[v]; ok {
				u.ends.SetBit(u.ends, i, 1)
			}
		}
		s.units = append(s.units, u)
	}
	s.represent(ends)
}

// represent chooses which of its layouts crosses for each class.
func (s *sweep) represent(ends map[*ir.Value]int) {
	a := s.a
	reach := map[*ir.Value]*big.Int{}
	for _, n := range slices.Backward(a.Model.Graph.Nodes()) {
		if _, ok := a.vertex[n]; !ok {
			continue
		}
		all := new(big.Int)
		for _, v := range n.Outputs() {
			if v == nil {
				continue
			}
			if r := reach[v]; r != nil {
				all.Or(all, r)
			}
			if i, ok := ends[v]; ok {
				all.SetBit(all, i, 1)
			}
		}
		for _, v := range a.flow.reads[n] {
			if a.flow.kinds[v] != activation {
				continue
			}
			if reach[v] == nil {
				reach[v] = new(big.Int)
			}
			reach[v].Or(reach[v], all)
		}
	}
	for i := range s.classes {
		c := &s.classes[i]
		if c.reach = reach[c.members[0]]; c.reach == nil {
			c.reach = new(big.Int)
		}
		for _, v := range c.members {
			size := a.BytesOf(a.Info.Of(v))
			if size == nil || a.unfit(v) != "" || reach[v] == nil || reach[v].Cmp(c.reach) != 0 {
				continue
			}
			takes := a.tensor(v).NoBottleneck == ""
			if c.crosses == nil || c.plain && takes {
				c.crosses, c.bytes, c.plain = v, *size, !takes
			}
		}
	}
}
