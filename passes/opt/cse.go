package opt

import (
	"fmt"
	"strings"

	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/compiler/shape"
	"github.com/bottlenet/bnc/passes"
	"google.golang.org/protobuf/proto"
)

// CommonSubexpressions computes what several nodes compute once: nodes of the
// same operator with the same inputs and attributes. Of the two the first stays.
// Nodes that give outputs of the model stay, as do random ones and those with
// bodies.
var CommonSubexpressions = passes.Pass{
	Name: "common-subexpressions",
	Run: func(m *ir.Model) (int, error) {
		seen := map[string]*ir.Node{}
		var dead []*ir.Node
		for _, n := range m.Graph.Nodes() {
			id, ok := expression(n)
			if !ok {
				continue
			}
			first, found := seen[id]
			if !found {
				seen[id] = n
				continue
			}
			for i, v := range n.Outputs() {
				if v != nil {
					if err := v.Replace(first.Output(i)); err != nil {
						return len(dead), err
					}
				}
			}
			dead = append(dead, n)
		}
		m.Graph.Remove(dead...)
		return len(dead), nil
	},
}

// expression identifies what n computes, false where it must stay as it is.
func expression(n *ir.Node) (string, bool) {
	if op := shape.Lookup(n.Domain, n.Op); op == nil || !op.Deterministic() || len(n.Bodies()) > 0 {
		return "", false
	}
	var id strings.Builder
	fmt.Fprintf(&id, "%s.%s", n.Domain, n.Op)
	for _, v := range n.Inputs() {
		fmt.Fprintf(&id, " %p", v)
	}
	for i, v := range n.Outputs() {
		if v != nil && v.IsOutput() {
			return "", false
		}
		fmt.Fprintf(&id, " %d:%v", i, v != nil)
	}
	for _, a := range n.Attrs() {
		b, err := proto.MarshalOptions{Deterministic: true}.Marshal(a.Proto)
		if err != nil {
			return "", false
		}
		fmt.Fprintf(&id, " %x", b)
		for _, t := range a.Tensors {
			fmt.Fprintf(&id, " %p", t)
		}
		for _, s := range a.Sparse {
			fmt.Fprintf(&id, " %p", s)
		}
	}
	return id.String(), true
}
