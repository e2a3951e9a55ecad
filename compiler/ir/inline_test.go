package ir_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/compiler/onnxtext"
)

// meaning tells what values are computed of, calls of functions being what their bodies
// compute: two graphs that mean the same have the same texts.
type meaning struct {
	m     *ir.Model
	f     *ir.Function
	bound map[*ir.Value]string // inputs of f
	call  *ir.Node
	outer *meaning
}

func (e *meaning) of(v *ir.Value) string {
	if v == nil {
		return "_"
	}
	if text, ok := e.bound[v]; ok {
		return text
	}
	n := v.Producer()
	if n == nil {
		return v.Name()
	}
	var in []string
	for _, x := range n.Inputs() {
		in = append(in, e.of(x))
	}
	for len(in) > 0 && in[len(in)-1] == "_" {
		in = in[:len(in)-1]
	}
	if f := e.m.Function(n.Callee()); f != nil {
		inner := &meaning{e.m, f, map[*ir.Value]string{}, n, e}
		for i, p := range f.Body.Inputs() {
			inner.bound[p.Value] = "_"
			if i < len(in) {
				inner.bound[p.Value] = in[i]
			}
		}
		return inner.of(f.Body.Outputs()[v.Index()].Value)
	}
	if n.Op == "Identity" {
		return in[0]
	}
	var attrs []string
	for _, a := range n.Attrs() {
		for _, body := range a.Graphs {
			var returns []string
			for _, p := range body.Outputs() {
				returns = append(returns, e.of(p.Value))
			}
			attrs = append(attrs, fmt.Sprintf("%s={%s}", a.Name(), strings.Join(returns, ",")))
		}
		if len(a.Graphs) == 0 {
			if number, given := e.number(a); given {
				attrs = append(attrs, fmt.Sprintf("%s=%d", a.Name(), number))
			}
		}
	}
	slices.Sort(attrs)
	return fmt.Sprintf("%s<%s>(%s).%d", n.Op, strings.Join(attrs, ","), strings.Join(in, ","), v.Index())
}

// number returns an INT attribute: where it refers to one of the function, that of the
// call, or else the function's default.
func (e *meaning) number(a *ir.Attr) (int64, bool) {
	ref := a.Proto.GetRefAttrName()
	if ref == "" {
		return a.Proto.GetI(), true
	}
	if given := e.call.Attr(ref); given != nil {
		if number, there := e.outer.number(given); there {
			return number, true
		}
	}
	for _, p := range e.f.Proto.AttributeProto {
		if p.GetName() == ref {
			return p.GetI(), true
		}
	}
	return 0, false
}

// program writes a model with functions that call one another.
type program struct {
	*rand.Rand
	text   strings.Builder
	serial int
}

// nodes writes some nodes that read what is known, and returns what is known then. The
// functions f0 to f(callable-1) may be called, attribute k referred to where inside.
func (p *program) nodes(known []string, callable int, inside bool) []string {
	pick := func() string { return known[p.IntN(len(known))] }
	for range 1 + p.IntN(4) {
		p.serial++
		v, w := fmt.Sprintf("v%d", p.serial), fmt.Sprintf("w%d", p.serial)
		k := ""
		switch p.IntN(3) {
		case 0:
			k = fmt.Sprintf("<k = %d>", p.IntN(9))
		case 1:
			if inside {
				k = "<k: int = @k>"
			}
		}
		switch c := p.IntN(6); {
		case c < 2 && callable > 0:
			fmt.Fprintf(&p.text, "%s, %s = f.f%d %s (%s, %s) ", v, w, p.IntN(callable), k, pick(), pick())
			known = append(known, v, w)
		case c == 2:
			fmt.Fprintf(&p.text, "%s = If (%s) <then_branch = t () => (q%d) { q%d = Neg %s (%s) }, else_branch = e () => (r%d) { s%d = Abs (%s) r%d = Exp (s%d) }> ",
				v, pick(), p.serial, p.serial, k, pick(), p.serial, p.serial, pick(), p.serial, p.serial)
			known = append(known, v)
		default:
			fmt.Fprintf(&p.text, "%s = %s %s (%s, %s) ", v, []string{"Add", "Mul", "Sub"}[p.IntN(3)], k, pick(), pick())
			known = append(known, v)
		}
	}
	return known
}

func newProgram(seed uint64) string {
	p := &program{Rand: rand.New(rand.NewPCG(seed, 3))}
	p.text.WriteString(`<ir_version: 9, opset_import: ["" : 17, "f" : 1]> g (float[2] x, float[2] y) => (float[2] out, float[2] other) { `)
	known := p.nodes([]string{"x", "y"}, 3, false)
	fmt.Fprintf(&p.text, "out, other = f.f2 (%s, %s) } ", known[p.IntN(len(known))], known[p.IntN(len(known))])
	for i := range 3 {
		attr := []string{"<k>", "<k: int = 7>"}[p.IntN(2)]
		begin := p.text.Len()
		known := p.nodes([]string{"a", "b"}, i, true)
		body := p.text.String()[begin:]
		before := p.text.String()[:begin]
		p.text.Reset()
		// An output may be an input that is handed back, or the other one again.
		fmt.Fprintf(&p.text, `%s <domain: "f", opset_import: ["" : 17, "f" : 1]> f%d %s (a, b) => (%s, %s) { %s } `,
			before, i, attr, known[p.IntN(len(known))], known[p.IntN(len(known))], body)
	}
	return p.text.String()
}

// TestInlinedCallsMeanTheSame inlines every call and compares what outputs are computed
// of.
func TestInlinedCallsMeanTheSame(t *testing.T) {
	inlined := 0
	for seed := range uint64(300) {
		text := newProgram(seed)
		m, err := onnxtext.Parse(text)
		if err != nil {
			t.Fatalf("seed %d: %v in %s", seed, err, text)
		}
		var want []string
		for _, p := range m.Graph.Outputs() {
			want = append(want, (&meaning{m: m}).of(p.Value))
		}
		for more := true; more; {
			more = false
			for _, n := range m.Graph.Nodes() {
				if f := m.Function(n.Callee()); f != nil {
					if err := n.Inline(f); err != nil {
						t.Fatalf("seed %d: %v in %s", seed, err, text)
					}
					inlined++
					more = true
				}
			}
			if err := m.Graph.Sort(); err != nil {
				t.Fatalf("seed %d: %v in %s", seed, err, text)
			}
			if err := m.Verify(); err != nil {
				t.Fatalf("seed %d: %v in %s", seed, err, text)
			}
		}
		for i, p := range m.Graph.Outputs() {
			if got := (&meaning{m: m}).of(p.Value); got != want[i] {
				t.Fatalf("seed %d: output %q is\n%s\nexpected\n%s\nin %s", seed, p.Name(), got, want[i], text)
			}
		}
		if t.Failed() {
			return
		}
	}
	if inlined < 1000 {
		t.Errorf("expected 1000 calls or more, found %d", inlined)
	}
}

// TestInlineRefuses: what a function asks of its caller and does not get.
func TestInlineRefuses(t *testing.T) {
	for text, want := range map[string]string{
		`{ y = f.g (x) } <domain: "f", opset_import: ["" : 17]> g (a, b) => (b) { c = Neg (a) }`: `its output "y" is none without its input "b"`,
		`{ y = f.g (x) } <domain: "f", opset_import: ["" : 17]> g (a, b) => (c) {
			c = If (a) <then_branch = t () => (q) { q = Neg (b) }, else_branch = e () => (r) { r = Neg (a) }> }`: `reads its input "b", which is omitted`,
	} {
		m, err := onnxtext.Parse(`<ir_version: 9, opset_import: ["" : 17, "f" : 1]> g (float[2] x) => (float[2] y) ` + text)
		if err != nil {
			t.Fatal(err)
		}
		call := m.Graph.Nodes()[0]
		if err := call.Inline(m.Function(call.Callee())); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, expected %q in %s", err, want, text)
		}
	}
}

// TestSortIsStable shuffles the nodes of graphs: what Sort makes of them is in
// topological order, has the same nodes, and stays as it is when it is sorted again.
func TestSortIsStable(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 5))
		g := ir.NewGraph("g")
		x := g.Temp("x", nil)
		g.AddInput(x, nil)
		count := 2 + r.IntN(12)
		values := []*ir.Value{}
		for range count {
			values = append(values, g.Temp("v", nil))
		}
		// Node i reads values before i, and stands anywhere.
		for _, i := range r.Perm(count) {
			in := []*ir.Value{x}
			for range r.IntN(3) {
				if i > 0 {
					in = append(in, values[r.IntN(i)])
				}
			}
			n := g.NewNode("", "Op", in[:1], []*ir.Value{values[i]})
			if i > 0 && r.IntN(3) == 0 { // a read in a body counts
				body := n.NewBody("body")
				body.AddOutput(body.Op1("inner", "Relu", []*ir.Value{values[r.IntN(i)]}, nil), nil)
				attr := ir.IntAttr("body", 0)
				attr.Proto.I, attr.Graphs = nil, []*ir.Graph{body}
				n.SetAttr(attr)
			}
			for k, v := range in {
				n.SetInput(k, v)
			}
		}
		before := g.Nodes()
		if err := g.Sort(); err != nil {
			t.Fatal(err)
		}
		after := g.Nodes()
		place := map[*ir.Node]int{}
		for i, n := range after {
			place[n] = i
		}
		if len(place) != len(before) || slices.ContainsFunc(before, func(n *ir.Node) bool { _, ok := place[n]; return !ok }) {
			t.Fatalf("seed %d: %d nodes became others", seed, len(before))
		}
		for _, n := range after {
			for _, v := range n.Reads() {
				if p := v.Producer(); p != nil && place[p] >= place[n] {
					t.Fatalf("seed %d: %q is read before it is computed", seed, v.Name())
				}
			}
		}
		if err := g.Sort(); err != nil || !slices.Equal(g.Nodes(), after) {
			t.Fatalf("seed %d: sorted again the order is another one (%v)", seed, err)
		}
		first, last := after[0], after[len(after)-1]
		first.SetInput(0, last.Output(0))
		if first != last {
			last.SetInput(0, first.Output(0))
			if err := g.Sort(); err == nil || !strings.Contains(err.Error(), "cycle") {
				t.Fatalf("seed %d: a cycle was sorted (%v)", seed, err)
			}
		}
	}
}
