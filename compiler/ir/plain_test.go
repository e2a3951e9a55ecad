package ir_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/bottlenet/bnc/compiler/ir"
)

// plain is a graph as lists of names: who reads what is found by looking through all
// of it. Edits of a [ir.Graph] are compared with the same ones made here.
type plain struct {
	inputs, inits, outputs []string
	nodes                  []*plainNode
}

type plainNode struct {
	in, out []string // "" where one is omitted
	body    []string // what a body returns, each through a node of its own or, with a * before it, as it is
}

// reads lists where a name is read: NODE:INPUT, and NODE:body for reads in its body.
func (p *plain) reads(name string) []string {
	var at []string
	for i, n := range p.nodes {
		for k, v := range n.in {
			if v == name {
				at = append(at, fmt.Sprintf("%d:%d", i, k))
			}
		}
		for _, v := range n.body {
			if v == name {
				at = append(at, fmt.Sprintf("%d:body", i))
			}
		}
	}
	slices.Sort(at)
	return at
}

// returned reports whether name is an output, of the graph or of a body.
func (p *plain) returned(name string) bool {
	return slices.Contains(p.outputs, name) ||
		slices.ContainsFunc(p.nodes, func(n *plainNode) bool { return slices.Contains(n.body, "*"+name) })
}

func (p *plain) replace(nodes []*plainNode, old, new string) {
	swap := func(list []string) {
		for i, v := range list {
			if strings.TrimPrefix(v, "*") == old {
				list[i] = v[:len(v)-len(old)] + new
			}
		}
	}
	for _, n := range nodes {
		swap(n.in)
		swap(n.body)
	}
}

// names returns all values, in the order of their definition.
func (p *plain) names() []string {
	all := append(slices.Clone(p.inputs), p.inits...)
	for _, n := range p.nodes {
		all = append(all, slices.DeleteFunc(slices.Clone(n.out), func(v string) bool { return v == "" })...)
	}
	return all
}

// gives counts the outputs that are not omitted.
func (n *plainNode) gives() int {
	return len(slices.DeleteFunc(slices.Clone(n.out), func(v string) bool { return v == "" }))
}

// same compares g with p, through every question that g answers.
func same(t *testing.T, g *ir.Graph, p *plain) {
	t.Helper()
	text := func(vs []*ir.Value) []string {
		out := make([]string, len(vs))
		for i, v := range vs {
			if v != nil {
				out[i] = v.Name()
			}
		}
		return out
	}
	at := map[*ir.Node]int{}
	for i, n := range g.Nodes() {
		at[n] = i
	}
	if len(at) != len(p.nodes) {
		t.Fatalf("%d nodes, expected %d", len(at), len(p.nodes))
	}
	for n, i := range at {
		want := p.nodes[i]
		if in, out := text(n.Inputs()), text(n.Outputs()); !slices.Equal(in, want.in) || !slices.Equal(out, want.out) {
			t.Fatalf("node %d is %q = (%q), expected %q = (%q)", i, out, in, want.out, want.in)
		}
		var captures []string
		for _, v := range want.body {
			if v = strings.TrimPrefix(v, "*"); !slices.Contains(captures, v) {
				captures = append(captures, v)
			}
		}
		found := text(n.Captures())
		slices.Sort(captures)
		if slices.Sort(found); !slices.Equal(captures, found) {
			t.Fatalf("node %d captures %q, expected %q", i, found, captures)
		}
		for k, v := range n.Outputs() {
			if v != nil && (v.Producer() != n || v.Index() != k || n.Output(k) != v) {
				t.Fatalf("%q is not output %d of node %d", v.Name(), k, i)
			}
		}
	}
	for _, name := range p.names() {
		v := g.Value(name)
		if v == nil {
			t.Fatalf("there is no %q", name)
		}
		var uses []string
		for _, u := range v.Uses() {
			if i, ok := at[u.Node]; ok {
				uses = append(uses, fmt.Sprintf("%d:%d", i, u.Index))
			} else {
				uses = append(uses, fmt.Sprintf("%d:body", at[u.Node.Graph().Owner()]))
			}
		}
		slices.Sort(uses)
		if want := p.reads(name); !slices.Equal(uses, want) {
			t.Fatalf("%q is read at %q, expected %q", name, uses, want)
		}
		if got, want := v.IsOutput(), p.returned(name); got != want {
			t.Fatalf("%q is an output: %v, expected %v", name, got, want)
		}
		if got, want := v.Used(), p.returned(name) || len(p.reads(name)) > 0; got != want {
			t.Fatalf("%q is used: %v, expected %v", name, got, want)
		}
		if got, want := v.IsInput(), slices.Contains(p.inputs, name); got != want {
			t.Fatalf("%q is an input: %v, expected %v", name, got, want)
		}
		if got, want := v.Init() != nil, slices.Contains(p.inits, name); got != want {
			t.Fatalf("%q is an initializer: %v, expected %v", name, got, want)
		}
	}
}
