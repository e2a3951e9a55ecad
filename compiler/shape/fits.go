package shape

import (
	"fmt"

	"github.com/bottlenet/bnc/compiler/ir"
)

// CheckUses checks of every node of m, those of bodies and functions included,
// that the operator exists in the operator set that is imported and that it has
// as many inputs and outputs as that takes, those that it needs among them. Operators without a row pass.
func CheckUses(m *ir.Model) error {
	functions := make(map[ir.FunctionID]bool, len(m.Functions))
	for _, f := range m.Functions {
		functions[f.ID()] = true
	}
	check := func(g *ir.Graph, opset func(domain string) int64) error {
		var first error
		g.Walk(func(n *ir.Node) {
			op := Lookup(n.Domain, n.Op)
			if first == nil && op != nil && !functions[n.Callee()] {
				first = op.fits(n, opset(n.Domain))
			}
		})
		return first
	}
	if err := check(m.Graph, m.Opset); err != nil {
		return err
	}
	for _, f := range m.Functions {
		if err := check(f.Body, functionOpset(f, m.Opset)); err != nil {
			return fmt.Errorf("function %q: %w", f.Proto.GetName(), err)
		}
	}
	return nil
}

// functionOpset returns the versions that f imports, and outer's for the rest.
func functionOpset(f *ir.Function, outer func(string) int64) func(domain string) int64 {
	return func(domain string) int64 {
		for _, o := range f.Proto.OpsetImport {
			if ir.NormalDomain(o.GetDomain()) == domain {
				return o.GetVersion()
			}
		}
		return outer(domain)
	}
}

// fits checks version and number of inputs and outputs of n, which applies op.
func (op *Op) fits(n *ir.Node, version int64) error {
	if first := op.Since[0]; n.Domain == "" && version != 0 && version < first {
		return fmt.Errorf("%s: expected opset %d or newer, which brought %s, found %d", n.Label(), first, op.Name, version)
	}
	if in := n.NumInputs(); in < op.In.Min || op.In.Max >= 0 && given(in, n.Input) > op.In.Max {
		return fmt.Errorf("%s: expected %v inputs, found %d", n.Label(), op.In, in)
	}
	if out := n.NumOutputs(); out < op.Out.Min || op.Out.Max >= 0 && given(out, n.Output) > op.Out.Max {
		return fmt.Errorf("%s: expected %v outputs, found %d", n.Label(), op.Out, out)
	}
	if op.Domain != "" { // which inputs others may omit, no specification says
		return nil
	}
	for i := op.Omits; i < op.In.Min; i++ {
		if n.Input(i) == nil {
			return fmt.Errorf("%s: expected input %d, found it omitted", n.Label(), i)
		}
	}
	for i := range op.Out.Min {
		if n.Output(i) == nil {
			return fmt.Errorf("%s: expected output %d, found it omitted", n.Label(), i)
		}
	}
	return nil
}

// given returns count without the omitted values at the end.
func given(count int, at func(int) *ir.Value) int {
	for count > 0 && at(count-1) == nil {
		count--
	}
	return count
}
