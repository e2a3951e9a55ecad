package cut_test

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/bottlenet/bnc/compiler/cut"
	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/compiler/shape"
)

// net is a graph as the naive search sees it. Values have the numbers of their order.
type net struct {
	names   []string
	size    []int64 // elements
	maker   []int   // node, -1 for an input
	nodes   []netNode
	outputs []int
}

type netNode struct {
	reads, makes  []int
	macs          int64
	cheap, layout bool
}

// randomNet makes a model of vectors [1,k] with branches, skip connections, several inputs
// and outputs, and nodes that only lay out, and tells what is in it.
func randomNet(r *rand.Rand, most int) (*ir.Model, *net) {
	m := ir.NewModel(8, 17)
	e := ir.Emitter{Graph: m.Graph, Opset: 17}
	n := &net{}
	var values []*ir.Value
	read := map[int]bool{}
	add := func(v *ir.Value, size int64, maker int) int {
		values = append(values, v)
		n.names, n.size, n.maker = append(n.names, v.Name()), append(n.size, size), append(n.maker, maker)
		return len(values) - 1
	}
	for i := range 1 + r.IntN(5)/3 {
		k := int64(1 + r.IntN(9))
		v := m.Graph.Temp(fmt.Sprintf("x%d", i), ir.TensorType(ir.Float32, ir.Fixed(1, k)))
		m.Graph.AddInput(v, nil)
		add(v, k, -1)
	}
	pick := func() int {
		if back := r.IntN(3); r.IntN(3) > 0 && back < len(values) {
			return len(values) - 1 - back
		}
		return r.IntN(len(values))
	}
	for range 3 + r.IntN(most-2) {
		a, b := pick(), pick()
		var node netNode
		node.reads = []int{a}
		var outs []*ir.Value
		sizes := []int64{n.size[a]}
		switch x := values[a]; r.IntN(8) {
		case 0, 1, 2:
			k := int64(1 + r.IntN(9))
			outs, sizes[0], node.macs = []*ir.Value{e.Binary("m", "MatMul", x, e.Floats("w", make([]float32, n.size[a]*k), n.size[a], k))}, k, n.size[a]*k
		case 3:
			outs, node.cheap = []*ir.Value{e.Unary("r", "Relu", x)}, true
		case 4:
			node.reads, node.cheap = []int{a, b}, true
			if n.size[a] == n.size[b] {
				outs = []*ir.Value{e.Binary("s", "Add", x, values[b])}
			} else {
				outs, sizes[0] = []*ir.Value{e.Op("c", "Concat", []*ir.Value{x, values[b]}, ir.IntAttr("axis", 1))}, n.size[a]+n.size[b]
			}
		case 5:
			outs = []*ir.Value{e.Unary("f", "Softmax", x)}
		case 6:
			if node.layout = true; r.IntN(2) == 0 {
				outs = []*ir.Value{e.Reshape("l", x, 1, n.size[a])}
			} else {
				outs = []*ir.Value{e.Transpose("t", x, 0, 1)}
			}
		case 7:
			if n.size[a] < 2 {
				outs = []*ir.Value{e.Unary("f", "Softmax", x)}
				break
			}
			some := 1 + int64(r.IntN(int(n.size[a]-1)))
			sizes, node.cheap = []int64{some, n.size[a] - some}, true
			outs = []*ir.Value{m.Graph.Temp("p", nil), m.Graph.Temp("q", nil)}
			m.Graph.NewNode("", "Split", []*ir.Value{x, e.Ints("sizes", sizes...)}, outs, ir.IntAttr("axis", 1))
		}
		node.reads = slices.Compact(node.reads)
		for _, v := range node.reads {
			read[v] = true
		}
		for i, v := range outs {
			node.makes = append(node.makes, add(v, sizes[i], len(n.nodes)))
		}
		n.nodes = append(n.nodes, node)
	}
	for i, v := range values {
		if n.maker[i] >= 0 && (!read[i] || r.IntN(12) == 0) {
			n.outputs = append(n.outputs, i)
			m.Graph.AddOutput(v, nil)
		}
	}
	return m, n
}

// laidOut is what a value is the same numbers as, -1 for nothing: outputs stay where they
// are.
func (n *net) laidOut(v int) int {
	m := n.maker[v]
	if m < 0 || !n.nodes[m].layout || slices.Contains(n.outputs, v) || slices.Contains(n.outputs, n.nodes[m].reads[0]) {
		return -1
	}
	return n.nodes[m].reads[0]
}

func (n *net) root(v int) int {
	for n.laidOut(v) >= 0 {
		v = n.laidOut(v)
	}
	return v
}

// reach are the outputs behind v.
func (n *net) reach(v int) (outputs []int) {
	seen := map[int]bool{v: true}
	for _, node := range n.nodes {
		if slices.ContainsFunc(node.reads, func(r int) bool { return seen[r] }) {
			for _, w := range node.makes {
				seen[w] = true
			}
		}
	}
	delete(seen, v)
	return slices.DeleteFunc(slices.Clone(n.outputs), func(o int) bool { return !seen[o] })
}

// cost returns what a cut at these values costs, and whether it is one of those that
// [cut.Analysis.Frontiers] compares.
func (n *net) cost(crossing []int) (bytes, macs int64, legal bool) {
	var dependent []int
	computed := false
	for i, v := range crossing {
		root, reach := n.root(v), n.reach(v)
		computed = computed || n.maker[root] >= 0
		if slices.Contains(n.outputs, v) || !slices.Equal(reach, n.reach(root)) ||
			slices.ContainsFunc(crossing[:i], func(w int) bool { return n.root(w) == root }) {
			return 0, 0, false
		}
		bytes += 4 * n.size[v]
		dependent = append(dependent, reach...)
	}
	if !computed {
		return 0, 0, false
	}
	before, values := map[int]bool{}, map[int]bool{} // nodes and what they read
	var back func(v int)
	back = func(v int) {
		values[v] = true
		if m := n.maker[v]; m >= 0 && !before[m] {
			before[m] = true
			for _, r := range n.nodes[m].reads {
				back(r)
			}
		}
	}
	for _, v := range crossing {
		back(v)
	}
	for _, o := range n.outputs {
		if !slices.Contains(dependent, o) {
			back(o)
		}
	}
	needed, late, seen := map[int]bool{}, map[int]bool{}, map[int]bool{}
	legal = true
	var need func(v int)
	need = func(v int) {
		if seen[v] {
			return
		}
		seen[v] = true
		for _, c := range crossing {
			for w := c; w >= 0; w = n.laidOut(w) {
				if w == v {
					needed[c] = true
					return
				}
			}
		}
		m := n.maker[v]
		if m < 0 {
			late[v] = true
			legal = legal && !values[v]
			return
		}
		legal = legal && (!before[m] || n.nodes[m].cheap || n.nodes[m].layout)
		for _, r := range n.nodes[m].reads {
			need(r)
		}
	}
	for _, o := range dependent {
		need(o)
	}
	for i, v := range crossing {
		if n.again(v, slices.Delete(slices.Clone(crossing), i, i+1)) {
			return 0, 0, false
		}
	}
	for v := range late {
		bytes += 4 * n.size[v]
	}
	for m := range before {
		macs += n.nodes[m].macs
	}
	return bytes, macs, legal && len(needed) == len(crossing)
}

// again reports whether v is cheap to compute of others.
func (n *net) again(v int, others []int) bool {
	m := n.maker[n.root(v)]
	if m < 0 || !n.nodes[m].cheap && !n.nodes[m].layout {
		return false
	}
	for _, r := range n.nodes[m].reads {
		if !slices.ContainsFunc(others, func(o int) bool { return n.root(o) == n.root(r) }) && !n.again(r, others) {
			return false
		}
	}
	return true
}

type price struct{ bytes, macs int64 }

// unbeaten returns the prices that no other has neither more bytes nor more multiply-adds than.
func unbeaten(all []price) []price {
	slices.SortFunc(all, func(p, q price) int { return cmp.Or(cmp.Compare(p.macs, q.macs), cmp.Compare(p.bytes, q.bytes)) })
	var left []price
	for _, p := range all {
		if len(left) == 0 || p.bytes < left[len(left)-1].bytes {
			left = append(left, p)
		}
	}
	return left
}

// search looks at all sets of values.
func (n *net) search(most int) []price {
	var found []price
	var extend func(crossing []int)
	extend = func(crossing []int) {
		if len(crossing) > 1 {
			if bytes, macs, legal := n.cost(crossing); legal {
				found = append(found, price{bytes, macs})
			}
		}
		if len(crossing) == most {
			return
		}
		first := 0
		if len(crossing) > 0 {
			first = crossing[len(crossing)-1] + 1
		}
		for v := first; v < len(n.names); v++ {
			extend(append(slices.Clone(crossing), v))
		}
	}
	extend(nil)
	return unbeaten(found)
}

// TestFrontiers compares with a search through all sets of tensors.
func TestFrontiers(t *testing.T) {
	found := map[int]int{} // graphs by how many frontiers they have
	late, inputs := 0, 0
	for seed := range uint64(3000) {
		r := rand.New(rand.NewPCG(seed, 16))
		m, n := randomNet(r, 10)
		info, err := shape.Infer(m, shape.Options{})
		if err != nil {
			t.Fatal(err)
		}
		a := cut.Find(m, info)
		most := 2 + r.IntN(3)
		want := n.search(most)
		var got []price
		cuts := a.Frontiers(most)
		for i := range cuts {
			c := &cuts[i]
			macs, _ := a.Before(c)
			got = append(got, price{*a.Bytes(c), *macs})
			var crossing []int
			for _, x := range c.Tensors {
				crossing = append(crossing, slices.Index(n.names, x.Value.Name()))
				if x.Input() {
					inputs++
				}
			}
			if bytes, macs, legal := n.cost(crossing); !legal || got[i] != (price{bytes, macs}) {
				t.Fatalf("seed %d: %v costs %v; a naive look at it finds %d bytes, %d multiply-adds, legal: %v", seed, c.Names(), got[i], bytes, macs, legal)
			}
			late += len(c.Late)
			if same, err := a.Resolve(c.ID); err != nil || same.Tensor() != c.Tensor() {
				t.Fatalf("seed %d: %s is %v, %v", seed, c.ID, same, err)
			}
		}
		if !slices.Equal(got, want) {
			t.Fatalf("seed %d, up to %d tensors: frontiers cost %v, expected %v\n%s\n%v", seed, most, got, want, n, cuts)
		}
		for i := range a.Cuts {
			c := &a.Cuts[i]
			bytes, macs, legal := n.cost([]int{slices.Index(n.names, c.Tensor())})
			if before, _ := a.Before(c); legal && (*before != macs || *a.Bytes(c) != bytes) {
				t.Fatalf("seed %d: %s costs %d bytes and %d multiply-adds, expected %d and %d\n%s", seed, c, *a.Bytes(c), *before, bytes, macs, n)
			}
		}
		found[min(len(got), 3)]++
	}
	if found[1] < 300 || found[2] < 100 || found[3] < 50 || late < 30 || inputs < 300 {
		t.Errorf("graphs by their frontiers: %v, with %d late inputs, %d inputs that cross: too few to tell", found, late, inputs)
	}
}

// String lists what makes what of what.
func (n *net) String() string {
	var b strings.Builder
	names := func(values []int) (all []string) {
		for _, v := range values {
			all = append(all, fmt.Sprintf("%s[%d]", n.names[v], n.size[v]))
		}
		return all
	}
	for _, node := range n.nodes {
		fmt.Fprintf(&b, "%v = %d multiply-adds, cheap %v, layout %v %v\n", names(node.makes), node.macs, node.cheap, node.layout, names(node.reads))
	}
	return fmt.Sprintf("%soutputs %v", b.String(), names(n.outputs))
}
