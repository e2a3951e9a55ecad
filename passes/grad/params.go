package grad

import (
	"fmt"
	"slices"

	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/compiler/shape"
	"github.com/bottlenet/bnc/passes/bottleneck"
)

// Parameters returns the weights of a model: the float32 initializers that
// training may change, in the order in which nodes read them. Constants of a
// bottleneck's quantiser are none, nor are numbers (tensors of one element) in
// arithmetic, nor what [noWeight] tells from weights there.
func Parameters(m *ir.Model) []*ir.Value {
	params, _ := parameters(m)
	return params
}

// Constants returns what is added to activations that depend on weights, or multiplied
// with them, and is none of the Parameters.
func Constants(m *ir.Model) []Left {
	_, left := parameters(m)
	return left
}

func parameters(m *ir.Model) (params []*ir.Value, left []Left) {
	quantiser := bottleneck.QuantiserOf(m)
	seen := map[*ir.Value]bool{}
	depends := map[*ir.Value]bool{} // on a weight
	for _, n := range m.Graph.Nodes() {
		// Before the first weight, operands of arithmetic are how the input is scaled.
		shifts := slices.ContainsFunc(n.Inputs(), func(v *ir.Value) bool { return depends[v] })
		for i, v := range n.Inputs() {
			role := roleOf(n, i)
			if quantiser[n] {
				role = 0
			}
			operand := role == shape.Operand
			switch {
			case v == nil || v.Init() == nil || v.Init().DType() != ir.Float32 || v.IsOutput():
				continue
			case role != shape.Kernel && role != shape.Weight && !operand, operand && (!shifts || v.Init().Len() < 2):
				continue
			}
			if operand && !seen[v] {
				if reason := noWeight(n, i); reason != "" {
					if !slices.ContainsFunc(left, func(l Left) bool { return l.Value == v }) {
						left = append(left, Left{v, reason})
					}
					continue
				}
			}
			if !seen[v] {
				seen[v] = true
				params = append(params, v)
			}
			depends[v] = true
		}
		for _, v := range reads(n) {
			if depends[v] {
				for _, out := range n.Outputs() {
					depends[out] = true
				}
				break
			}
		}
	}
	return params, left
}

// roleOf says what input i of n is to a network that learns: the role that the
// operator's row has for it, none where gradients do not pass.
func roleOf(n *ir.Node, i int) shape.Role {
	if r, _ := ruleOf(n); r.vjp == nil {
		return 0
	}
	return shape.Of(n).Role(i)
}

// Untrainable returns the weights of convolutions and matrix products that training cannot
// change: constants that other nodes compute, as DequantizeLinear, or of other elements
// than float32. The first of two matrices counts as activations.
func Untrainable(m *ir.Model) []*ir.Value {
	g := m.Graph
	learns, dependent := map[*ir.Value]bool{}, map[*ir.Value]bool{}
	for _, v := range Parameters(m) {
		learns[v] = true
	}
	for _, v := range g.Feeds() {
		dependent[v] = true
	}
	quantiser := bottleneck.QuantiserOf(m)
	var fixed []*ir.Value
	for _, n := range g.Nodes() {
		for i, w := range n.Inputs() {
			if i > 0 && w != nil && !learns[w] && !dependent[w] && !quantiser[n] && roleOf(n, i) == shape.Kernel {
				fixed = append(fixed, w)
			}
		}
		if slices.ContainsFunc(n.Reads(), func(v *ir.Value) bool { return dependent[v] }) {
			for _, v := range n.Outputs() {
				dependent[v] = true
			}
		}
	}
	return fixed
}

// Param is a weight, or a running statistic, and where its numbers are.
type Param struct {
	Name   string  `json:"name"` // of the initializer
	Dims   []int64 `json:"dims"`
	State  string  `json:"state"`  // tensor that holds it
	Offset int64   `json:"offset"` // of its first element there
}

// Tensor is a piece of the state of a training: a float32 input of the step
// graph, and under the same name with an apostrophe behind it an output that has
// its next value.
type Tensor struct {
	Name string  `json:"name"`
	Dims []int64 `json:"dims"`
	// From names the tensor that has the same initial values, "" for zeros.
	From string `json:"from,omitempty"`
}

// flatBelow is the number of elements below which weights share one tensor:
// what a run costs a tensor is more than what it costs an element.
const flatBelow = 4096

// Prefixes of the names of tensors of state. Those that hold many small parameters
// are called by the prefix alone.
const (
	weightState    = "w:"
	statisticState = "s:"
	averageState   = "e:"
)

// stateNames finds names for tensors of state: no graph of a training has a value
// of that name, or one with an apostrophe behind it.
type stateNames struct {
	graphs []*ir.Graph
	taken  map[string]bool
}

// free returns hint, or hint with the first number that makes it a free name, and
// takes it.
func (s *stateNames) free(hint string) string {
	used := func(name string) bool {
		return s.taken[name] || slices.ContainsFunc(s.graphs, func(g *ir.Graph) bool {
			return g.FreeName(name) != name || g.FreeName(name+next) != name+next
		})
	}
	name := hint
	for i := 1; used(name); i++ {
		name = fmt.Sprintf("%s_%d", hint, i)
	}
	s.taken[name] = true
	return name
}

// layoutState decides where each parameter's numbers are kept: large ones in a
// tensor of their own, small ones together. All tensors have one axis: where the
// last axes are 1, ONNX Runtime takes an operator with a number element by element.
func layoutState(values []*ir.Value, names *stateNames, prefix string, alone int64) (params []Param, tensors []Tensor) {
	var flat []*ir.Value
	for _, v := range values {
		t := v.Init()
		if t.Len() < alone {
			flat = append(flat, v)
			continue
		}
		name := names.free(prefix + v.Name())
		params = append(params, Param{Name: v.Name(), Dims: t.Dims(), State: name})
		tensors = append(tensors, Tensor{Name: name, Dims: []int64{t.Len()}})
	}
	if len(flat) == 0 {
		return params, tensors
	}
	name, offset := names.free(prefix), int64(0)
	for _, v := range flat {
		params = append(params, Param{v.Name(), v.Init().Dims(), name, offset})
		offset += v.Init().Len()
	}
	return params, append(tensors, Tensor{Name: name, Dims: []int64{offset}})
}

// readState makes the graph read its parameters from inputs instead of
// initializers. It returns the inputs by the name of their tensor.
func readState(b *builder, params []Param, tensors []Tensor) map[string]*ir.Value {
	inputs := map[string]*ir.Value{}
	for _, t := range tensors {
		v := b.g.Temp(t.Name, ir.TensorType(ir.Float32, ir.Fixed(t.Dims...)))
		b.g.AddInput(v, nil)
		b.shapes[v] = t.Dims
		inputs[t.Name] = v
	}
	for _, t := range tensors {
		var parts []Param
		for _, p := range params {
			if p.State == t.Name {
				parts = append(parts, p)
			}
		}
		pieces := []*ir.Value{inputs[t.Name]}
		if len(parts) > 1 {
			pieces = divide(b, inputs[t.Name], parts)
		}
		for i, p := range parts {
			old := b.g.Value(p.Name)
			if err := old.Replace(b.reshape(pieces[i], p.Dims...)); err != nil {
				panic("BUG: " + err.Error())
			}
			b.g.RemoveValues(old)
		}
	}
	return inputs
}

// divide splits a tensor of state into the parameters that it holds.
func divide(b *builder, state *ir.Value, params []Param) (pieces []*ir.Value) {
	var sizes []int64
	for _, p := range params {
		n := ir.Elements(p.Dims)
		v := b.g.Temp(p.Name+".flat", ir.TensorType(ir.Float32, ir.Fixed(n)))
		b.shapes[v] = []int64{n}
		sizes, pieces = append(sizes, n), append(pieces, v)
	}
	b.g.NewNode("", "Split", []*ir.Value{state, b.ints(sizes...)}, pieces, ir.IntAttr("axis", 0))
	return pieces
}
