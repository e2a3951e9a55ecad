package cut

import (
	"slices"

	"github.com/bottlenet/bnc/compiler/ir"
)

// Before returns the multiply-adds, at batch 1, and the number of parameters of
// what a plain split at c leaves on the mobile side.
func (a *Analysis) Before(c *Cut) (macs, params int64) {
	seen := map[*ir.Value]bool{}
	visited := map[*ir.Node]bool{}
	todo := []*ir.Value{c.Value}
	for _, p := range a.Model.Graph.Outputs() {
		if !a.Late(c.Value, p.Value) {
			todo = append(todo, p.Value)
		}
	}
	for len(todo) > 0 {
		v := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if seen[v] {
			continue
		}
		seen[v] = true
		if Parameter(v) {
			params += v.Init().Len()
		}
		if n := v.Producer(); n != nil && !visited[n] {
			visited[n] = true
			m, _ := a.Info.MACs(n)
			macs += m
			todo = append(todo, a.flow.reads[n]...)
		}
	}
	return macs, params
}

// Bytes returns the size of the cut tensor at batch 1, nil where its shape or
// type leaves that open.
func (a *Analysis) Bytes(c *Cut) *int64 {
	bits := c.Type.DType.Bits()
	if !c.Type.Ranked || bits == 0 {
		return nil
	}
	n := int64(1)
	for _, d := range c.Type.Dims {
		size, ok := a.Info.AtBatch1(d)
		if !ok {
			return nil
		}
		n *= size
	}
	b := c.Type.DType.Bytes(n)
	return &b
}

// Parameter reports whether v is what frameworks count as a parameter: an
// initializer that is neither a running statistic of a BatchNormalization (its
// inputs mean and var) nor of the types that shapes, indices and flags have.
func Parameter(v *ir.Value) bool {
	t := v.Init()
	if t == nil || slices.Contains([]ir.DType{ir.Int64, ir.Bool, ir.String}, t.DType()) {
		return false
	}
	for _, u := range v.Uses() {
		if u.Node.Op != "BatchNormalization" || u.Node.Domain != "" || u.Index < 3 {
			return true
		}
	}
	return len(v.Uses()) == 0
}
