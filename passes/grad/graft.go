package grad

import (
	"fmt"

	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/passes"
	"google.golang.org/protobuf/proto"
)

// Graft appends the graph of t to that of m, as a network beside it: t's inputs
// read m's of the same names, and its values are named prefix + NAME. A constant
// that m has under the same name with the same contents is shared where share
// allows it, so that CommonSubexpressions finds what both compute; others are
// copies, which keep their values whatever becomes of m's. The models must be of
// the same operator set, without bodies and functions. It returns t's values in m by
// their names in t.
func Graft(m, t *ir.Model, prefix string, share func(name string) bool) (map[string]*ir.Value, error) {
	if a, b := m.Opset(""), t.Opset(""); a != b {
		return nil, passes.Unsuitable("model", "operator set %d: a network of operator set %d cannot be computed beside it", a, b)
	}
	g, at := m.Graph, map[string]*ir.Value{}
	for _, v := range t.Graph.Feeds() {
		same := g.Value(v.Name())
		if same == nil || !same.IsInput() {
			return nil, passes.Unsuitable(fmt.Sprintf("input %q", v.Name()), "the other network has no input of that name")
		}
		at[v.Name()] = same
	}
	for _, v := range t.Graph.Inits() {
		same := g.Value(v.Name())
		if same != nil && same.Init() != nil && share(v.Name()) && sameTensor(same.Init(), v.Init()) {
			at[v.Name()] = same
		} else {
			at[v.Name()] = g.Const(prefix+v.Name(), v.Init())
		}
	}
	for _, v := range t.Graph.SparseInits() {
		at[v.Name()] = g.Temp(prefix+v.Name(), nil)
		g.SetSparseInit(at[v.Name()], v.SparseInit())
	}
	for _, n := range t.Graph.Nodes() {
		if len(n.Bodies()) > 0 {
			return nil, passes.Unsuitable(n.Label(), "control flow cannot be computed beside another network")
		}
		var in, out []*ir.Value
		for _, v := range n.Inputs() {
			if v == nil {
				in = append(in, nil)
			} else {
				in = append(in, at[v.Name()])
			}
		}
		for _, v := range n.Outputs() {
			if v == nil {
				out = append(out, nil)
				continue
			}
			at[v.Name()] = g.Temp(prefix+v.Name(), v.Type())
			out = append(out, at[v.Name()])
		}
		if n.Domain != "" && m.Opset(n.Domain) == 0 {
			m.SetOpset(n.Domain, t.Opset(n.Domain))
		}
		g.NewNode(n.Domain, n.Op, in, out, n.Attrs()...).SetName(prefix + n.Name)
	}
	return at, nil
}

// sameTensor reports whether two constants share their contents: clones do.
func sameTensor(a, b *ir.Tensor) bool {
	return a == b || a.Raw == nil && b.Raw == nil && proto.Equal(a.Proto, b.Proto)
}
