package ir_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/bottlenet/bnc/compiler/ir"
)

// editor makes random edits to both.
type editor struct {
	*rand.Rand
	g *ir.Graph
	p *plain
}

func (e *editor) pick(names []string) string { return names[e.IntN(len(names))] }

// unread are values that may go.
func (e *editor) unread(name string) bool { return len(e.p.reads(name)) == 0 && !e.p.returned(name) }

func (e *editor) add() {
	known := e.p.names()
	n := &plainNode{}
	var in, out []*ir.Value
	for range 1 + e.IntN(3) {
		name := ""
		if e.IntN(5) > 0 {
			name = e.pick(known)
		}
		n.in, in = append(n.in, name), append(in, e.g.Value(name))
	}
	for range 1 + e.IntN(2) {
		v := e.g.Temp("v", nil)
		n.out, out = append(n.out, v.Name()), append(out, v)
	}
	node := e.g.NewNode("", "Op", in, out)
	if e.IntN(3) == 0 {
		n.body = e.body(node, known)
	}
	e.p.nodes = append(e.p.nodes, n)
}

// body gives node a body that reads and returns some of known.
func (e *editor) body(node *ir.Node, known []string) (returns []string) {
	body := node.NewBody("body")
	for range 1 + e.IntN(2) {
		name := e.pick(known)
		if e.IntN(2) == 0 {
			returns = append(returns, "*"+name)
			body.AddOutput(e.g.Value(name), nil)
		} else {
			returns = append(returns, name)
			body.AddOutput(body.Op1("inner", "Relu", []*ir.Value{e.g.Value(name)}, nil), nil)
		}
	}
	attr := ir.IntAttr("body", 0)
	attr.Proto.I, attr.Graphs = nil, []*ir.Graph{body}
	node.SetAttr(attr)
	return returns
}

// site is where an edit is made: a node, one of its outputs, which may be omitted, and a
// value that the node may read.
type site struct {
	at      int
	node    *ir.Node
	plain   *plainNode
	output  int
	out     *ir.Value
	known   []string // what the node may read
	another string   // one of known
}

// edits change both graphs, or report that what they take is not there.
var edits = map[string]func(e *editor, s site) bool{
	"add": func(e *editor, _ site) bool { e.add(); return true },
	"constant": func(e *editor, _ site) bool {
		e.p.inits = append(e.p.inits, e.g.Const("c", ir.Int64s(1)).Name())
		return true
	},
	"set input": func(e *editor, s site) bool {
		at := e.IntN(3)
		s.node.SetInput(at, e.g.Value(s.another))
		for len(s.plain.in) <= at {
			s.plain.in = append(s.plain.in, "")
		}
		s.plain.in[at] = s.another
		return true
	},
	"trim inputs": func(e *editor, s site) bool {
		at := e.IntN(3)
		s.node.TrimInputs(at)
		s.plain.in = s.plain.in[:min(at, len(s.plain.in))]
		return true
	},
	"set body": func(e *editor, s site) bool { s.plain.body = e.body(s.node, s.known); return true },
	"drop body": func(e *editor, s site) bool {
		s.node.DelAttr("body")
		s.plain.body = nil
		return true
	},
	"replace": func(e *editor, s site) bool {
		return e.replace(s, func(old, new *ir.Value) error { return old.Replace(new) })
	},
	"replace uses": func(e *editor, s site) bool {
		return e.replace(s, func(old, new *ir.Value) error { return old.ReplaceUses(old.Uses(), new) })
	},
	"replace in": func(e *editor, s site) bool {
		old := e.pick(s.known)
		if err := e.g.Value(old).ReplaceIn(s.node, e.g.Value(s.another)); err != nil {
			panic(err)
		}
		e.p.replace([]*plainNode{s.plain}, old, s.another)
		return true
	},
	"set output": func(e *editor, s site) bool { // the old value is left without a producer
		if s.out == nil || !e.unread(s.out.Name()) {
			return false
		}
		v := e.g.Temp("s", nil)
		s.node.SetOutput(s.output, v)
		e.g.RemoveValues(s.out)
		s.plain.out[s.output] = v.Name()
		return true
	},
	"drop output": func(e *editor, s site) bool {
		if s.out == nil || !e.unread(s.out.Name()) {
			return false
		}
		s.node.DropOutput(s.output)
		s.plain.out[s.output] = ""
		for len(s.plain.out) > 0 && s.plain.out[len(s.plain.out)-1] == "" {
			s.plain.out = s.plain.out[:len(s.plain.out)-1]
		}
		if len(s.plain.out) == 0 {
			e.g.Remove(s.node)
			e.forget(s)
		}
		return true
	},
	"remove": func(e *editor, s site) bool {
		if slices.ContainsFunc(s.plain.out, func(v string) bool { return v != "" && !e.unread(v) }) {
			return false
		}
		e.g.Remove(s.node)
		e.forget(s)
		return true
	},
	"freeze": func(e *editor, s site) bool {
		if s.out == nil || slices.Contains(e.p.outputs, s.out.Name()) {
			return false
		}
		e.g.Freeze(s.out, ir.Int64s(1))
		s.plain.out[s.output] = ""
		e.p.inits = append(e.p.inits, s.out.Name())
		if s.plain.gives() == 0 { // it went
			e.forget(s)
		}
		return true
	},
	"cut input": func(e *editor, s site) bool {
		if s.out == nil {
			return false
		}
		e.g.CutInput(s.out)
		s.plain.out[s.output] = ""
		e.p.inputs = append(e.p.inputs, s.out.Name())
		if s.plain.gives() == 0 {
			e.g.Remove(s.node)
			e.forget(s)
		}
		return true
	},
	"rename": func(e *editor, s site) bool {
		if s.out == nil || s.out.IsOutput() {
			return false
		}
		old := s.out.Name()
		e.g.Rename(s.out, e.g.FreeName("r"))
		s.plain.out[s.output] = s.out.Name()
		e.p.replace(e.p.nodes, old, s.out.Name())
		return true
	},
	"set outputs": func(e *editor, _ site) bool {
		e.p.outputs = nil
		var vs []*ir.Value
		for range 1 + e.IntN(2) {
			if name := e.pick(e.p.names()); !slices.Contains(e.p.outputs, name) {
				e.p.outputs, vs = append(e.p.outputs, name), append(vs, e.g.Value(name))
			}
		}
		e.g.SetOutputs(vs...)
		return true
	},
	"move output": func(e *editor, s site) bool { // to a node before it, as a normalisation's to its convolution
		j := e.IntN(s.at + 1)
		to, m := e.g.Nodes()[j], e.p.nodes[j]
		at := e.IntN(len(m.out))
		old := m.out[at]
		if s.out == nil || j == s.at || old != "" && (e.p.returned(old) || slices.ContainsFunc(e.p.reads(old), func(where string) bool {
			return !strings.HasPrefix(where, fmt.Sprint(s.at, ":")) || strings.HasSuffix(where, "body")
		})) {
			return false
		}
		for i, v := range s.plain.in {
			if v == old {
				s.plain.in[i] = ""
			}
		}
		e.g.MoveOutput(s.out, to, at)
		s.plain.out[s.output], m.out[at] = "", s.out.Name()
		return true
	},
}

func (e *editor) forget(s site) { e.p.nodes = slices.Delete(e.p.nodes, s.at, s.at+1) }

// replace makes what reads some value read another, unless that stands behind a reader.
func (e *editor) replace(s site, edit func(old, new *ir.Value) error) bool {
	old := e.pick(s.known)
	if slices.ContainsFunc(e.p.nodes[:s.at], func(m *plainNode) bool {
		return slices.Contains(m.in, old) || slices.Contains(m.body, old) || slices.Contains(m.body, "*"+old)
	}) {
		return false
	}
	if err := edit(e.g.Value(old), e.g.Value(s.another)); err != nil {
		panic(err)
	}
	e.p.replace(e.p.nodes, old, s.another)
	return true
}

// edit makes one edit somewhere and returns which, "" where it could not be made.
func (e *editor) edit(kinds []string) string {
	if len(e.p.nodes) == 0 {
		e.add()
		return "add"
	}
	s := site{at: e.IntN(len(e.p.nodes)), known: slices.Concat(e.p.inputs, e.p.inits)}
	for _, m := range e.p.nodes[:s.at] {
		s.known = append(s.known, slices.DeleteFunc(slices.Clone(m.out), func(v string) bool { return v == "" })...)
	}
	s.node, s.plain, s.another = e.g.Nodes()[s.at], e.p.nodes[s.at], e.pick(s.known)
	s.output = e.IntN(len(s.plain.out))
	s.out = s.node.Output(s.output)
	kind := e.pick(kinds)
	if e.IntN(5) == 0 {
		kind = "add"
	}
	if !edits[kind](e, s) {
		return ""
	}
	return kind
}

// TestEditsKeepBothEnds makes random edits and the same ones to lists of names.
func TestEditsKeepBothEnds(t *testing.T) {
	made := map[string]int{}
	kinds := slices.Sorted(maps.Keys(edits))
	for seed := range uint64(300) {
		m := ir.NewModel(8, 17)
		e := &editor{rand.New(rand.NewPCG(seed, 7)), m.Graph, &plain{}}
		for _, name := range []string{"a", "b"} {
			e.g.AddInput(e.g.Temp(name, nil), nil)
			e.p.inputs = append(e.p.inputs, name)
		}
		var history []string
		for range 60 {
			what := e.edit(kinds)
			made[what]++
			history = append(history, what)
			same(t, e.g, e.p)
			if err := m.Verify(); err != nil {
				t.Fatalf("seed %d, after %q: %v", seed, history, err)
			}
			if t.Failed() {
				t.Fatalf("seed %d, after %q", seed, history)
			}
			if e.IntN(20) == 0 {
				m = m.Clone()
				e.g = m.Graph
			}
		}
	}
	for _, kind := range kinds {
		if made[kind] < 100 {
			t.Errorf("%q was made %d times only", kind, made[kind])
		}
	}
}
