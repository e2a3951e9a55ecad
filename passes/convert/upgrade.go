// Package convert has the passes that bring a model into another form of the same
// computation: operator sets, a symbolic batch, functions inlined, other
// floating-point types, and what a target takes.
package convert

import (
	"fmt"
	"slices"

	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/compiler/onnxpb"
	"github.com/bottlenet/bnc/compiler/shape"
	"github.com/bottlenet/bnc/passes"
	"github.com/bottlenet/bnc/passes/opt"
	"google.golang.org/protobuf/proto"
)

// Upgrade raises a model to operator set target of ai.onnx (at most 17),
// rewriting the nodes whose operators changed on the way, in bodies as well, and
// taking the initializers of IR 3 files off the inputs. A model that has it or a
// newer one already is left alone. An operator that
// changed in a way that no rewrite keeps is an [passes.UnsuitableError].
func Upgrade(target int64) passes.Pass {
	return passes.Pass{
		Name:   "upgrade",
		Breaks: []*passes.Property{opt.NoDeadCode},
		Run:    func(m *ir.Model) (int, error) { return upgrade(m, target) },
	}
}

func upgrade(m *ir.Model, target int64) (int, error) {
	opset := m.Opset("")
	if opset >= target {
		return 0, nil
	}
	info, err := shape.Infer(m, shape.Options{})
	if err != nil {
		return 0, err
	}
	if err := upgradeFunctions(m, target); err != nil {
		return 0, err
	}
	if _, err := Initializers.Run(m); err != nil { // IR 3 has no room for new constants
		return 0, err
	}
	changed := 1 // the import
	edited := map[*ir.Graph]bool{}
	var nodes []*ir.Node
	m.Graph.Walk(func(n *ir.Node) { nodes = append(nodes, n) })
	for _, n := range nodes {
		u := upgrading{ir.Emitter{Graph: n.Graph(), Opset: target, Prefix: "bnc.upgrade."}, info}
		rewrites, err := u.upgrade(n, opset, target)
		if err != nil {
			return changed, err
		}
		if rewrites > 0 {
			changed++
			edited[u.Graph] = true
		}
	}
	for g := range edited {
		if err := g.Sort(); err != nil {
			return changed, err
		}
	}
	m.SetOpset("", target)
	m.SetIRVersion(max(m.IRVersion(), irOf(target)))
	return changed, nil
}

// irOf returns the IR version that an operator set from 15 on demands (ONNX,
// docs/Versioning.md).
func irOf(opset int64) int64 {
	if opset >= 15 {
		return 8
	}
	return 0
}

type upgrading struct {
	ir.Emitter
	info *shape.Info // of the model as it was
}

// upgrade takes n through every version of its operator after opset up to
// target and returns how many of them rewrote it.
func (u upgrading) upgrade(n *ir.Node, opset, target int64) (int, error) {
	rewrites := 0
	for v := opset + 1; v <= target && n.Domain == ""; v++ {
		refuse := func(reason string) (int, error) {
			return rewrites, passes.Unsuitable(n.Label(), "operator set %d cannot be raised to %d: %s", opset, target, reason)
		}
		row := shape.Lookup("", n.Op)
		if row == nil {
			return refuse(n.Op + " is not known")
		}
		if !slices.Contains(row.Since, v) || row.Since[0] == v || slices.Contains(keptVersions[v], n.Op) {
			continue
		}
		rule := upgrades[v][n.Op]
		if rule == nil {
			return refuse(fmt.Sprintf("%s changed with version %d", n.Op, v))
		}
		if reason := rule(u, n); reason != "" {
			return refuse(reason)
		}
		rewrites++
	}
	return rewrites, nil
}

// upgradeFunctions raises the imports of model-local functions, which cannot
// hold the constants that rewrites need.
func upgradeFunctions(m *ir.Model, target int64) error {
	for _, f := range m.Functions {
		f.Proto = proto.Clone(f.Proto).(*onnxpb.FunctionProto) // clones of the model share it
		for _, o := range f.Proto.OpsetImport {
			if ir.NormalDomain(o.GetDomain()) != "" || o.GetVersion() >= target {
				continue
			}
			var err error
			f.Body.Walk(func(n *ir.Node) {
				row := shape.Lookup("", n.Op)
				for v := o.GetVersion() + 1; v <= target && n.Domain == "" && err == nil; v++ {
					if row == nil || slices.Contains(row.Since, v) && !slices.Contains(keptVersions[v], n.Op) {
						err = passes.Unsuitable(n.Label(), "function %s.%s cannot be raised from operator set %d to %d: "+
							"%s changed; inline the functions first", f.ID().Domain, f.ID().Name, o.GetVersion(), target, n.Op)
					}
				}
			})
			if err != nil {
				return err
			}
			o.Version = proto.Int64(target)
		}
	}
	return nil
}
