package grad

import (
	"fmt"
	"slices"

	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/compiler/shape"
)

// OwnWeights gives readers of one constant that learn separately a copy each, and
// returns how many copies it made. Exporters and optimisers merge constants that are
// equal when the file is written: the ones and zeros with which normalisations begin
// are one array for all of them, and it is scale and variance at once. Such an array
// is told from a weight that several nodes share on purpose (the branches of a siamese
// network, the steps of a recurrent one) by two rules:
//
//   - Readers in different roles never share: a kernel, a scale, a statistic, a
//     constant that does not learn.
//   - Readers in one role share what was drawn or learnt, which is never equal by
//     chance, but not an array whose elements are all the same, which is.
//
// Where the second rule is wrong, the copies begin as they were and learn one by one.
func OwnWeights(m *ir.Model) (int, error) {
	g, copies := m.Graph, 0
	type reader struct {
		constant *ir.Value
		role     string
	}
	own := map[reader]*ir.Value{}
	learns, pinned := map[*ir.Value]bool{}, map[*ir.Value]bool{} // who has the constant itself: a weight, or what cannot have another
	give := func(n *ir.Node, i int, r reader) {
		switch v := r.constant; {
		case own[r] != nil:
		case learns[v] || pinned[v] && r.role != "":
			own[r] = g.Const(v.Name()+".own", v.Const())
			copies++
		default:
			own[r], learns[v] = v, r.role != ""
		}
		if own[r] != r.constant {
			n.SetInput(i, own[r])
		}
	}
	var others []ir.Use
	for _, n := range g.Nodes() {
		for i, v := range n.Inputs() {
			if v == nil || v.Graph() != g || v.IsInput() || len(v.Uses()) < 2 && !v.IsOutput() {
				continue
			}
			t, role := v.Const(), readsAs(n, i)
			if t == nil || !t.DType().IsFloat() {
				continue
			}
			if role == "" {
				others = append(others, ir.Use{Node: n, Index: i})
				continue
			}
			same, err := uniform(t)
			if err != nil {
				return copies, fmt.Errorf("tensor %q: %w", v.Name(), err)
			}
			if same {
				role = fmt.Sprintf("%s %p %d", role, n, i)
			}
			pinned[v] = v.IsOutput() || slices.ContainsFunc(v.Uses(), func(u ir.Use) bool { return u.Node.Graph() != g })
			give(n, i, reader{v, role})
		}
	}
	for _, u := range others {
		give(u.Node, u.Index, reader{u.Node.Input(u.Index), ""})
	}
	return copies, nil
}

// readsAs says what a constant is to n as its input i, where it may be a weight or
// follows one; "" elsewhere.
func readsAs(n *ir.Node, i int) string {
	switch roleOf(n, i) {
	case shape.Kernel:
		return "kernel"
	case shape.Weight, shape.Statistic:
		return fmt.Sprint(n.Op, " ", i)
	case shape.Operand:
		return n.Op
	}
	return ""
}

// uniform reports whether all elements of t are the same.
func uniform(t *ir.Tensor) (bool, error) {
	f, err := t.Floats()
	if err != nil {
		return false, err
	}
	return !slices.ContainsFunc(f, func(x float32) bool { return x != f[0] }), nil
}
