package convert

import (
	"slices"

	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/compiler/shape"
	"github.com/bottlenet/bnc/passes"
	"github.com/bottlenet/bnc/passes/opt"
)

// InlineFunctions replaces calls of model-local functions by the functions' nodes,
// those of functions that functions call too. A function of another operator set is
// inlined where its operators mean the same in both, else it is an
// [passes.UnsuitableError].
var InlineFunctions = passes.Pass{
	Name:   "inline-functions",
	Breaks: []*passes.Property{opt.NoDeadCode},
	Run: func(m *ir.Model) (int, error) {
		inlined := 0
		for depth := 0; ; depth++ {
			var calls []*ir.Node
			m.Graph.Walk(func(n *ir.Node) {
				if m.Function(n.Callee()) != nil {
					calls = append(calls, n)
				}
			})
			if len(calls) == 0 {
				break
			}
			if depth > len(m.Functions) {
				return inlined, passes.Unsuitable(calls[0].Label(), "its function calls itself, which ONNX does not allow")
			}
			for _, n := range calls {
				f, g := m.Function(n.Callee()), n.Graph()
				if err := importsOf(m, f); err != nil {
					return inlined, err
				}
				label := n.Label()
				if err := n.Inline(f); err != nil {
					return inlined, passes.Unsuitable(label, "%s", err.Error())
				}
				if err := g.Sort(); err != nil {
					return inlined, err
				}
				inlined++
			}
		}
		functions := m.Functions
		m.Functions = nil
		for _, f := range functions {
			if domain := f.ID().Domain; domain != "" && !m.UsesDomain(domain) {
				m.DropOpset(domain)
			}
		}
		return inlined, nil
	},
}

// importsOf gives m the operator sets of f, as far as its nodes mean the same there.
func importsOf(m *ir.Model, f *ir.Function) error {
	for _, o := range f.Proto.OpsetImport {
		domain, version := ir.NormalDomain(o.GetDomain()), o.GetVersion()
		own := m.Opset(domain)
		if own == 0 {
			m.SetOpset(domain, version)
		}
		if own == 0 || own == version {
			continue
		}
		var err error
		f.Body.Walk(func(n *ir.Node) {
			if n.Domain == domain && m.Function(n.Callee()) == nil && !meansTheSame(n, version, own) && err == nil {
				err = passes.Unsuitable(n.Label(), "function %s.%s is of operator set %d of domain %q, the model of %d, and %s changed in between: "+
					"convert the function first", f.ID().Domain, f.ID().Name, version, domain, own, n.Op)
			}
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// meansTheSame reports whether n, of one operator set, is the same in another.
func meansTheSame(n *ir.Node, from, to int64) bool {
	row := shape.Lookup(n.Domain, n.Op)
	return row != nil && !slices.ContainsFunc(row.Since, func(v int64) bool {
		return v > min(from, to) && v <= max(from, to) && (to < from || n.Domain != "" || !slices.Contains(keptVersions[v], n.Op))
	})
}
