// Package grad differentiates models: reverse mode, from a forward graph to a
// graph that also computes gradients, all of it in operators that plain ONNX
// Runtime has.
//
// [Backward] walks the graph from the values whose gradients are known and
// applies each node's rule, a row of the table in table.go keyed by domain and
// operator. Rules emit ordinary ONNX operators, but for the few whose best
// spelling depends on the memory layout (convolutions, pooling, batch
// statistics): those become operators of domain bnc.grad, which [Lower] spells
// out for NCHW or CHWN. One set of rules serves both layouts.
//
// # What must hold
//
//   - Every shape is a number: the batch size is fixed first.
//   - Operator set 17 or newer (convert.Upgrade).
//   - Gradients are float32.
//
// The package sees models only; what runs them is elsewhere.
package grad

import (
	"fmt"
	"slices"

	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/compiler/shape"
	"github.com/bottlenet/bnc/passes/bottleneck"
)

// Error says why a node has no gradient.
type Error struct {
	Node   string
	Op     string
	Tensor string // through which the gradient would have had to pass
	Reason string
}

func (e *Error) Error() string {
	return fmt.Sprintf("node %q (%s), tensor %q: %s", e.Node, e.Op, e.Tensor, e.Reason)
}

// Backward appends to m's graph the computation of gradients. Seeds holds the
// gradient of a scalar with respect to some values of the graph; what comes back
// is the scalar's gradient with respect to each of wrt, in the same order and of
// the same shape, nil where the scalar does not depend on it. The shapes of all
// values between them must be known to info as numbers. Where a node on the way
// has no rule, or is not differentiable, the error is an [*Error].
func Backward(m *ir.Model, info *shape.Info, seeds map[*ir.Value]*ir.Value, wrt []*ir.Value) ([]*ir.Value, error) {
	return through(m, info, seeds, wrt, bottleneck.QuantiserOf(m))
}

// through is Backward, which knows the nodes of a bottleneck's quantiser.
func through(m *ir.Model, info *shape.Info, seeds map[*ir.Value]*ir.Value, wrt []*ir.Value, quantiser map[*ir.Node]bool) ([]*ir.Value, error) {
	t := &backward{
		builder: newBuilder(m, info), active: map[*ir.Value]bool{}, grads: map[*ir.Value][]*ir.Value{},
	}
	t.quantiser = quantiser
	if err := spellWindows(t.builder); err != nil {
		return nil, err
	}
	nodes := m.Graph.Nodes()
	for _, v := range wrt {
		t.active[v] = true
	}
	for _, n := range nodes {
		if slices.ContainsFunc(reads(n), func(v *ir.Value) bool { return t.active[v] }) {
			for _, v := range n.Outputs() {
				if v != nil {
					t.active[v] = true
				}
			}
		}
	}
	for _, n := range nodes { // in the graph's order: the same graph each time
		for _, v := range n.Outputs() {
			if v != nil && seeds[v] != nil {
				t.grads[v] = append(t.grads[v], seeds[v])
			}
		}
	}
	for _, n := range slices.Backward(nodes) {
		if err := t.visit(n); err != nil {
			return nil, err
		}
	}
	out := make([]*ir.Value, len(wrt))
	for i, v := range wrt {
		out[i] = t.grad(v)
		if out[i] == nil && seeds[v] != nil {
			out[i] = seeds[v]
		}
	}
	return out, nil
}

// backward is a walk back through a graph.
type backward struct {
	*builder
	active map[*ir.Value]bool        // depends on a value that a gradient is wanted for
	grads  map[*ir.Value][]*ir.Value // what has been contributed to a value's gradient
}

// grad returns the sum of all contributions to v's gradient, nil for none.
func (t *backward) grad(v *ir.Value) *ir.Value {
	parts := t.grads[v]
	if len(parts) == 0 {
		return nil
	}
	sum := parts[0]
	for _, p := range parts[1:] {
		sum = t.add(sum, p)
	}
	t.grads[v] = []*ir.Value{sum}
	return sum
}

func (t *backward) visit(n *ir.Node) error {
	c := &call{backward: t, node: n, given: map[int]*ir.Value{}}
	if !slices.ContainsFunc(n.Outputs(), func(v *ir.Value) bool { return v != nil && len(t.grads[v]) > 0 }) {
		return nil
	}
	if !slices.ContainsFunc(reads(n), func(v *ir.Value) bool { return t.active[v] }) {
		return nil
	}
	r, ok := ruleOf(n)
	if !ok {
		return c.errorf("there is no gradient rule for this operator")
	}
	if r.reason != "" {
		return c.errorf("not differentiable: %s", r.reason)
	}
	if r.vjp == nil {
		return nil
	}
	for _, v := range slices.Concat(n.Inputs(), n.Outputs()) {
		if v != nil && !t.known(v) {
			return c.errorf("the shape of %q is not known as numbers, found %v; export the model for inputs of one shape", v.Name(), t.info.Of(v))
		}
	}
	for i, v := range n.Outputs() {
		if i > 0 && v != nil && len(t.grads[v]) > 0 && !r.outputs {
			return c.errorf("only its first output has a gradient rule, and output %q is used", v.Name())
		}
	}
	t.prefix, t.mixed = "grad."+first(n)+".", nil
	if err := r.vjp(c); err != nil {
		return err
	}
	return c.settle(r)
}

func first(n *ir.Node) string {
	for _, v := range n.Outputs() {
		if v != nil {
			return v.Name()
		}
	}
	return n.Name
}

// reads returns everything that n reads, in its bodies as well.
func reads(n *ir.Node) []*ir.Value {
	return slices.DeleteFunc(slices.Concat(n.Inputs(), n.Captures()), func(v *ir.Value) bool { return v == nil })
}

// call is the application of one node's rule.
type call struct {
	*backward
	node  *ir.Node
	given map[int]*ir.Value // by the rule, by input
}

func (c *call) in(i int) *ir.Value  { return c.node.Input(i) }
func (c *call) out(i int) *ir.Value { return c.node.Output(i) }

// inDims returns the shape of input i.
func (c *call) inDims(i int) []int64 { return c.dims(c.in(i)) }

// wants reports whether the gradient of input i is asked for.
func (c *call) wants(i int) bool { v := c.in(i); return v != nil && c.active[v] && c.isFloat(v) }

// dy returns the gradient of output i, nil where nothing depends on it.
func (c *call) dy(i int) *ir.Value {
	if c.out(i) == nil {
		return nil
	}
	return c.grad(c.out(i))
}

// give contributes dx, of the input's own shape, to the gradient of input i.
func (c *call) give(i int, dx *ir.Value) { c.given[i] = dx }

// giveSum is give for an input that was broadcast to the shape of dx.
func (c *call) giveSum(i int, dx *ir.Value) { c.give(i, c.unbroadcast(dx, c.inDims(i))) }

// settle adds what the rule gave to the gradients of the inputs, after checking
// that each input that wants one got one of its own shape and that no operand in
// another floating-point type met gradients in float32.
func (c *call) settle(r rule) error {
	if v := c.mixed; v != nil {
		return c.errorf("%q is %v, and gradients are computed in float32; give a model in float32", v.Name(), c.typeOf(v))
	}
	for i, v := range c.node.Inputs() {
		dx := c.given[i]
		switch {
		case dx == nil && c.wants(i) && r.ignores[i] == "" && r.ignores[every] == "":
			return c.errorAt(v, "there is no gradient rule for input %d of this operator; keep what it is computed from as it is (option freeze), or make it a constant", i)
		case dx != nil && !slices.Equal(c.dims(dx), c.dims(v)):
			return c.errorAt(v, "its gradient rule does not take these attributes: expected a gradient of shape %v for input %d, found %v", c.dims(v), i, c.dims(dx))
		case dx != nil:
			c.grads[v] = append(c.grads[v], dx)
		}
	}
	return nil
}

// errorf is errorAt for the first input that a gradient passes to.
func (c *call) errorf(format string, args ...any) error {
	for _, v := range c.node.Inputs() {
		if v != nil && c.active[v] {
			return c.errorAt(v, format, args...)
		}
	}
	return c.errorAt(nil, format, args...)
}

func (c *call) errorAt(v *ir.Value, format string, args ...any) error {
	e := &Error{Node: c.node.Name, Op: c.node.Op, Reason: fmt.Sprintf(format, args...)}
	if c.node.Domain != "" {
		e.Op = c.node.Domain + "." + e.Op
	}
	if v != nil {
		e.Tensor = v.Name()
	}
	return e
}
